"""Another program at the port of a runtime: it answers whatever it is asked and keeps what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stranger:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.was_asked = threading.Event()


@contextmanager
def stranger(port: int = 0) -> Iterator[tuple[Stranger, str]]:
    """Answer at `port` until the end; yield what was heard and the address."""
    kept = Stranger()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kept.heard += [self.path, *map(str, self.headers.items())]
            body = json.dumps({"items": [], "next": None, "run": "f00d", "proof": "0" * 64}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            kept.was_asked.set()

        do_POST = do_GET  # noqa: N815 - as http.server wants it

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield kept, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
