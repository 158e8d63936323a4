"""Reports on the ledger: how one asks, and how instants and days are written."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from attrs import frozen

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
