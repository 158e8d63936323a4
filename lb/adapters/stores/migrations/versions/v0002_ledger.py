"""Version 2: the ledger, its sums by day, and client keys."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ledger",
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        *_texts("key", "account", "model_asked", "model_served", "effort"),
        sa.Column("stream", sa.Boolean, nullable=False),
        *_counts(),
        sa.Column("cost_uusd", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("queue_ms", sa.Integer, nullable=False),
        sa.Column("ttfb_ms", sa.Integer),
        sa.Column("total_ms", sa.Integer, nullable=False),
        *_texts("outcome", "usage_from"),
    )
    op.create_index("ledger_at", "ledger", ["at"])
    op.create_index("ledger_day", "ledger", ["day"])
    op.create_table(
        "daily",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("key", "account", "model")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("requests", "attempts")),
        *_counts(),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("cost_uusd", "unpriced")),
    )
    _client_keys()


def _client_keys() -> None:
    op.create_table(
        "client_keys",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        *_texts("prefix", "plan", "told"),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("old_digest", sa.LargeBinary),
        sa.Column("old_prefix", sa.Text, nullable=False),
        sa.Column("old_until", sa.Double),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _counts() -> list[sa.Column[int]]:
    names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]
