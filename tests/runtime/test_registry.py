"""Where plugins come from, and what happens to those that do not work."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import pytest

from hostel.runtime import PluginFailed, PluginRegistry, hookimpl


class Greeter:
    name = "greeter"

    @hookimpl
    def on_session_opened(self, session_id: str) -> None: ...


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Objects that count as installed under the entry-point group, by name."""
    found: dict[str, object] = {}
    module = ModuleType("installed_plugins")
    monkeypatch.setitem(sys.modules, "installed_plugins", module)

    def entry_points(*, group: str) -> EntryPoints:
        for name, value in found.items():
            setattr(module, name, value)
        return EntryPoints(EntryPoint(name, f"installed_plugins:{name}", group) for name in found)

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    return found


def test_a_plugin_is_listed_with_its_hooks() -> None:
    registry = PluginRegistry()
    registry.add(Greeter())

    (info,) = registry
    assert (info.name, info.hooks, info.failure) == ("greeter", ("on_session_opened",), None)
    assert "greeter" in registry
    assert repr(registry) == "<PluginRegistry 1 plugins, 0 with failures>"


def test_built_ins_come_from_this_distribution() -> None:
    registry = PluginRegistry()
    registry.load_builtins()

    assert {info.distribution for info in registry} == {"hostel"}
    assert "model_pull" in {info.name for info in registry}


def test_a_blocked_built_in_is_left_out() -> None:
    registry = PluginRegistry(blocked=["model_pull"])
    registry.load_builtins()

    assert "model_pull" not in {info.name for info in registry}


def test_a_given_plugin_with_an_unknown_hook_is_refused_and_leaves_no_trace() -> None:
    class Mistaken:
        @hookimpl
        def on_sesion_opened(self, session_id: str) -> None: ...

    registry = PluginRegistry()
    with pytest.raises(PluginFailed, match="there is no hook 'on_sesion_opened'") as failed:
        registry.add(Mistaken())

    assert failed.value.phase == "validating"
    assert len(registry) == 0


def test_an_unknown_argument_is_refused() -> None:
    class Mistaken:
        @hookimpl
        def on_session_opened(self, sesion: str) -> None: ...

    with pytest.raises(PluginFailed, match="sesion"):
        PluginRegistry().add(Mistaken())


def test_a_wrapper_is_refused() -> None:
    class Wrapping:
        @hookimpl(wrapper=True)
        def on_session_opened(self, session_id: str):  # type: ignore[no-untyped-def]
            yield

    with pytest.raises(PluginFailed, match="one by one"):
        PluginRegistry().add(Wrapping())


def test_two_plugins_of_one_name_are_refused() -> None:
    registry = PluginRegistry()
    registry.add(Greeter())

    with pytest.raises(PluginFailed, match="of that name already"):
        registry.add(Greeter())


def test_an_installed_class_is_made_an_object_and_a_module_is_taken_as_it_is(
    installed: dict[str, object],
) -> None:
    module = ModuleType("plugin_module")
    module.on_session_opened = hookimpl(lambda session_id: None)  # type: ignore[attr-defined]
    installed.update(a_class=Greeter, a_module=module)
    registry = PluginRegistry()
    registry.load_installed()

    assert [info.hooks for info in registry] == [("on_session_opened",)] * 2


@pytest.mark.parametrize("error", [ImportError("no such thing"), SystemExit(3)])
def test_a_stranger_that_fails_to_load_is_set_aside_and_the_others_run(
    installed: dict[str, object], error: BaseException
) -> None:
    class Broken:
        def __init__(self) -> None:
            raise error

    installed.update(broken=Broken, greeter=Greeter)
    registry = PluginRegistry()
    registry.load_installed()

    infos = {info.name: info for info in registry}
    assert infos["broken"].failure == f"importing: {type(error).__name__}: {error}"
    assert "broken" not in registry
    assert "greeter" in registry


def test_a_stranger_that_does_not_fit_is_set_aside_with_its_reason(installed: dict[str, object]) -> None:
    class Mistaken:
        @hookimpl
        def on_sesion_opened(self, session_id: str) -> None: ...

    installed["mistaken"] = Mistaken
    registry = PluginRegistry()
    registry.load_installed()

    (info,) = registry
    assert info.failure is not None
    assert "there is no hook 'on_sesion_opened'" in info.failure


def test_a_blocked_stranger_is_not_even_imported(installed: dict[str, object]) -> None:
    class Exploding:
        def __init__(self) -> None:
            raise AssertionError("imported")

    installed["exploding"] = Exploding
    registry = PluginRegistry(blocked=["exploding"])
    registry.load_installed()

    assert len(registry) == 0


def test_a_hook_that_raises_is_noted_and_the_others_answer() -> None:
    class Raising:
        @hookimpl
        def register_task_kinds(self) -> list[str]:
            raise ValueError("not today")

    class Answering:
        @hookimpl
        def register_task_kinds(self) -> list[str]:
            return ["something"]

    registry = PluginRegistry()
    registry.add(Answering())
    registry.add(Raising())

    assert registry.collect("register_task_kinds") == [("Answering", ["something"])]
    failures = {info.name: info.failure for info in registry}
    assert failures == {"Answering": None, "Raising": "register_task_kinds: ValueError: not today"}
    assert "Raising" in registry


@pytest.mark.virtual_time
async def test_a_hook_that_hangs_is_cancelled_and_noted() -> None:
    import anyio

    class Hanging:
        @hookimpl
        async def on_session_opened(self, session_id: str) -> None:
            await anyio.sleep_forever()

    registry = PluginRegistry()
    registry.add(Hanging())
    await registry.notify("on_session_opened", session_id="s1")

    (info,) = registry
    assert info.failure == "on_session_opened: not done after 5 s"


async def test_sync_and_async_hooks_are_called_alike() -> None:
    told: list[str] = []

    class Sync:
        @hookimpl
        def on_session_opened(self, session_id: str) -> None:
            told.append(f"sync {session_id}")

    class Async:
        @hookimpl
        async def on_session_opened(self, session_id: str) -> None:
            told.append(f"async {session_id}")

    registry = PluginRegistry()
    registry.add(Sync())
    registry.add(Async())
    await registry.notify("on_session_opened", session_id="s1")

    assert sorted(told) == ["async s1", "sync s1"]


def test_plugins_start_after_what_they_require() -> None:
    class First:
        name = "first"

    class Second:
        name = "second"
        requires = ("first",)

    registry = PluginRegistry()
    registry.add(Second())
    registry.add(First())

    assert registry.start_order() == ["first", "second"]


def test_a_given_plugin_that_requires_a_missing_one_is_refused() -> None:
    class Lonely:
        requires = ("company",)

    registry = PluginRegistry()
    registry.add(Lonely())

    with pytest.raises(PluginFailed, match="requires 'company', which is not there"):
        registry.start_order()


def test_strangers_that_require_each_other_are_set_aside(installed: dict[str, object]) -> None:
    class Egg:
        requires = ("hen",)

    class Hen:
        requires = ("egg",)

    installed.update(egg=Egg, hen=Hen, greeter=Greeter)
    registry = PluginRegistry()
    registry.load_installed()

    assert registry.start_order() == ["greeter"]
    assert {info.name for info in registry if info.failure} == {"egg", "hen"}
