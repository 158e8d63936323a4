"""Rows added to the ledger, and to what it adds up to: as few statements as there can be.

Each step of a statement hands Python's lock over and back, and waits for it while the event loop
is busy: a batch in a hundred steps takes longer, and costs the requests under way more, than the
same rows in one. So SQLite is given many rows with a statement, and nothing is read back.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection

from lb.core.book import COLUMNS, DAY_S, SUMS, Row, values
from lb.core.reports import HOUR_S

WIDEST: Final = 128  # rows in one statement of SQLite's, which keeps what it has prepared
_HOURS: Final = DAY_S // HOUR_S
_KINDS: Final = {"key": "key", "account": "account", "model": "model_asked"}
"""What is added up -> the column of the ledger."""
_TOLD: Final = {
    "requests": "count(*)",
    "cost_uusd": "sum(coalesce(cost_uusd, 0))",
    "unpriced": "sum(CASE WHEN cost_uusd IS NULL AND usage_from <> 'none' THEN 1 ELSE 0 END)",
}
_ARRAYS: Final = {
    **dict.fromkeys(("at",), "float8"),
    **dict.fromkeys(("day", "attempts", "queue_ms", "ttfb_ms", "total_ms"), "int4"),
    **dict.fromkeys((*SUMS[2:7],), "int8"),
    "stream": "bool",
}
"""Column -> its type in PostgreSQL, where it is not text."""
_SUMMED: Final = ("key", "account", "model_asked", *SUMS[1:7], "usage_from")


def add_rows(connection: Connection, rows: Iterable[Row]) -> None:
    """Add rows to the ledger and to its sums; those it has are passed over."""
    whole = connection.dialect.name == "postgresql"
    # SQLite's driver looks for an adapter for what is no int, float or text
    told = [values(row, bool if whole else int) for row in rows]
    if told and whole:
        connection.exec_driver_sql(_all_at_once(), tuple(map(list, zip(*told, strict=True))))
    elif told:
        _in_pieces(connection, told)


def _in_pieces(connection: Connection, told: Sequence[tuple[Any, ...]]) -> None:
    """SQLite: powers of two of rows at a time; nobody else writes meanwhile."""
    last = connection.exec_driver_sql("SELECT coalesce(max(rowid), 0) FROM ledger").scalar_one()
    done = 0
    while done < len(told):
        width = min(WIDEST, 1 << (len(told) - done).bit_length() - 1)
        piece = told[done : done + width]
        connection.exec_driver_sql(_insert(width), tuple(chain.from_iterable(piece)))
        done += width
    connection.exec_driver_sql(_add_up_since(), (last,))


@cache
def _insert(width: int) -> str:
    row = f"({', '.join('?' * len(COLUMNS))})"
    names = ", ".join(COLUMNS)
    given = ", ".join([row] * width)
    return f"INSERT INTO ledger ({names}) VALUES {given} ON CONFLICT (request_id) DO NOTHING"  # noqa: S608


@cache
def _add_up_since() -> str:
    """SQLite: whatever this transaction added has a number beyond those before."""
    hour = f"CAST(at AS INTEGER) / {HOUR_S}"
    new = f"SELECT {hour} AS hour, {', '.join(_SUMMED)} FROM ledger WHERE rowid > ?"  # noqa: S608
    return f"WITH new AS ({new}), {_add_up()}"


@cache
def _all_at_once() -> str:
    """PostgreSQL: the rows as one array a column, and their sums, in one statement."""
    types = [_ARRAYS.get(name, "text") for name in COLUMNS]
    arrays = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(types, 1))
    hour = f"floor(at)::bigint / {HOUR_S}"
    new = (
        f"INSERT INTO ledger ({', '.join(COLUMNS)}) SELECT * FROM unnest({arrays})"  # noqa: S608
        f" ON CONFLICT (request_id) DO NOTHING RETURNING {hour} AS hour, {', '.join(_SUMMED)}"
    )
    return f"WITH new AS ({new}), {_add_up()}"


def _add_up() -> str:
    """The sums of ``new``, by hour and from those by day.

    They are sorted, so that two servers that add to the same ones never wait for each other.
    """
    sums = ", ".join(SUMS)
    of_rows = ", ".join(f"{_TOLD.get(name, f'sum({name})')} AS {name}" for name in SUMS)
    of_hours = ", ".join(f"sum({name})" for name in SUMS)
    hours = " UNION ALL ".join(
        f"SELECT '{kind}' AS kind, hour, {column} AS name, {of_rows} FROM new"  # noqa: S608
        f" GROUP BY hour, {column}"
        for kind, column in _KINDS.items()
    )
    day = f"hour / {_HOURS}"
    more = ", ".join(f"{name} = sums.{name} + excluded.{name}" for name in SUMS)
    return (
        f"hours AS ({hours}) INSERT INTO sums (kind, span_s, number, name, {sums})"  # noqa: S608
        f" SELECT kind, {HOUR_S}, hour, name, {sums} FROM hours"
        f" UNION ALL SELECT kind, {DAY_S}, {day}, name, {of_hours} FROM hours"
        f" GROUP BY kind, {day}, name ORDER BY 1, 2, 3, 4"
        f" ON CONFLICT (kind, span_s, number, name) DO UPDATE SET {more}"
    )
