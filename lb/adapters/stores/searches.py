"""Requests found again: each search is one walk along an index, a page long."""

from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select, text

from lb.adapters.stores.tables import ledger
from lb.core.search import Search

COLUMNS = [column for column in ledger.c if column.name != "day"]


def search(connection: Connection, wanted: Search) -> list[dict[str, Any]]:
    """The page, newest first."""
    return [dict(row) for row in connection.execute(_page(wanted)).mappings()]


def request(connection: Connection, request_id: str) -> dict[str, Any] | None:
    """One request."""
    found = connection.execute(select(*COLUMNS).where(ledger.c.request_id == request_id))
    row = found.mappings().first()
    return None if row is None else dict(row)


def _page(wanted: Search) -> Select[Any]:
    asked = select(*COLUMNS)
    for column, value in wanted.filters().items():
        asked = asked.where(ledger.c[column] == value)
    if wanted.outcome and wanted.outcome != "completed":
        asked = asked.where(text("outcome <> 'completed'"))  # the index says the same, word by word
    if wanted.since is not None:
        asked = asked.where(ledger.c.at >= wanted.since)
    if wanted.until is not None:
        asked = asked.where(ledger.c.at < wanted.until)
    if wanted.after is not None:
        at, request_id = wanted.after.at, wanted.after.request_id
        same = and_(ledger.c.at == at, ledger.c.request_id < request_id)
        asked = asked.where(ledger.c.at <= at, or_(ledger.c.at < at, same))
    return asked.order_by(ledger.c.at.desc(), ledger.c.request_id.desc()).limit(wanted.limit)
