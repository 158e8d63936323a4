"""Version 3: what requests are searched by."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("ledger_key_at", "ledger", ["key", "at"])
    op.create_index("ledger_account_at", "ledger", ["account", "at"])
    op.create_index("ledger_model_at", "ledger", ["model_asked", "at"])
    rare = sa.text("outcome <> 'completed'")
    op.create_index(
        "ledger_outcome_at",
        "ledger",
        ["outcome", "at"],
        sqlite_where=rare,
        postgresql_where=rare,
    )
