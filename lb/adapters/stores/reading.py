"""Rows read from a store, as plain data: in SQLite all of them with one step.

Each row that is fetched hands Python's lock over and back; beside a busy event loop that takes as
long as the interpreter lets one thread run, five milliseconds, for every row of a page.
"""

from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Double,
    Select,
    cast,
    func,
    select,
)

EXACT: Final = 1 << 30
"""SQLite writes a number with 15 digits, and an instant has more: it is told in parts of a second.

No instant after February 1970 has smaller ones, and before 2240 they fit into 64 bits.
"""


def rows_of(connection: Connection, asked: Select[Any]) -> list[dict[str, Any]]:
    """What is asked for, row by row and in its order."""
    if connection.dialect.name != "sqlite":
        return [dict(row) for row in connection.execute(asked).mappings()]
    inner = asked.subquery()
    cells = [cast(c * EXACT, BigInteger) if _is_instant(c) else c for c in inner.c]
    whole = select(func.json_group_array(func.json_array(*cells)))
    rows: list[list[Any]] = msgspec.json.decode(connection.execute(whole).scalar_one())
    for at, column in enumerate(inner.c):
        if _is_instant(column):
            for row in rows:
                row[at] = None if row[at] is None else row[at] / EXACT
        elif isinstance(column.type, Boolean):
            for row in rows:
                row[at] = bool(row[at])
    names = inner.c.keys()
    return [dict(zip(names, row, strict=True)) for row in rows]


def _is_instant(column: ColumnElement[Any]) -> bool:
    return isinstance(column.type, Double)
