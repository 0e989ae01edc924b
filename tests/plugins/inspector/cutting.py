"""A wire that is cut again and again: forwards connections and closes each after so many bytes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Wire:
    def __init__(self, target: tuple[str, int], after: int) -> None:
        self._target = target
        self._after = after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0

    def run(self) -> None:
        """Forward connections until closed."""
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                self._start(self._pump, near, far, 1 << 40)
                self._start(self._pump, far, near, self._after)

    def close(self) -> None:
        """Cut everything and wait for the threads."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            cut(end)
        for thread in self._threads:
            thread.join(5)
        for end in self._open:
            end.close()

    def _start(self, func: object, *args: object) -> None:
        thread = threading.Thread(target=func, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _pump(self, source: socket.socket, target: socket.socket, room: int) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data[:room])
                room -= len(data)
                if room <= 0:
                    self.cuts += 1
                    break
        cut(source)
        cut(target)


def cut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_wire(target: tuple[str, int], after: int) -> Iterator[Wire]:
    wire = Wire(target, after)
    accepting = threading.Thread(target=wire.run)
    accepting.start()
    try:
        yield wire
    finally:
        wire.close()
        accepting.join(5)
