"""Requests found again: each search is one walk along an index, a page long."""

from typing import Any

from sqlalchemy import Column, Connection, Select, UnaryExpression, and_, or_, select, text
from sqlalchemy.sql.operators import custom_op

from lb.adapters.stores.reading import rows_of
from lb.adapters.stores.tables import ledger
from lb.core.search import Search

COLUMNS = [column for column in ledger.c if column.name != "day"]
WALKED = ("key", "account", "model_asked")
"""Columns with an index, those first that have more of what else one may look for in it."""


def search(connection: Connection, wanted: Search) -> list[dict[str, Any]]:
    """The page, newest first."""
    return rows_of(connection, _page(wanted, guesses=connection.dialect.name == "sqlite"))


def request(connection: Connection, request_id: str) -> dict[str, Any] | None:
    """One request."""
    found = connection.execute(select(*COLUMNS).where(ledger.c.request_id == request_id))
    row = found.mappings().first()
    return None if row is None else dict(row)


def _page(wanted: Search, *, guesses: bool) -> Select[Any]:
    """What is asked; ``guesses``: of a store without statistics, which is told where to walk."""
    asked, filters = select(*COLUMNS), wanted.filters()
    walked = next((name for name in WALKED if name in filters), "outcome")
    if wanted.outcome and wanted.outcome != "completed":
        asked, walked = asked.where(text("outcome <> 'completed'")), "outcome"  # as its index says
    for name, value in filters.items():
        column = ledger.c[name]
        asked = asked.where((column if name == walked or not guesses else _aside(column)) == value)
    if wanted.since is not None:
        asked = asked.where(ledger.c.at >= wanted.since)
    if wanted.until is not None:
        asked = asked.where(ledger.c.at < wanted.until)
    if wanted.after is not None:
        at, request_id = wanted.after.at, wanted.after.request_id
        same = and_(ledger.c.at == at, ledger.c.request_id < request_id)
        asked = asked.where(ledger.c.at <= at, or_(ledger.c.at < at, same))
    return asked.order_by(ledger.c.at.desc(), ledger.c.request_id.desc()).limit(wanted.limit)


def _aside(column: Column[str]) -> UnaryExpression[str]:
    """The column, and no index by it (sqlite.org/optoverview.html#uplus)."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)
