"""The book of open requests: folds facts into rows, and gives away those that ended.

Also what a store keeps of a row.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from lb.core.ledger import (
    NO_TOKENS,
    Admitted,
    Attempted,
    AttemptSettled,
    Fact,
    Settled,
    Tokens,
    together,
)

LONGEST_NAME = 200  # characters of a name a client chose
DAY_S = 86400


class Row(msgspec.Struct):
    """One row of the ledger; ``outcome`` is "" while the request runs."""

    request_id: str
    at: float = 0.0
    key: str = ""
    account: str = ""
    model_asked: str = ""
    model_served: str = ""
    effort: str = ""
    stream: bool = False
    tokens: Tokens = NO_TOKENS
    cost_uusd: int | None = None
    attempts: int = 0
    queue_ms: int = 0
    ttfb_ms: int | None = None
    total_ms: int = 0
    outcome: str = ""
    spent: dict[int, tuple[Tokens, int | None]] = {}  # of attempts that came to nothing

    def take(self, fact: Fact) -> None:
        """Take up one fact; the same one twice changes nothing."""
        if type(fact) is Settled:
            self._settle(fact)
        elif type(fact) is Attempted:
            if fact.n > self.attempts:
                self.attempts = fact.n
                self.account = self.account if self.outcome else fact.account
        elif type(fact) is Admitted:
            self.at, self.key, self.model_asked = fact.at, fact.key, fact.model
            self.effort, self.stream = fact.effort, fact.stream
        elif type(fact) is AttemptSettled:
            self.spent = {**self.spent, fact.n: (fact.tokens, fact.cost_uusd)}

    def _settle(self, fact: Settled) -> None:
        self.account, self.model_served = fact.account, fact.model
        self.tokens, self.cost_uusd = fact.tokens, fact.cost_uusd
        self.attempts = max(self.attempts, fact.attempts)
        self.queue_ms, self.ttfb_ms, self.total_ms = fact.queue_ms, fact.ttfb_ms, fact.total_ms
        self.outcome = fact.outcome

    def interrupted(self, at: float) -> Settled:
        """The end of a request whose server died; what was booked of its attempts is kept."""
        tokens, cost = together(self.spent.values())
        total_ms = max(0, round((at - self.at) * 1000))
        return Settled(
            self.request_id,
            self.account,
            self.model_served,
            tokens,
            cost,
            self.attempts,
            0,
            None,
            total_ms,
            "interrupted",
        )


class Book:
    """The requests whose facts are being read: folds them, and gives away the rows that ended."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.open: dict[str, Row] = {row.request_id: row for row in rows}

    def read(self, facts: Iterable[Fact]) -> list[Row]:
        """Take up ``facts``; the rows that ended with them leave the book.

        A fact of a request whose admission is not known is an echo: its row was given away before.
        """
        ended = []
        for fact in facts:
            row = self.open.get(fact.request_id)
            if row is None:
                if type(fact) is not Admitted:
                    continue
                row = self.open[fact.request_id] = Row(fact.request_id)
            row.take(fact)
            if row.outcome:
                ended.append(self.open.pop(fact.request_id))
        return ended

    def copy(self) -> "Book":
        """A book of its own, so that a batch which is not stored can be read again."""
        return Book(msgspec.structs.replace(row) for row in self.open.values())


_rows = msgspec.json.Decoder(list[Row])


def open_to_bytes(book: Book) -> bytes:
    """The open rows of a book as JSON."""
    return msgspec.json.encode(list(book.open.values()))


def open_of_bytes(data: bytes) -> Book:
    """The book back; an empty one where it cannot be read."""
    try:
        return Book(_rows.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Book()


COLUMNS = (
    "request_id",
    "at",
    "day",
    "key",
    "account",
    "model_asked",
    "model_served",
    "effort",
    "stream",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_uusd",
    "attempts",
    "queue_ms",
    "ttfb_ms",
    "total_ms",
    "outcome",
    "usage_from",
)
"""What a store keeps of a row."""


def values(row: Row, flag: type[int] = bool) -> tuple[Any, ...]:
    """The row as a store keeps it, in the order of COLUMNS; yes and no as a ``flag``."""
    tokens = row.tokens
    return (
        row.request_id,
        row.at,
        day_of(row.at),
        _name(row.key),
        _name(row.account),
        _name(row.model_asked),
        _name(row.model_served),
        _name(row.effort),
        flag(row.stream),
        tokens.input,
        tokens.cached,
        tokens.output,
        tokens.reasoning,
        row.cost_uusd,
        row.attempts,
        row.queue_ms,
        row.ttfb_ms,
        row.total_ms,
        row.outcome,
        tokens.source,
    )


def columns(row: Row) -> dict[str, Any]:
    """The row as a store keeps it, column by column."""
    return dict(zip(COLUMNS, values(row), strict=True))


def _name(text: str) -> str:
    """A name as every store takes it (PostgreSQL knows no NUL), of a length one can index."""
    return text[:LONGEST_NAME].replace("\0", "�")


def day_of(at: float) -> int:
    """The UTC day of an instant (unix seconds), counted from 1970-01-01."""
    return int(at // DAY_S)


SUMS = (
    "requests",
    "attempts",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_uusd",
    "unpriced",
)
"""What a report adds up; ``unpriced``: requests that used tokens nobody knows the price of."""
