"""The tables, one set for every store. What the migrations make is held against this by a test."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    inspect,
    text,
)

from lb.core.book import SUMS

metadata = MetaData()

standing = Table(
    "standing",
    metadata,
    Column("account", Text, primary_key=True),
    Column("saved_at", Double, nullable=False),
    Column("told", Text, nullable=False),  # JSON
)
"""How each account stood when it was saved."""

_RARE = text("outcome <> 'completed'")
"""Most requests are completed: they need no index of their own."""
_COUNTS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")

ledger = Table(
    "ledger",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("at", Double, nullable=False),  # admitted, unix seconds
    Column("day", Integer, nullable=False),  # of ``at`` in UTC, counted from 1970-01-01
    Column("key", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("model_asked", Text, nullable=False),
    Column("model_served", Text, nullable=False),
    Column("effort", Text, nullable=False),
    Column("stream", Boolean, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in _COUNTS),
    Column("cost_uusd", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("queue_ms", Integer, nullable=False),
    Column("ttfb_ms", Integer),
    Column("total_ms", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("usage_from", Text, nullable=False),
    Index("ledger_at", "at"),
    # what else one looks for stands behind ``at``, so that a search reads only rows it wants
    Index("ledger_key_at", "key", "at", "model_asked", "account"),
    Index("ledger_account_at", "account", "at", "model_asked"),
    Index("ledger_model_at", "model_asked", "at"),
)
"""One row for each admitted request that ended."""
_rare = Index("ledger_outcome_at", ledger.c.outcome, ledger.c.at, sqlite_where=_RARE)


def _sums() -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in SUMS]


sums = Table(
    "sums",
    metadata,
    Column("kind", Text, primary_key=True),  # key, account or model
    Column("span_s", Integer, primary_key=True, autoincrement=False),  # an hour's or a day's
    Column("number", Integer, primary_key=True, autoincrement=False),  # in UTC, from 1970-01-01
    Column("name", Text, primary_key=True),
    *_sums(),
    sqlite_with_rowid=False,
)
"""The ledger added up, in the transaction that adds its rows: what reports are made of.

Days outlive the rows, hours do not.
"""

daily = Table(
    "daily",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    *_sums(),
)
"""What rows that are gone came to, each key with each account and model: sums can be made anew."""

client_keys = Table(
    "client_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("told", Text, nullable=False),  # JSON
    Column("created_at", Double, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("old_digest", LargeBinary),
    Column("old_prefix", Text, nullable=False),
    Column("old_until", Double),
    Column("changed_at", BigInteger, nullable=False),
)
"""Client keys made by ``lb keys``: digests, never the keys."""


def insert(connection: Connection, table: Table) -> Any:
    """The insert of the store's own dialect: it knows ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as of_postgresql

        return of_postgresql(table)
    from sqlalchemy.dialects.sqlite import insert as of_sqlite

    return of_sqlite(table)


def is_empty(connection: Connection) -> bool:
    """Whether the store has none of the tables yet."""
    there = inspect(connection)
    return not any(there.has_table(table.name) for table in metadata.sorted_tables)


def create(connection: Connection) -> None:
    """Make every table in an empty store."""
    if connection.dialect.name == "postgresql":  # said here: it would import its dialect for SQLite
        _rare.dialect_options["postgresql"]["where"] = _RARE
    metadata.create_all(connection, checkfirst=False)
