"""Series of numbers with labels: counters and histograms, cheap enough for every request.

A series is a *cell*, a list of numbers, which who counts keeps at hand; prometheus-client makes
text of them when somebody asks. Labels are bounded: each takes so many distinct values, the rest
is "other". A series nothing was counted in is not told.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from prometheus_client import Metric

OTHER = "other"
NONE = "none"  # of a label that does not apply: no key is configured, no account was found
LONGEST_VALUE = 100  # characters of a label
MOST_SERIES = 5000  # of one metric

Labels = tuple[str, ...]
Cell = list[float]
"""A counter's one number; of a histogram one for each bucket, and the sum of what was seen."""


class Names:
    """The values a label may take: the first ``most`` distinct ones, then OTHER."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: dict[str, str] = {"": NONE}

    def __call__(self, value: str) -> str:
        """The label for ``value``, which becomes one if there is room."""
        known = self._known.get(value)
        if known is not None:
            return known
        if len(self._known) > self.most:
            return OTHER
        told = value.encode("utf-8", "replace").decode()[:LONGEST_VALUE]
        return self._known.setdefault(value, told)

    def known(self, value: str) -> str:
        """The label for ``value`` if it is one already, else OTHER."""
        return self._known.get(value, OTHER)


@define(eq=False)
class Counts:
    """A counter with labels."""

    name: str
    text: str
    labels: Labels
    cells: dict[Labels, Cell] = field(factory=dict)

    def of(self, labels: Labels) -> Cell:
        """The series with these labels, which is made if there is none."""
        cell = self.cells.get(labels)
        if cell is None:
            if len(self.cells) >= MOST_SERIES:
                labels = (OTHER,) * len(labels)
            cell = self.cells.setdefault(labels, [0])
        return cell

    def add(self, labels: Labels, by: float = 1) -> None:
        """Count ``by`` more."""
        self.of(labels)[0] += by

    @property
    def numbers(self) -> dict[Labels, float]:
        """What was counted."""
        return {labels: cell[0] for labels, cell in self.cells.items() if cell[0]}

    def family(self) -> "Metric":
        """As prometheus-client wants it."""
        from prometheus_client.metrics_core import CounterMetricFamily

        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for labels, number in self.numbers.items():
            family.add_metric(labels, number)
        return family


@define(eq=False)
class Times:
    """A histogram of seconds; ``bounds`` are the upper ends of its buckets."""

    name: str
    text: str
    labels: Labels
    bounds: tuple[float, ...]
    cells: dict[Labels, Cell] = field(factory=dict)

    def of(self, labels: Labels) -> Cell:
        """The series with these labels, which is made if there is none."""
        cell = self.cells.get(labels)
        if cell is None:
            if len(self.cells) >= MOST_SERIES // len(self.bounds):
                labels = (OTHER,) * len(labels)
            cell = self.cells.setdefault(labels, [0] * (len(self.bounds) + 2))
        return cell

    def saw(self, cell: Cell, seconds: float) -> None:
        """One more of a series took ``seconds``."""
        cell[bisect_left(self.bounds, seconds)] += 1
        cell[-1] += seconds

    def family(self) -> "Metric":
        """As prometheus-client wants it."""
        from prometheus_client.metrics_core import HistogramMetricFamily

        family = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        for labels, (*counts, seconds) in self.cells.items():
            total, buckets = 0.0, []
            for bound, count in zip((*map(str, self.bounds), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            if total:
                family.add_metric(labels, buckets=buckets, sum_value=seconds)
        return family
