"""What one may look for among the requests: exact names and a span of time, a page at a time.

No free text and no patterns: each search is one walk along an index, whatever a client called its
model.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from attrs import frozen

MOST_ROWS: Final = 200
FILTERS: Final = ("key", "account", "model", "outcome")
COLUMN_OF: Final = {
    "key": "key",
    "account": "account",
    "model": "model_asked",
    "outcome": "outcome",
}
"""Filter -> column of the ledger."""
OUTCOMES: Final = ("completed", "incomplete", "failed", "client_gone", "refused", "interrupted")


@frozen
class Cursor:
    """Where a page ended: its last row's time (unix seconds) and id."""

    at: float
    request_id: str

    @classmethod
    def read(cls, text: str) -> "Cursor | None":
        """The cursor that ``text`` names; None where it names none."""
        at, _, request_id = text.partition("~")
        try:
            number = float(at)
        except ValueError:
            return None
        return cls(number, request_id) if request_id and 0 <= number < 1e11 else None

    def __str__(self) -> str:
        return f"{self.at!r}~{self.request_id}"


@frozen
class Search:
    """Newest first; ``since`` <= admitted < ``until`` (unix seconds), None: open; "": any."""

    key: str = ""
    account: str = ""
    model: str = ""
    outcome: str = ""
    since: float | None = None
    until: float | None = None
    limit: int = 50
    after: Cursor | None = None

    def filters(self) -> dict[str, str]:
        """Column -> the value it must have."""
        return {COLUMN_OF[name]: value for name in FILTERS if (value := getattr(self, name))}

    def admits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of the ledger is looked for."""
        if any(row[column] != value for column, value in self.filters().items()):
            return False
        at = row["at"]
        if (self.since is not None and at < self.since) or (
            self.until is not None and at >= self.until
        ):
            return False
        after = self.after
        return after is None or (at, row["request_id"]) < (after.at, after.request_id)

    def of(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The page among ``rows``, which come newest first."""
        return [dict(row) for row in islice(filter(self.admits, rows), self.limit)]


def next_after(rows: list[dict[str, Any]], limit: int) -> str | None:
    """The cursor of the page after ``rows``; None when this was the last."""
    if len(rows) < limit:
        return None
    return str(Cursor(rows[-1]["at"], rows[-1]["request_id"]))
