"""Durable facts: a store takes work (a plain function of a connection) and runs it, all or nothing.

    tables.py       what there is
    adding.py       rows, and what they add up to
    statements.py   what else is asked of it: the same for every store
    searches.py     requests found again
    reading.py      rows as plain data
    migrations/     how an older one becomes what there is (Alembic), run at start
    sqlite.py       SQLite in ``data_dir``: one writer thread            (default)
    postgresql.py   PostgreSQL, by ``database = "postgresql://..."``

A new kind of store is one file and one row in SCHEMES. SQLAlchemy is imported when one is opened.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from lb.core.secret import Secret

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")


class StoreAway(Exception):  # noqa: N818  # the house's word
    """The store cannot be asked now; what was to be written is still in the journal."""


class TooSlow(StoreAway):
    """A question took longer than it may; the store itself is well."""


LOOK_S = 1.0  # for what an operator asks: nobody may keep a store busy with a question


class Store(Protocol):
    """A store. Never for the request path: any call may wait for a disk or a network."""

    name: str

    async def run(self, work: "Callable[[Connection], T]") -> T:
        """Run ``work`` in one transaction. Raises: StoreAway."""

    async def look(self, work: "Callable[[Connection], T]", timeout_s: float = LOOK_S) -> T:
        """Run ``work``, which only reads, beside whatever is written.

        Raises: TooSlow when it takes longer than ``timeout_s``, StoreAway.
        """

    async def close(self) -> None:
        """Let go of it."""


def _sqlite(url: str, data_dir: Path) -> Store:
    from lb.adapters.stores.sqlite import SQLite

    del url
    return SQLite(data_dir / "lb.sqlite3")


def _postgresql(url: str, data_dir: Path) -> Store:
    from lb.adapters.stores.postgresql import PostgreSQL

    del data_dir
    return PostgreSQL(url)


SCHEMES: dict[str, Callable[[str, Path], Store]] = {
    "": _sqlite,
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "postgres": _postgresql,
}
"""Scheme of ``[server] database`` -> how to open it."""


def open_store(database: Secret | None, data_dir: Path) -> Store:
    """The store a configuration names; nothing is connected or migrated yet."""
    url = database.reveal() if database is not None else ""
    return SCHEMES[url.partition("://")[0]](url, data_dir)
