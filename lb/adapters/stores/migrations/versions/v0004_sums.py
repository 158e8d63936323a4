"""Version 4: sums by hour and day, of a key, an account, a model; indexes a search reads alone.

``daily`` held every day, and holds from now on the days whose rows are gone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
_NAMES = (
    *("requests", "attempts", "input_tokens", "cached_tokens", "output_tokens"),
    *("reasoning_tokens", "cost_uusd", "unpriced"),
)
_OF_ROWS = (
    "count(*)",
    *(f"sum({name})" for name in _NAMES[1:6]),
    "sum(coalesce(cost_uusd, 0))",
    "sum(CASE WHEN cost_uusd IS NULL AND usage_from <> 'none' THEN 1 ELSE 0 END)",
)
_KINDS = {"key": "key", "account": "account", "model": "model_asked"}


def upgrade() -> None:
    """Make the sums from what there is, and the indexes anew."""
    op.create_table(
        "sums",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("span_s", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _NAMES),
        sqlite_with_rowid=False,
    )
    whole = "CAST(at AS BIGINT)" if op.get_bind().dialect.name == "sqlite" else "floor(at)::bigint"
    into = f"INSERT INTO sums (kind, span_s, number, name, {', '.join(_NAMES)})"
    days = ", ".join(f"sum({name})" for name in _NAMES)
    for kind, column in _KINDS.items():
        op.execute(
            f"{into} SELECT '{kind}', 86400, day, {kind}, {days} FROM daily GROUP BY day, {kind}"  # noqa: S608
        )
        op.execute(
            f"{into} SELECT '{kind}', 3600, {whole} / 3600 AS hour, {column}, {', '.join(_OF_ROWS)}"  # noqa: S608
            f" FROM ledger GROUP BY hour, {column}"
        )
    _only_what_is_gone()
    _indexes()


def _only_what_is_gone() -> None:
    """Take from ``daily`` what its rows are there for."""
    less = ", ".join(f"-{each}" for each in _OF_ROWS)
    more = ", ".join(f"{name} = daily.{name} + excluded.{name}" for name in _NAMES)
    names = "day, key, account, model"
    op.execute(
        f"INSERT INTO daily ({names}, {', '.join(_NAMES)})"  # noqa: S608
        f" SELECT day, key, account, model_asked, {less} FROM ledger"
        f" GROUP BY day, key, account, model_asked ON CONFLICT ({names}) DO UPDATE SET {more}"
    )
    op.execute("DELETE FROM daily WHERE requests = 0")


def _indexes() -> None:
    op.drop_index("ledger_day", "ledger")
    op.drop_index("ledger_key_at", "ledger")
    op.drop_index("ledger_account_at", "ledger")
    op.create_index("ledger_key_at", "ledger", ["key", "at", "model_asked", "account"])
    op.create_index("ledger_account_at", "ledger", ["account", "at", "model_asked"])
