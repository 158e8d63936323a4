"""Medians, spread, ratios; Markdown that can be read in a terminal, too."""

from collections.abc import Iterable, Sequence
from statistics import median

from attrs import define, field


@define
class Table:
    """A table under a title; ``about`` says how to read it."""

    title: str
    columns: Sequence[str]
    about: str = ""
    rows: list[list[str]] = field(factory=list)

    def add(self, *cells: object) -> None:
        """One row."""
        self.rows.append([str(cell) for cell in cells])

    def text(self) -> str:
        """The table as Markdown, its columns aligned."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [f"### {self.title}", "", *([self.about, ""] if self.about else [])]
        lines.append(_line(self.columns, widths))
        dashes = [("-" * w) if n == 0 else "-" * (w - 1) + ":" for n, w in enumerate(widths)]
        lines.append(_line(dashes, widths))
        lines += (_line(row, widths) for row in self.rows)
        return "\n".join(lines) + "\n"


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    aligned = (
        cell.ljust(width) if number == 0 else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "| " + " | ".join(aligned) + " |"


def middle(values: Sequence[float]) -> float:
    """The median; not a number when there is nothing."""
    return median(values) if values else float("nan")


def spread(values: Sequence[float], form: str = "{:,.0f}") -> str:
    """The median and how far the rounds lie apart: ``103 (99-110)``."""
    if not values:
        return "-"
    told = form.format(middle(values))
    if len(values) == 1:
        return told
    return f"{told} ({form.format(min(values))}-{form.format(max(values))})"


def ratio(values: Sequence[float], base: Sequence[float]) -> str:
    """Median of the ratios round by round: what drifts in the machine drops out."""
    pairs = [one / other for one, other in zip(values, base, strict=False) if other]
    return f"{middle(pairs):.2f}" if pairs else "-"
