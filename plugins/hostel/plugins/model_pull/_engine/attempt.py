"""One go at a file.

The conductor's thread starts workers as they are wanted, records once a second what is in place,
and at the end cuts every connection and joins every thread, however it ended.
"""

import threading
import time
from collections.abc import Callable

from .._errors import StorageFailed
from .transfer_state import Adopted, AttemptEnd, Stopped, TransferState
from .worker import Worker

RECORD_SECONDS = 1.0


class Attempt:
    """Run workers on one shared state until it ends; `run` is called once, `stop` from any thread.

    :param hire: make the worker of an index
    :param record: make durable what is in place; it may take long
    :param published: whether somebody else has published the file
    :param limited: whether a limiter decides how fast it goes, so that speed says nothing about the host
    """

    def __init__(
        self,
        state: TransferState,
        hire: Callable[[int], Worker],
        *,
        record: Callable[[], None],
        published: Callable[[], bool],
        limited: Callable[[], bool],
    ) -> None:
        self.state, self._limited = state, limited
        self._hire, self._record, self._published = hire, record, published
        self._lock = threading.Lock()
        self._workers: dict[int, Worker] = {}
        self._threads: list[threading.Thread] = []

    @property
    def connections(self) -> int:
        return len(self._workers)

    def run(self) -> AttemptEnd:
        """Return how it ended; no thread is left by then."""
        try:
            while self.state.ending is None:
                self._conduct()
        except StorageFailed as error:
            self.state.end(error)
        finally:
            self.stop(Stopped())
            for thread in self._threads:
                thread.join()
        return self.state.ending or Stopped()

    def stop(self, ending: AttemptEnd) -> None:
        """End all traffic at once; `ending` counts only if there was none before."""
        self.state.end(ending)
        with self._lock:
            for worker in self._workers.values():
                worker.cut()

    def _conduct(self) -> None:
        """Keep the workers at it until the next record is due, then record."""
        began, before = time.monotonic(), self.state.fetched
        while self.state.ending is None and (left := began + RECORD_SECONDS - time.monotonic()) > 0:
            self._staff()
            self.state.wait(left)
            self._expire()
        if self.state.ending is not None:
            return
        # another program, which knows nothing of our locks, was faster
        if self._published():
            self.state.end(Adopted())
            return
        rate = (self.state.fetched - before) / (time.monotonic() - began)
        self.state.measured(rate, limited=self._limited())
        self._record()

    def _expire(self) -> None:
        """End what trickles."""
        with self._lock:
            for worker in self._workers.values():
                worker.expire(time.monotonic())

    def _staff(self) -> None:
        """Start the workers that are wanted and missing."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for index in range(self.state.wanted()):
            # ended workers have freed their index
            if index not in self._workers and self.state.has_work():
                self._start(index)

    def _start(self, index: int) -> None:
        worker = self._hire(index)
        thread = threading.Thread(
            target=self._work, args=(index, worker), name=f"hostel-fetch-{index}", daemon=True
        )
        with self._lock:
            self._workers[index] = worker
        thread.start()
        self._threads.append(thread)

    def _work(self, index: int, worker: Worker) -> None:
        try:
            worker.run()
        except Exception as error:  # noqa: BLE001 - the thread's boundary: `run` hands the error on
            self.state.end(error)
        finally:
            with self._lock:
                del self._workers[index]
            worker.close()
            self.state.nudge()
