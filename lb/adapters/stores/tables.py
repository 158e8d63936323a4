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
    Index("ledger_day", "day"),
    Index("ledger_key_at", "key", "at"),
    Index("ledger_account_at", "account", "at"),
    Index("ledger_model_at", "model_asked", "at"),
)
"""One row for each admitted request that ended."""
_rare = Index("ledger_outcome_at", ledger.c.outcome, ledger.c.at, sqlite_where=_RARE)

daily = Table(
    "daily",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in _COUNTS),
    Column("cost_uusd", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
)
"""The ledger added up, in the transaction that adds its rows: it outlives them."""

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
