"""PostgreSQL, by ``database = "postgresql://..."``: asyncpg under SQLAlchemy, on the event loop.

Several servers may share it: rows are added and sums grow under ON CONFLICT, whoever comes first.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from lb.adapters.stores import LOOK_S, StoreAway, TooSlow

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")
CONNECT_S = 3.0
LONGEST_S = 10.0  # for one transaction: a store that hangs counts as away
_MIGRATING = 0x6C62  # "lb", the advisory lock: of servers that start together one migrates


class PostgreSQL:
    """A small pool of connections to one database."""

    name = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: AsyncEngine | None = None
        self._migrated = False

    async def run(self, work: "Callable[[Connection], T]") -> T:
        """Run ``work`` in one transaction. Raises: StoreAway."""
        try:
            async with asyncio.timeout(LONGEST_S):
                return await self._run(work)
        except TimeoutError as error:
            raise StoreAway("it did not answer in time") from error

    async def _run(self, work: "Callable[[Connection], T]") -> T:
        from sqlalchemy.exc import DBAPIError

        try:
            if self._engine is None:
                self._engine = _engine(self._url)
            if not self._migrated:
                async with self._engine.begin() as connection:
                    await connection.run_sync(_migrated)
                self._migrated = True
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        except ImportError as error:
            told = "asyncpg is not installed: pip install 'responses-lb[postgresql]'"
            raise StoreAway(told) from error
        except (DBAPIError, OSError) as error:
            raise StoreAway(_words(error)) from error

    async def look(self, work: "Callable[[Connection], T]", timeout_s: float = LOOK_S) -> T:
        """Run ``work`` in a transaction that only reads. Raises: TooSlow, StoreAway."""
        from sqlalchemy import text

        def bounded(connection: "Connection") -> T:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            connection.execute(text(f"SET LOCAL statement_timeout = {round(timeout_s * 1000)}"))
            return work(connection)

        try:
            return await self.run(bounded)
        except StoreAway as error:
            if "statement timeout" in str(error):
                raise TooSlow("it took too long") from error
            raise

    async def close(self) -> None:
        """Close the connections."""
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None


def _engine(url: str) -> "AsyncEngine":
    """The URL is read by asyncpg itself, so that it means what it means everywhere (libpq)."""
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine

    async def connected(*_: object, **__: object) -> Any:
        return await asyncpg.connect(url, timeout=CONNECT_S)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connected,
        pool_size=2,
        max_overflow=2,
        pool_pre_ping=True,
    )


def _migrated(connection: "Connection") -> None:
    from sqlalchemy import text

    from lb.adapters.stores.migrations import migrate

    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
    migrate(connection)


def _words(error: Exception) -> str:
    """What the driver said, without the statement and its values."""
    told = str(getattr(error, "orig", error)).splitlines() or [type(error).__name__]
    return told[0][:300]
