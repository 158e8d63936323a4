"""Reports on the ledger: how one asks, and how instants and days are written."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from attrs import frozen

from lb.core.book import DAY_S, day_of

HOUR_S: Final = 3600
BY: Final = ("key", "account", "model", "day")
"""What a report can be broken down by."""
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_EPOCH = date(1970, 1, 1)


@frozen
class Query:
    """What a report is about: ``since`` <= admitted < ``until`` (unix seconds, None: open)."""

    by: str = "key"
    since: float | None = None
    until: float | None = None


def instant(text: str, now: float) -> float | None:
    """The unix seconds that ``7d`` (ago), ``2026-01-31`` (UTC) or a number mean; None: nothing."""
    if span := _SPAN.fullmatch(text):
        return now - int(span[1]) * _UNITS_S[span[2]]
    try:
        return min(max(float(text), 0.0), 1e11) if text.isdecimal() else _read(text)
    except ValueError:
        return None


def _read(text: str) -> float:
    told = datetime.fromisoformat(text)
    return max(0.0, (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp())


def date_of(day: int) -> str:
    """The date of a day counted from 1970-01-01."""
    return (_EPOCH + timedelta(days=day)).isoformat()


@frozen
class Parts:
    """A query cut into what is added up already and what is not.

    ``days`` and each of ``hours`` count from 1970-01-01 in UTC, the end not among them; ``rows``
    are in unix seconds. Each instant of the query is in one of them.
    """

    days: tuple[int | None, int | None]
    hours: tuple[tuple[int, int], ...]
    rows: tuple[tuple[float, float], ...]


def parts(query: Query, kept_from: int | None) -> Parts:
    """How to answer ``query``: whole days, whole hours, then single rows.

    The rows of days before ``kept_from`` are gone (None: there are none at all): such a day counts
    whole, even where the query cuts it.
    """
    first, last = _whole_days(query, kept_from)
    edges: list[tuple[float, float]] = []
    if query.since is not None and first is not None:
        edges.append((query.since, min(float(first * DAY_S), query.until or first * DAY_S)))
    if query.until is not None and last is not None and (first is None or last >= first):
        edges.append((float(last * DAY_S), query.until))  # else the first edge is it all
    hours: list[tuple[int, int]] = []
    rows: list[tuple[float, float]] = []
    for since, until in edges:
        begin, end = -int(-since // HOUR_S), int(until // HOUR_S)
        if begin >= end:
            rows.append((since, until))
            continue
        hours.append((begin, end))
        rows += [(since, float(begin * HOUR_S)), (float(end * HOUR_S), until)]
    return Parts((first, last), tuple(hours), tuple(each for each in rows if each[0] < each[1]))


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
