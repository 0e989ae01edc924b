"""An application with a login cookie that mounts the inspector, as a process: `users_app.py LOOP`.

It writes its address, then `cancelled by NAME` once its task was asked to stop, and ends with its input."""

import sys
from http.cookies import SimpleCookie

import anyio
from anyio.abc import SocketAttribute
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from hostel.plugins.inspector import Role, User, asgi
from hostel.plugins.inspector._server import http1
from hostel.runtime import AsgiMessage, Runtime
from hostel.sessions import EventType, TaskSpec

USERS = {"ada-secret": User("Ada Lovelace", Role.STEER), "bob-secret": User("Bob", Role.VIEW)}


async def by_cookie(scope: AsgiMessage) -> User | None:
    cookies = SimpleCookie(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
    return USERS.get(cookies["login"].value) if "login" in cookies else None


async def login(request: Request) -> Response:
    response = RedirectResponse("/hostel/")
    response.set_cookie("login", request.path_params["secret"], httponly=True, samesite="lax")
    return response


async def main() -> None:
    runtime = Runtime(load_installed=False, blocked=["model_pull"])
    app = Starlette(
        routes=[Route("/login/{secret}", login), Mount("/hostel", asgi(runtime, auth=by_cookie))],
    )
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    stop, errors = anyio.Event(), list[Exception]()
    async with runtime, anyio.create_task_group() as group:
        await runtime.tasks.register("session", TaskSpec(id="build", label="Build it all"))
        group.start_soon(http1.serve, listener, app, stop, errors.append, 50)
        group.start_soon(_tell, runtime)
        _say(f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}")
        await anyio.to_thread.run_sync(sys.stdin.readline)
        stop.set()
    sys.exit(str(errors) if errors else 0)


async def _tell(runtime: Runtime) -> None:
    async for event in runtime.tasks.subscribe():
        if event.type is EventType.CANCEL_REQUESTED and event.record is not None:
            _say(f"cancelled by {event.record.cancel_actor}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main, backend=sys.argv[1])
