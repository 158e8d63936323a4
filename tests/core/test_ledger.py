"""Facts fold into rows: whatever is read twice, cut, or never ended."""

import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.book import Book, columns, open_of_bytes, open_to_bytes
from lb.core.ledger import (
    NO_TOKENS,
    Admitted,
    Attempted,
    AttemptSettled,
    Fact,
    Settled,
    Tokens,
    Usage,
    estimated,
    fact_of,
    lines_of,
    together,
    told,
)

TOLD = Tokens(10, 4, 20, 5, "upstream")


def admitted(name: str = "r", at: float = 1000.0) -> Admitted:
    return Admitted(name, at, "alice", "gpt-5.5", "high", stream=True)


def settled(name: str = "r", outcome: Any = "completed") -> Settled:
    return Settled(name, "b", "gpt-5.5-2026-01-01", TOLD, 77, 2, 3, 40, 500, outcome)


def story(name: str = "r") -> list[Fact]:
    """Admitted, an attempt that failed, one that answered, the end."""
    return [
        admitted(name),
        Attempted(name, 1, "a", 1000.1),
        AttemptSettled(name, 1, "server_error", Tokens(1, 0, 1, 0, "upstream"), 5),
        Attempted(name, 2, "b", 1000.2),
        settled(name),
    ]


def test_a_fact_is_one_line_and_comes_back() -> None:
    for fact in story():
        line = lines_of((fact,))
        assert line.find(b"\n") == len(line) - 1
        assert len(line) < 140
        assert fact_of(line) == fact


def test_lines_leave_nothing_behind() -> None:
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(500):
        lines_of(tuple(story()))
    gc.collect()
    assert len(gc.get_objects()) < before + 100


@pytest.mark.parametrize("line", [b"", b"[", b"[1]", b'["settled","r"]', b"{}", b"\xff", b"null"])
def test_a_torn_line_is_no_fact(line: bytes) -> None:
    assert fact_of(line) is None


def test_a_story_is_one_row() -> None:
    book = Book()
    (row,) = book.read(story())
    assert not book.open
    assert columns(row) == {
        "request_id": "r",
        "at": 1000.0,
        "day": 0,
        "key": "alice",
        "account": "b",
        "model_asked": "gpt-5.5",
        "model_served": "gpt-5.5-2026-01-01",
        "effort": "high",
        "stream": True,
        "input_tokens": 10,
        "cached_tokens": 4,
        "output_tokens": 20,
        "reasoning_tokens": 5,
        "cost_uusd": 77,
        "attempts": 2,
        "queue_ms": 3,
        "ttfb_ms": 40,
        "total_ms": 500,
        "outcome": "completed",
        "usage_from": "upstream",
    }


@given(st.lists(st.integers(0, 4)), st.integers(0, 5), st.integers(0, 5))
def test_facts_read_twice_or_in_parts_make_the_same_row(
    again: list[int], first: int, second: int
) -> None:
    whole = Book().read(story())
    begun = [fact for each in sorted(again) if each < 4 for fact in (story()[: each + 1])]
    twice = Book()
    assert twice.read([admitted(), *begun, *story()]) == whole
    cuts = sorted((first, second))
    parts = [story()[: cuts[0]], story()[cuts[0] : cuts[1]], story()[cuts[1] :]]
    book, found = Book(), []
    for part in parts:
        found += book.read(part)
        book = open_of_bytes(open_to_bytes(book))
    assert found == whole


def test_the_echo_of_a_row_that_was_given_away_is_no_row() -> None:
    book = Book()
    book.read(story())
    assert book.read(story()[1:]) == []
    assert not book.open


def test_a_request_that_never_ended_is_interrupted_and_keeps_its_attempts() -> None:
    book = Book()
    assert book.read(story()[:4]) == []
    (row,) = book.open.values()
    end = row.interrupted(1002.5)
    assert (end.outcome, end.account, end.attempts, end.total_ms) == ("interrupted", "b", 2, 2500)
    assert (end.tokens, end.cost_uusd) == (Tokens(1, 0, 1, 0, "upstream"), 5)
    (kept,) = book.read([end])
    assert kept.outcome == "interrupted"


def test_a_book_that_is_read_on_leaves_its_copy_alone() -> None:
    book = Book()
    book.read(story()[:1])
    book.copy().read(story()[1:])
    assert list(book.open) == ["r"]
    assert book.open["r"].attempts == 0


def test_tokens_are_as_well_known_as_the_worst_part() -> None:
    guess = estimated(7)
    assert (TOLD + guess).source == "estimated"
    assert (TOLD + NO_TOKENS).source == "upstream"
    assert estimated(0) is NO_TOKENS
    assert together([(TOLD, 5), (NO_TOKENS, None)]) == (TOLD, 5)
    assert together([(TOLD, 5), (guess, None)])[1] is None
    assert together([]) == (NO_TOKENS, None)


def test_nonsense_of_an_upstream_is_cut_to_what_a_store_takes() -> None:
    tokens = told(Usage(-5, None, 1 << 200, 3))
    assert tokens == Tokens(0, 0, 1 << 40, 3, "upstream")


def test_a_row_holds_no_nul_and_no_endless_name() -> None:
    book = Book([])
    (row,) = book.read([Admitted("r", 1.0, "k", "a\0b" + "x" * 999), settled()])
    model = columns(row)["model_asked"]
    assert model.startswith("a�b")
    assert len(model) == 200
