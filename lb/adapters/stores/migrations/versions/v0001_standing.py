"""Version 1: how accounts stood. Databases from before the migrations have this table already."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table, unless it is there."""
    op.create_table(
        "standing",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("saved_at", sa.Double, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        if_not_exists=True,
    )
