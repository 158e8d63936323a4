"""SQLite in ``data_dir``: WAL, one writer thread, batched behind the request path; one that reads.

``synchronous=NORMAL``: commits survive a killed process entirely; a power cut may lose the last
ones but never corrupts (sqlite.org/wal.html). What matters more than that is in the journal first.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lb.adapters.stores import LOOK_S, StoreAway, TooSlow

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")
WAL_TRIES = 50
WAL_REST_S = 0.1
STEPS = 20_000  # of SQLite's machine between two looks at the clock: about a millisecond
_PRAGMAS = (
    "PRAGMA busy_timeout=5000",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA journal_size_limit=16777216",
    "PRAGMA temp_store=MEMORY",  # what a statement keeps aside while it adds up a batch
)


class SQLite:
    """One file, two threads, a connection each: what is asked never waits for what is written."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._engine: Engine | None = None
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-reads")
        self._reader: Engine | None = None
        self._deadline = 0.0  # of the look under way, by time.monotonic

    async def run(self, work: "Callable[[Connection], T]") -> T:
        """Run ``work`` in one transaction, in the writer thread. Raises: StoreAway."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def _run(self, work: "Callable[[Connection], T]") -> T:
        from sqlalchemy.exc import DBAPIError

        try:
            if self._engine is None:
                self._engine = self._opened()
            with self._engine.begin() as connection:
                return work(connection)
        except (DBAPIError, OSError) as error:
            raise StoreAway(str(getattr(error, "orig", error))) from error

    async def look(self, work: "Callable[[Connection], T]", timeout_s: float = LOOK_S) -> T:
        """Run ``work`` in the reading thread. Raises: TooSlow, StoreAway."""
        if self._engine is None:
            await self.run(lambda _: None)  # it makes the tables
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._look, work, timeout_s)

    def _look(self, work: "Callable[[Connection], T]", timeout_s: float) -> T:
        from sqlalchemy.exc import DBAPIError

        self._deadline = time.monotonic() + timeout_s
        try:
            if self._reader is None:
                self._reader = self._readable()
            with self._reader.connect() as connection:
                return work(connection)
        except (DBAPIError, OSError) as error:
            told = str(getattr(error, "orig", error))
            if told == "interrupted":
                raise TooSlow("it took too long") from error
            raise StoreAway(told) from error

    def _readable(self) -> "Engine":
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import StaticPool

        def set_up(connection: sqlite3.Connection, _: Any) -> None:
            connection.execute("PRAGMA query_only=ON")
            connection.execute("PRAGMA busy_timeout=1000")
            connection.set_progress_handler(self._is_late, STEPS)

        engine = create_engine(f"sqlite:///{self._path}", poolclass=StaticPool)
        event.listen(engine, "connect", set_up)
        return engine

    def _is_late(self) -> int:
        return int(time.monotonic() > self._deadline)

    def _opened(self) -> "Engine":
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import StaticPool

        from lb.adapters.stores.migrations import migrate

        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._path.chmod(0o600)
        engine = create_engine(f"sqlite:///{self._path}", poolclass=StaticPool)
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
        with engine.begin() as connection:
            migrate(connection)
        return engine

    async def close(self) -> None:
        """Close the database, once what is under way is through."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reading, self._close_reader)
        self._reading.shutdown(wait=False)
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.dispose()
            self._reader = None

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


def _set_up(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # or the driver begins and commits by rules of its own
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    for last in range(WAL_TRIES - 1, -1, -1):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:  # another makes the file: this does not wait
            if not last or "locked" not in str(error):
                raise
            time.sleep(WAL_REST_S)
        else:
            return


def _begin(connection: "Connection") -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
