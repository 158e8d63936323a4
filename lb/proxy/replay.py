"""Reads the journal: what a former life left behind, and segment by segment what the store gets.

A checkpoint holds the requests that were open where the last segment fed to the store ended, so
that no segment outlives its feeding.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from attrs import frozen

from lb.adapters.journal import Journal, lines
from lb.core.book import Book, Row, open_of_bytes, open_to_bytes
from lb.core.ledger import Fact, fact_of

CHECKPOINT = "open.json"


@frozen
class Past:
    """What a former life left.

    ``book`` as of the last segment fed, ``open`` the requests it never ended, ``events`` of
    accounts as data, ``died_at`` when it last wrote (unix seconds).
    """

    book: Book
    open: tuple[Row, ...]
    events: list[dict[str, Any]]
    died_at: float


def past(journal: Journal) -> Past:
    """Read all there is; segments that were fed before the crash are deleted."""
    fed, book = _checkpoint(journal)
    journal.go_on_after(fed)
    for segment in journal.ended():
        if int(segment.stem) <= fed:
            journal.delete(segment)
    later, events, died_at = book.copy(), list[dict[str, Any]](), 0.0
    for segment in journal.ended():
        died_at = segment.stat().st_mtime
        later.read(facts(segment))
        events += _events(segment)
    return Past(book, tuple(later.open.values()), events, died_at)


def rest(journal: Journal) -> tuple[list[Row], list[dict[str, Any]]]:
    """The rows and events (as data) in the journal of a worker there is no more.

    Requests that were open end as interrupted.
    """
    left = past(journal)
    book, rows = left.book.copy(), list[Row]()
    for segment in journal.ended():
        rows += book.read(facts(segment))
    for row in book.open.values():
        row.take(row.interrupted(max(row.at, left.died_at)))
        rows.append(row)
    return rows, left.events


def facts(segment: Path) -> Iterator[Fact]:
    """The facts of the ledger in a segment, in order, as they are asked for."""
    for line in segment.read_bytes().split(b"\n"):  # at once: Python's lock changes hands once
        if line.startswith(b"["):
            fact = fact_of(line)
            if fact is not None:
                yield fact


class Fresh:
    """The facts of the segment that is written: what is stored at once need not be read again.

    At most a segment of them is held; what a store that was away takes later comes from the file.
    """

    def __init__(self) -> None:
        self._segment: Path | None = None
        self._facts: list[Fact] = []

    def add(self, segment: Path | None, told: Sequence[Fact]) -> None:
        """``told`` were written to ``segment``."""
        if segment is not self._segment:
            self._segment, self._facts = segment, []
        self._facts += told

    def take(self) -> dict[Path, list[Fact]]:
        """The facts by their segment, which is ended now."""
        told = {} if self._segment is None else {self._segment: self._facts}
        self._segment, self._facts = None, []
        return told


def fed(told: Iterable[Fact], book: Book) -> tuple[Book, list[Row]]:
    """A book read on (the one given is left alone), and the rows that ended."""
    later = book.copy()
    return later, later.read(told)


def keep(journal: Journal, segment: Path, book: Book) -> None:
    """The rows of ``segment`` are stored, these requests are still open."""
    journal.keep(CHECKPOINT, b"%d\n%b" % (int(segment.stem), open_to_bytes(book)))


def _checkpoint(journal: Journal) -> tuple[int, Book]:
    number, _, rows = journal.kept(CHECKPOINT).partition(b"\n")
    if not number.isdigit():
        return -1, Book()
    return int(number), open_of_bytes(rows)


def _events(segment: Path) -> Iterator[dict[str, Any]]:
    for line in lines(segment):
        if line.startswith(b"{"):
            try:
                entry = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            yield entry
