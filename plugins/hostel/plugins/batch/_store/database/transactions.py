"""The one seam to the database: transactions in worker threads, foreign errors translated.

A transaction is a plain function of a connection, run whole in one worker thread; it begins, commits or rolls
back there, so a cancelled caller never leaves one open. Reads and writes have their own slots, so that a
queue of writers cannot starve readers; SQLite has one writer slot because it has one writer. What may pass (a
deadlock) is run again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy import exc

from ..._model.errors import StorageRefused, StorageUnavailable
from . import dialect

P = ParamSpec("P")
T = TypeVar("T")
Transaction = Callable[Concatenate[sa.Connection, P], T]

ATTEMPTS = 5


class Contended(Exception):
    """The ground moved under this transaction; it is to be run again from the start."""


class Database:
    """Runs transactions.

    :param statement_timeout: seconds that one statement may take
    """

    def __init__(self, location: str | Path, *, statement_timeout: float = 30.0) -> None:
        self.engine = dialect.connect(location, statement_timeout)
        self._reading = dialect.for_reading(self.engine)
        self._writing = self.engine.execution_options(writes=True)
        self._readers = anyio.CapacityLimiter(dialect.READERS)
        # SQLite has one writer: to wait for it here costs no thread and no busy timeout
        self._writers = anyio.CapacityLimiter(1 if dialect.is_sqlite(self.engine) else 4)

    async def read(self, work: Transaction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a transaction that changes nothing."""
        return await self._in_thread(
            self._reading, self._readers, lambda connection: work(connection, *args, **kwargs)
        )

    async def write(self, work: Transaction[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a transaction that is committed before this returns, or not at all."""
        return await self._in_thread(
            self._writing, self._writers, lambda connection: work(connection, *args, **kwargs)
        )

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.engine.dispose, limiter=self._writers)

    async def _in_thread(
        self, engine: sa.Engine, limiter: anyio.CapacityLimiter, work: Callable[[sa.Connection], T]
    ) -> T:
        return await anyio.to_thread.run_sync(_transact, engine, work, limiter=limiter)


def _transact(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    # a transaction that failed left nothing behind: deadlocks and lost connections are cured by another run
    for last in (False,) * (ATTEMPTS - 1) + (True,):
        try:
            with engine.begin() as connection:
                return work(connection)
        except Contended as error:
            if last:
                raise StorageUnavailable("too many changes at once") from error
        except (exc.OperationalError, exc.InterfaceError) as error:
            if dialect.is_refusal(error):
                raise StorageRefused(_said(error.orig)) from error
            if last or not dialect.may_pass(error):
                raise StorageUnavailable(_said(error.orig)) from error
        except exc.TimeoutError as error:
            raise StorageUnavailable("every connection is busy") from error
        except exc.DBAPIError as error:
            raise StorageRefused(_said(error.orig)) from error
        except (exc.SQLAlchemyError, OverflowError, UnicodeError) as error:
            raise StorageRefused(_said(error)) from error
    raise AssertionError("the last attempt returns or raises")


def _said(error: BaseException | None) -> str:
    """Repeat what the database says, without the details, which quote rows."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
