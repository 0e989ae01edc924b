"""Where plugins come from, who keeps a name, and what happens to those that do not work."""

import importlib.metadata
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import anyio
import pytest

from hostel.runtime import (
    PluginFailed,
    PluginInfo,
    PluginRegistry,
    Runtime,
    TaskKind,
    UnknownKind,
    hookimpl,
    hookspec,
    hookspecs,
)

from .conftest import Site

GREETER = """
    from hostel.runtime import hookimpl

    class Greeter:
        @hookimpl
        def on_session_opened(self, session_id): ...

    @hookimpl
    def on_session_closed(session_id): ...
"""


class Greeter:
    name = "greeter"

    @hookimpl
    def on_session_opened(self, session_id: str) -> None: ...


def registry(*given: object, blocked: tuple[str, ...] = ("hostel",)) -> PluginRegistry:
    found = PluginRegistry(given, blocked=blocked)
    found.load()
    return found


def infos(found: PluginRegistry) -> dict[str, PluginInfo]:
    return {info.name: info for info in found}


# where they come from


def test_a_plugin_is_listed_with_its_hooks() -> None:
    found = registry(Greeter())

    (info,) = found
    assert (info.name, info.hooks, info.failure) == ("greeter", ("on_session_opened",), None)
    assert "greeter" in found
    assert repr(found) == "<PluginRegistry 1 plugins, 0 with failures>"


def test_built_ins_come_from_this_distribution_by_its_entry_points() -> None:
    found = registry(blocked=())
    named = importlib.metadata.distribution("hostel").entry_points.select(group="hostel.plugins").names

    assert {info.name for info in found if info.distribution == "hostel"} == named
    assert "model_pull" in named


def test_an_installed_class_is_made_an_object_and_a_module_is_taken_as_it_is(site: Site) -> None:
    site.install("polite", GREETER, {"a-class": "Greeter", "a-module": ""})

    assert [(info.name, info.distribution, info.version, info.hooks) for info in registry()] == [
        ("a-class", "polite", "1.0", ("on_session_opened",)),
        ("a-module", "polite", "1.0", ("on_session_closed",)),
    ]


def test_a_given_module_is_called_as_it_is_called() -> None:
    module = ModuleType("my_app.greetings")
    module.on_session_opened = hookimpl(lambda session_id: None)  # type: ignore[attr-defined]

    assert "my_app.greetings" in registry(module)


@pytest.mark.parametrize("blocked", ["greeter", "polite-people", "Polite_People"])
def test_a_blocked_stranger_is_not_even_imported(site: Site, blocked: str) -> None:
    site.install("polite-people", "raise AssertionError", {"greeter": ""})

    assert len(registry(blocked=("hostel", blocked))) == 0


def test_a_variable_of_the_environment_blocks_plugins_too(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("polite", "raise AssertionError")
    monkeypatch.setenv("HOSTEL_PLUGINS_BLOCKED", "hostel, polite,")

    assert len(registry(blocked=())) == 0


def test_a_blocked_built_in_is_left_out() -> None:
    assert "model_pull" not in infos(registry(blocked=("model_pull",)))


def test_a_plugin_without_its_extra_is_listed_with_the_command_that_installs_it(site: Site) -> None:
    site.install(
        "polite",
        GREETER,
        {"plain": "", "bows": " [bowing]"},
        requires=("hostel", 'no-such-distribution>=2; extra == "bowing"'),
    )
    found = registry()

    assert infos(found)["plain"].failure is None
    assert infos(found)["bows"].failure == "not installed: pip install 'polite[bowing]'"
    assert "bows" not in found


# who keeps a name


def test_two_given_plugins_of_one_name_are_refused() -> None:
    with pytest.raises(PluginFailed, match="of that name already"):
        registry(Greeter(), Greeter())


@pytest.mark.parametrize("name", ["greeter", "model_pull"])
def test_a_stranger_under_a_name_that_is_taken_is_set_aside_and_listed(site: Site, name: str) -> None:
    site.install("polite", GREETER, {name: ""})
    found = registry(Greeter(), blocked=())

    ours, theirs = [info for info in found if info.name == name]
    assert (ours.failure, ours.active) == (None, True)
    assert (theirs.failure, theirs.active) == ("importing: there is a plugin of that name already", False)
    assert name in found


def test_a_module_under_two_names_keeps_the_first(site: Site) -> None:
    site.install("polite", GREETER, {"first": "", "second": ""})
    found = registry()

    assert "first" in found
    assert infos(found)["second"].failure == "importing: is the plugin 'first', which is there already"
    assert [listener.plugin for listener in found.listeners(hookspecs.on_session_closed)] == ["first"]


def test_plugins_that_say_they_are_equal_are_still_two() -> None:
    class Agreeable(Greeter):
        def __init__(self, name: str) -> None:
            self.name = name

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            raise TypeError("no")

    assert len(registry(Agreeable("one"), Agreeable("two"))) == 2


# what does not work


def test_a_given_plugin_with_an_unknown_hook_is_refused_in_one_sentence() -> None:
    class Mistaken:
        @hookimpl
        def on_sesion_opened(self, session_id: str) -> None: ...

    with pytest.raises(PluginFailed) as failed:
        registry(Mistaken())

    assert str(failed.value) == "plugin 'Mistaken' failed: validating: there is no hook 'on_sesion_opened'"
    assert failed.value.phase == "validating"


def test_a_plugin_that_is_refused_is_not_called() -> None:
    class Mistaken(Greeter):
        @hookimpl
        def on_sesion_opened(self, session_id: str) -> None: ...

    found = PluginRegistry([Mistaken()], blocked=["hostel"])
    with pytest.raises(PluginFailed):
        found.load()

    assert found.listeners(hookspecs.on_session_opened) == []
    assert "greeter" not in found


class UnknownArgument:
    @hookimpl
    def on_session_opened(self, sesion: str) -> None: ...


class Wrapping:
    @hookimpl(wrapper=True)
    def on_session_opened(self, session_id: str) -> Iterator[None]:
        yield


class WrongRequires(Greeter):
    requires = 5


class RequiresText(Greeter):
    requires = "batch"


class WrongName(Greeter):
    name = 5  # type: ignore[assignment]


class RaisingName:
    @hookimpl
    def on_session_opened(self) -> None: ...

    def __getattr__(self, name: str) -> object:
        raise SystemExit(name)


REFUSED = [
    (UnknownArgument(), "there is no argument 'sesion' in 'on_session_opened'"),
    (Wrapping(), "one by one"),
    (Greeter, "is a class: give an instance of it"),
    (object(), "has no hooks: mark its functions with @hookimpl"),
    (WrongRequires(), "has a `requires` that is not a list of names"),
    (RequiresText(), "has a `requires` that is not a list of names"),
    (WrongName(), "has a `name` that is not a text"),
    (RaisingName(), "SystemExit"),
]


@pytest.mark.parametrize(("plugin", "why"), REFUSED, ids=[type(plugin).__name__ for plugin, _ in REFUSED])
def test_a_given_plugin_that_does_not_fit_is_refused(plugin: object, why: str) -> None:
    with pytest.raises(PluginFailed, match=why):
        registry(plugin)


def test_a_property_of_a_plugin_is_not_read() -> None:
    class Careful(Greeter):
        @property
        def url(self) -> str:
            raise RuntimeError("it has not started")

    assert "greeter" in registry(Careful())


FAILING = {
    "raise ImportError('no such thing')": "ImportError: no such thing",
    "raise SystemExit(3)": "SystemExit: 3",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "import asyncio; raise asyncio.CancelledError": "CancelledError",
    "raise ValueError('two\\nlines \\x1b[31m')": "ValueError: two lines [31m",
    "class E(Exception):\n    def __str__(self): raise E\nraise E": "E: its text cannot be had",
    "if": "SyntaxError: invalid syntax (failing.py, line 1)",
}


@pytest.mark.parametrize(("source", "why"), FAILING.items(), ids=FAILING.values())
def test_a_stranger_that_fails_to_load_is_set_aside_and_the_others_run(
    site: Site, source: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.install("failing", source)
    site.install("polite", GREETER)
    found = registry()

    assert infos(found)["failing"].failure == f"importing: {why}"
    assert caplog.messages == [f"plugin 'failing' of failing failed: importing: {why}"]
    assert "failing" not in found
    assert "polite" in found


def test_the_users_ctrl_c_while_a_plugin_is_imported_is_no_fault_of_the_plugin(site: Site) -> None:
    site.install("slow", "import signal; signal.raise_signal(signal.SIGINT)")

    with pytest.raises(KeyboardInterrupt):
        registry()


def test_a_stranger_that_does_not_fit_is_set_aside_with_its_reason(site: Site) -> None:
    site.install("empty", "")
    found = registry()

    assert infos(found)["empty"].failure == "importing: has no hooks: mark its functions with @hookimpl"
    assert "empty" not in found


def test_a_built_in_that_fails_to_load_ends_the_loading(site: Site) -> None:
    site.install("hostel", "raise ImportError('no such thing')", {"own": ""})
    (site.folder / "hostel.py").rename(site.folder / "own.py")
    points = site.folder / "hostel-1.0.dist-info/entry_points.txt"
    points.write_text("[hostel.plugins]\nown = own\n")

    with pytest.raises(PluginFailed, match="plugin 'own' of hostel failed: importing: ImportError: no such"):
        registry(blocked=())


# hooks of plugins


def specs(**hooks: object) -> object:
    return SimpleNamespace(**hooks)


@hookspec
def on_tea(cups: int) -> None:
    """Be told that there is tea."""


class Host:
    name = "host"
    hookspecs = specs(on_tea=on_tea)


class Guest:
    name = "guest"

    def __init__(self) -> None:
        self.cups = 0

    @hookimpl
    def on_tea(self, cups: int) -> None:
        self.cups += cups


@pytest.mark.parametrize("host_first", [True, False])
async def test_a_plugin_brings_hooks_that_others_implement_whatever_the_order(host_first: bool) -> None:
    guest = Guest()
    found = registry(*([Host(), guest] if host_first else [guest, Host()]))
    await found.notify(on_tea, cups=2)
    found.close()

    assert guest.cups == 2


async def test_a_plugin_may_do_without_a_hook_that_nobody_brings() -> None:
    class Modest(Greeter):
        @hookimpl(optionalhook=True)
        def on_tea(self, cups: int) -> None: ...

    assert infos(registry(Modest()))["greeter"].hooks == ("on_session_opened",)
    assert infos(registry(Modest(), Host()))["greeter"].hooks == ("on_session_opened", "on_tea")


def test_a_hook_that_there_is_already_is_refused() -> None:
    class Other:
        hookspecs = specs(on_tea=hookspec(lambda cups: None))

    with pytest.raises(PluginFailed, match="brings a hook 'on_tea', which there is already"):
        registry(Host(), Other())


def test_a_hook_must_say_by_its_name_what_becomes_of_its_answer() -> None:
    class Brewing:
        hookspecs = specs(brew=hookspec(lambda: None))

    with pytest.raises(PluginFailed, match="its hook 'brew' does not begin with register_, choose_, on_"):
        registry(Brewing())


def test_a_module_that_imports_the_manual_brings_no_hooks(site: Site) -> None:
    site.install("reader", "from hostel.runtime import hookspecs" + GREETER.replace("\n    ", "\n"))

    assert "reader" in registry()


# order


def telling(called: str, answer: str | None = None) -> object:
    class Telling:
        name = called

        @hookimpl
        def register_task_kinds(self) -> list[TaskKind]:
            return [TaskKind(self.name, anyio.sleep)]

        @hookimpl
        def choose_a_word(self) -> str | None:
            return answer

        @hookimpl
        def on_session_opened(self, session_id: str) -> None: ...

    return Telling()


def _word(answer: object) -> object:
    return answer


@hookspec(answer=_word)
def choose_a_word() -> str | None:
    """Choose a word."""


class Words:
    name = "words"
    hookspecs = specs(choose_a_word=choose_a_word)


STRANGER = """
    import anyio
    from hostel.runtime import TaskKind, hookimpl

    @hookimpl
    def register_task_kinds():
        return [TaskKind("stranger", anyio.sleep)]

    @hookimpl
    def choose_a_word():
        return "stranger"
"""


def test_descriptions_come_from_the_given_plugins_then_the_built_in_then_the_installed(site: Site) -> None:
    site.install("stranger", STRANGER)
    found = registry(Words(), telling("given"), telling("later"), blocked=())
    kinds = [kind.name for _, kind in found.collect(hookspecs.register_task_kinds)]

    assert kinds[:2] == ["later", "given"]
    assert set(kinds[2:-1]) == {"batch", "model_pull", "process"}
    assert kinds[-1] == "stranger"


async def test_a_given_plugin_is_asked_before_an_installed_one_and_the_last_given_first(site: Site) -> None:
    site.install("stranger", STRANGER)
    for answers, chosen in [
        (("early", "late"), "late"),
        (("early", None), "early"),
        (("early", ""), ""),
        ((None, None), "stranger"),
    ]:
        found = registry(Words(), telling("one", answers[0]), telling("two", answers[1]))
        assert await found.first(choose_a_word) == chosen
        found.close()


def test_an_empty_answer_is_an_answer() -> None:
    class Empty:
        @hookimpl
        def register_task_kinds(self) -> tuple[TaskKind, ...]:
            return ()

    found = registry(Words(), telling("one"), Empty())

    assert [kind.name for _, kind in found.collect(hookspecs.register_task_kinds)] == ["one"]
    assert infos(found)["Empty"].failure is None


async def test_a_plugin_that_was_set_aside_is_called_no_more(site: Site) -> None:
    site.install(
        "loud",
        """
        from hostel.runtime import hookimpl
        told = []

        @hookimpl
        def on_session_opened(session_id):
            told.append(session_id)
        """,
    )
    found = registry()
    import loud  # type: ignore[import-not-found]

    (before,) = found.listeners(hookspecs.on_session_opened)
    await found.notify(hookspecs.on_session_opened, "one")
    found.set_aside("loud", "on_startup", "it is too loud")
    await found.notify(hookspecs.on_session_opened, "two")
    await before.tell("three")
    found.close()

    assert loud.told == ["one"]
    assert infos(found)["loud"].failure == "on_startup: it is too loud"


# who requires whom


class First(Greeter):
    name = "first"


class Second(Greeter):
    name = "second"
    requires = ("first",)


def test_plugins_start_after_what_they_require() -> None:
    assert registry(Second(), First()).start_order() == ["first", "second"]


def test_strangers_that_require_each_other_are_set_aside(site: Site) -> None:
    site.install("egg", "requires = ['hen']" + GREETER.replace("\n    ", "\n"))
    site.install("hen", "requires = ['egg']" + GREETER.replace("\n    ", "\n"))
    found = registry(Greeter())

    assert found.start_order() == ["greeter"]
    assert {info.name for info in found if info.failure} == {"egg", "hen"}


FAILS_TO_START = """
    from hostel.runtime import TaskKind, hookimpl

    async def crawl() -> None:
        pass

    @hookimpl
    def register_task_kinds():
        return [TaskKind("crawl", crawl, resumable=True)]

    @hookimpl
    def on_startup():
        raise OSError("the port is taken")
"""
REQUIRES = """
    from hostel.runtime import hookimpl
    requires = ["{other}"]

    @hookimpl
    def on_startup():
        raise AssertionError("started")
"""


async def test_who_requires_what_requires_what_did_not_start_is_told_so(site: Site) -> None:
    site.install("first-of-all", REQUIRES.format(other="then"), {"first": ""})
    site.install("then", REQUIRES.format(other="base"))
    site.install("base", FAILS_TO_START)

    async with Runtime([Greeter()], blocked=["hostel"]) as runtime:
        failures = {info.name: info.failure for info in runtime.plugins if info.failure}

    assert failures == {
        "base": "on_startup: OSError: the port is taken",
        "then": "on_startup: requires 'base', which is not there",
        "first": "on_startup: requires 'then', which is not there",
    }


async def test_the_task_kinds_of_a_plugin_that_does_not_start_cannot_be_started(site: Site) -> None:
    site.install("base", FAILS_TO_START)

    async with Runtime([Greeter()], blocked=["hostel"]) as runtime:
        assert "crawl" not in {kind.name for kind in runtime.kinds}
        with pytest.raises(
            UnknownKind, match=r"the plugin 'base', which registers .* was set aside"
        ) as unknown:
            await runtime.start("s1", "crawl")
        assert await runtime.tasks.sessions() == []

    assert unknown.value.set_aside == "base"
    assert "crawl" not in unknown.value.known
