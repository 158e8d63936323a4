"""What is asked of a store: plain functions of a connection, run in one transaction each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    case,
    delete,
    func,
    select,
    union_all,
)
from sqlalchemy.sql.expression import literal

from lb.adapters.stores.tables import daily, insert, ledger, standing
from lb.core.book import DAY_S, SUMS, Row, columns, day_of
from lb.core.book import daily as added_up
from lb.core.limits import Spending
from lb.core.reports import BY, Query, date_of


def load_standings(connection: Connection) -> dict[str, dict[str, Any]]:
    """The saved standings, by account."""
    rows = connection.execute(select(standing.c.account, standing.c.told))
    return {account: msgspec.json.decode(told) for account, told in rows}


def save_standings(connection: Connection, standings: Mapping[str, dict[str, Any]]) -> None:
    """Save a batch of standings, each in place of the one before."""
    rows = [
        {"account": name, "saved_at": told["saved_at"], "told": msgspec.json.encode(told).decode()}
        for name, told in sorted(standings.items())
    ]
    if rows:
        new = insert(connection, standing)
        told = {name: new.excluded[name] for name in ("saved_at", "told")}
        connection.execute(new.on_conflict_do_update(index_elements=["account"], set_=told), rows)


def add_rows(connection: Connection, rows: Iterable[Row]) -> None:
    """Add rows to the ledger and to the sums of their days; those it has are passed over."""
    told = [columns(row) for row in rows]
    if not told:
        return
    new = insert(connection, ledger).on_conflict_do_nothing(index_elements=["request_id"])
    added = set(connection.scalars(new.returning(ledger.c.request_id), told))
    sums = added_up(row for row in told if row["request_id"] in added)
    if sums:
        more = insert(connection, daily)
        total = {name: daily.c[name] + more.excluded[name] for name in SUMS}
        keys = ["day", "key", "account", "model"]
        connection.execute(more.on_conflict_do_update(index_elements=keys, set_=total), sums)


def forget(connection: Connection, before_day: int) -> int:
    """Let go of the rows of days before ``before_day``; their sums stay. Says how many."""
    return connection.execute(delete(ledger).where(ledger.c.day < before_day)).rowcount


def usage(connection: Connection, query: Query) -> dict[str, Any]:
    """The report: totals, then ``rows``, the costliest first (days in their order).

    Whole days come from the sums; only what is cut off at either end is counted row by row, and
    where those rows are gone already (see retention) the whole day is.
    """
    parts = union_all(*_parts(connection, query)).subquery()
    by = parts.c[query.by]
    sums = [func.coalesce(func.sum(parts.c[name]), 0).label(name) for name in SUMS]
    order: Sequence[Any] = (by,) if query.by == "day" else (sums[6].desc(), sums[0].desc(), by)
    found = connection.execute(select(by.label(query.by), *sums).group_by(by).order_by(*order))
    rows = [_plain(row._mapping) for row in found]  # noqa: SLF001  # SQLAlchemy's public name
    totals = {name: sum(row[name] for row in rows) for name in SUMS}
    return {**totals, "by": query.by, "rows": rows}


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """As JSON wants it: sums of BIGINT are Decimal in PostgreSQL, days are numbers."""
    told = {name: int(value) if name in SUMS else value for name, value in row.items()}
    return {**told, "day": date_of(told["day"])} if "day" in told else told


def _parts(connection: Connection, query: Query) -> list[Select[Any]]:
    kept_from = connection.scalar(select(func.min(ledger.c.day)))
    first, last = _whole_days(query, kept_from)
    whole: list[ColumnElement[bool]] = [literal(value=True)]
    edges: list[Select[Any]] = []
    if first is not None:
        whole.append(daily.c.day >= first)
        edges.append(_rows(query.since, min(first * DAY_S, query.until or first * DAY_S)))
    if last is not None:
        whole.append(daily.c.day < last)
    if last is not None and (first is None or last >= first):  # else the first edge is it all
        edges.append(_rows(last * DAY_S, query.until))
    names = (*BY, *SUMS)
    in_days = [daily.c.day, daily.c.key, daily.c.account, daily.c.model]
    by_name: dict[str, Column[Any]] = {column.name: column for column in in_days}
    days = select(*(by_name.get(name, daily.c[name]) for name in names)).where(*whole)
    return [days, *edges]


def _whole_days(query: Query, kept_from: int | None) -> tuple[int | None, int | None]:
    """The first whole day, and the day after the last; None where the report has no end."""
    first = last = None
    if query.since is not None:
        first = -int(-query.since // DAY_S)
        if kept_from is None or day_of(query.since) < kept_from:
            first = day_of(query.since)
    if query.until is not None:
        last = day_of(query.until)
        if kept_from is None or last < kept_from:
            last = -int(-query.until // DAY_S)
    return first, last


def _rows(since: float | None, until: float | None) -> Select[Any]:
    """Rows of the ledger in the columns of the sums."""
    free = (ledger.c.cost_uusd.is_(None)) & (ledger.c.usage_from != "none")
    told: dict[str, ColumnElement[Any]] = {
        "model": ledger.c.model_asked,
        "requests": literal(1),
        "cost_uusd": func.coalesce(ledger.c.cost_uusd, 0),
        "unpriced": case((free, 1), else_=0),
    }
    chosen = [(told[name] if name in told else ledger.c[name]).label(name) for name in (*BY, *SUMS)]
    found = select(*chosen)
    if since is not None:
        found = found.where(ledger.c.at >= since)
    return found if until is None else found.where(ledger.c.at < until)


def spent(connection: Connection, since: float) -> list[Spending]:
    """What each key has used since the start of a day (unix seconds)."""
    tokens = func.sum(daily.c.input_tokens + daily.c.output_tokens)
    sums = (func.sum(daily.c.requests), tokens, func.sum(daily.c.cost_uusd))
    asked = select(daily.c.key, *sums).where(daily.c.day >= day_of(since)).group_by(daily.c.key)
    return [Spending(key, *map(int, numbers)) for key, *numbers in connection.execute(asked)]
