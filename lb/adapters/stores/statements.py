"""What is asked of a store: plain functions of a connection, run in one transaction each."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, case, delete, func, select, union_all

from lb.adapters.stores.reading import rows_of
from lb.adapters.stores.tables import daily, insert, ledger, standing
from lb.adapters.stores.tables import sums as added_up
from lb.core.book import DAY_S, SUMS, day_of
from lb.core.limits import Spending
from lb.core.reports import HOUR_S, Query, date_of, parts

IN_FULL = ("day", "key", "account", "model_asked")
"""What rows that are gone are added up by."""


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


def forget(connection: Connection, before_day: int) -> int:
    """Let go of the rows of days before ``before_day``; their sums stay. Says how many."""
    old = ledger.c.at < before_day * DAY_S
    kept = select(*(ledger.c[name] for name in IN_FULL), *_counted()).where(old)
    gone = insert(connection, daily)
    more = {name: daily.c[name] + gone.excluded[name] for name in SUMS}
    names = ["day", "key", "account", "model", *SUMS]
    gone = gone.from_select(names, kept.group_by(*(ledger.c[name] for name in IN_FULL)))
    connection.execute(gone.on_conflict_do_update(index_elements=names[:4], set_=more))
    hours = (added_up.c.span_s == HOUR_S) & (added_up.c.number < before_day * (DAY_S // HOUR_S))
    connection.execute(delete(added_up).where(hours))
    return connection.execute(delete(ledger).where(old)).rowcount


def _counted() -> list[ColumnElement[Any]]:
    """The sums of rows, in the order of SUMS."""
    free = (ledger.c.cost_uusd.is_(None)) & (ledger.c.usage_from != "none")
    told: dict[str, ColumnElement[Any]] = {
        "requests": func.count(),
        "cost_uusd": func.sum(func.coalesce(ledger.c.cost_uusd, 0)),
        "unpriced": func.sum(case((free, 1), else_=0)),
    }
    return [(told[name] if name in told else func.sum(ledger.c[name])).label(name) for name in SUMS]


def usage(connection: Connection, query: Query) -> dict[str, Any]:
    """The report: totals, then ``rows``, the costliest first (days in their order).

    Whole days and hours come from the sums; only what is cut off at either end is counted row by
    row, and where those rows are gone already (see retention) the whole day is.
    """
    found_in = union_all(*_parts(connection, query)).subquery()
    by = found_in.c[query.by]
    told = [func.coalesce(func.sum(found_in.c[name]), 0).label(name) for name in SUMS]
    asked = select(by.label(query.by), *told).group_by(by)
    rows = [_plain(row) for row in rows_of(connection, asked)]
    if query.by == "day":
        rows.sort(key=itemgetter("day"))
    else:
        rows.sort(key=lambda row: (-row["cost_uusd"], -row["requests"], row[query.by]))
    totals = {name: sum(row[name] for row in rows) for name in SUMS}
    return {**totals, "by": query.by, "rows": rows}


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """As JSON wants it: sums of BIGINT are Decimal in PostgreSQL, days are numbers."""
    told = {name: int(value) if name in SUMS else value for name, value in row.items()}
    return {**told, "day": date_of(told["day"])} if "day" in told else told


def _parts(connection: Connection, query: Query) -> list[Select[Any]]:
    """Each part of a report, in the same columns."""
    oldest = connection.scalar(select(func.min(ledger.c.at)))
    cut = parts(query, None if oldest is None else day_of(oldest))
    first, last = cut.days
    return [
        _summed(query.by, DAY_S, first, last),
        *(_summed(query.by, HOUR_S, *each) for each in cut.hours),
        *(_rows(query.by, *each) for each in cut.rows),
    ]


def _summed(by: str, span_s: int, first: int | None, last: int | None) -> Select[Any]:
    """Whole days or hours."""
    kind = "account" if by == "day" else by  # of all kinds the one with the fewest names
    day = added_up.c.number if span_s == DAY_S else added_up.c.number // (DAY_S // HOUR_S)
    name: ColumnElement[Any] = day if by == "day" else added_up.c.name
    found = select(name.label(by), *(added_up.c[each] for each in SUMS))
    found = found.where(added_up.c.kind == kind, added_up.c.span_s == span_s)
    if first is not None:
        found = found.where(added_up.c.number >= first)
    return found if last is None else found.where(added_up.c.number < last)


def _rows(by: str, since: float, until: float) -> Select[Any]:
    """Rows of the ledger, added up."""
    name = ledger.c.model_asked if by == "model" else ledger.c[by]
    found = select(name.label(by), *_counted()).where(ledger.c.at >= since, ledger.c.at < until)
    return found.group_by(name)


def spent(connection: Connection, since: float) -> list[Spending]:
    """What each key has used since the start of a day (unix seconds)."""
    tokens = func.sum(added_up.c.input_tokens + added_up.c.output_tokens)
    told = (func.sum(added_up.c.requests), tokens, func.sum(added_up.c.cost_uusd))
    asked = select(added_up.c.name, *told).group_by(added_up.c.name)
    asked = asked.where(added_up.c.kind == "key", added_up.c.span_s == DAY_S)
    asked = asked.where(added_up.c.number >= day_of(since))
    return [Spending(key, *map(int, numbers)) for key, *numbers in connection.execute(asked)]
