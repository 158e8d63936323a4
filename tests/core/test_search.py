"""Searching requests: exact names, bounded pages, cursors that name a place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.search import Cursor, Search, next_after


def row(at: float, request_id: str = "r", **told: Any) -> dict[str, Any]:
    columns = {"key": "k", "account": "a", "model_asked": "m", "outcome": "completed"}
    return {"at": at, "request_id": request_id, **columns, **told}


@given(st.floats(0, 1e10), st.text("abc_0", min_size=1))
def test_a_cursor_is_read_as_it_was_written(at: float, request_id: str) -> None:
    assert Cursor.read(str(Cursor(at, request_id))) == Cursor(at, request_id)


@pytest.mark.parametrize("text", ["", "~", "1~", "x~r", "nan~r", "inf~r", "-1~r", "1e99~r", "%%%"])
def test_what_is_no_cursor_names_no_place(text: str) -> None:
    assert Cursor.read(text) is None


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (Search(), 3),
        (Search(key="k"), 3),
        (Search(key="%"), 0),
        (Search(model="n"), 1),
        (Search(account="a", outcome="failed"), 1),
        (Search(since=2.0), 2),
        (Search(until=2.0), 1),
        (Search(limit=2), 2),
    ],
)
def test_filters_are_exact_and_spans_half_open(search: Search, found: int) -> None:
    rows = [row(3.0, "c", outcome="failed"), row(2.0, "b", model_asked="n"), row(1.0, "a")]
    assert len(search.of(rows)) == found


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), unique=True), st.integers(1, 4))
def test_pages_put_together_are_everything_once(places: list[tuple[int, int]], limit: int) -> None:
    rows = [row(float(at), f"r{number:02}") for at, number in sorted(places, reverse=True)]
    found, after = [], None
    while True:
        page = Search(limit=limit, after=after).of(rows)
        found += page
        told = next_after(page, limit)
        if told is None:
            break
        after = Cursor.read(told)
    assert found == rows
