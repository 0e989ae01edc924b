"""A PostgreSQL server of one's own: made in a temporary folder, reached by a Unix socket, gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "200"}
USER = "hostel"


def postgres_binaries() -> Path | None:
    """Find the folder of `initdb` and `postgres`, the newest version first; None if there is none."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    folders = sorted((path.parent for path in installed), key=lambda path: float(path.parent.name))
    return folders[-1] if folders else None


class PostgresServer:
    """Runs while its context is open; as user `postgres` when we are root, since PostgreSQL refuses root.

    :param settings: settings of the server that differ from those for tests
    :raises FileNotFoundError: if PostgreSQL's server is not installed
    """

    def __init__(self, **settings: str) -> None:
        binaries = postgres_binaries()
        if binaries is None:
            raise FileNotFoundError("PostgreSQL's server is not installed: apt-get install postgresql")
        self._binaries, self._settings = binaries, SETTINGS | settings
        self._numbers = count()

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="hostel-pg-"))
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        try:
            self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8")
            options = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
            socket = f"-c listen_addresses='' -c unix_socket_directories={self._folder} {options}"
            self._run(
                "pg_ctl", "-D", str(self._data), "-l", str(self._folder / "log"), "-w", "-o", socket, "start"
            )
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")
        finally:
            self._remove()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        quiet = subprocess.DEVNULL
        done = subprocess.run(command, cwd="/", stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')}")

    def url(self, database: str = "postgres") -> str:
        """Say how to reach a database."""
        return f"postgresql://{USER}@/{database}?host={self._folder}"

    def create_database(self, *, like: str = "template1") -> str:
        """Create a database and return its name.

        :param like: database to copy; nobody may be connected to it
        """
        name = f"database_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
        return name

    def empty(self, name: str) -> None:
        """Delete every row of a database of batches."""
        from .._store.database.schema import metadata

        self.execute("".join(f"DELETE FROM {table};" for table in reversed(metadata.sorted_tables)), name)

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the server's owner, outside a transaction."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())
