"""What a plugin says of its routes is checked where it says it."""

import pytest

from hostel.runtime import AsgiMessage, Endpoint, Mount


async def app(scope: AsgiMessage, receive, send) -> None:  # type: ignore[no-untyped-def]
    raise NotImplementedError


async def answer(query: object, body: object) -> None:
    raise NotImplementedError


def test_an_application_is_mounted_with_nothing_said_of_it() -> None:
    mount = Mount("/rooms", app)

    assert (mount.paths, mount.refuse) == ({}, None)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: Mount(7, app), "the path of a route must be a text"),  # type: ignore[arg-type]
        (lambda: Mount("/rooms", "app"), "what answers at '/rooms' must be callable"),  # type: ignore[arg-type]
        (lambda: Mount("/rooms", app, paths=["/a"]), "the paths of mount '/rooms' must be a mapping"),  # type: ignore[arg-type]
        (lambda: Mount("/rooms", app, refuse="no"), "what refuses at '/rooms' must be callable"),  # type: ignore[arg-type]
        (lambda: Endpoint("rooms", None), "what answers at 'rooms' must be callable"),  # type: ignore[arg-type]
        (lambda: Endpoint("rooms", answer, "PUT"), "the method of endpoint 'rooms' must be GET or POST"),  # type: ignore[arg-type]
        (lambda: Endpoint("rooms", answer, summary=b""), "the summary of endpoint 'rooms' must be a text"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_served_is_refused_in_one_sentence(make, fault: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError) as refused:
        make()

    assert str(refused.value) == fault
