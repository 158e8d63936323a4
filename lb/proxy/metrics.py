"""Counts what happens, from events and ended requests; cheap enough for every one of them.

Plain dicts on the request path (a few µs a request, see docs/metrics.md); prometheus-client makes
text of them when somebody asks. Labels are bounded: each takes so many distinct values, the rest
is "other", and what a client names is a label only once an account has answered to it.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import define, field

from lb.core.errors import Problem
from lb.core.events import Event
from lb.core.plans import UUSD
from lb.proxy.attempt import Opened
from lb.proxy.deliver import Delivery

if TYPE_CHECKING:
    from prometheus_client import Metric

OTHER = "other"
NONE = "none"  # of a label that does not apply: no key is configured, no account was found
LONGEST_VALUE = 100  # characters of a label
MOST_SERIES = 5000  # of one metric
LATENCIES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 60.0, 120.0, 600.0)
OVERHEADS = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2.0)

Labels = tuple[str, ...]


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
    values: dict[Labels, float] = field(factory=dict)

    def add(self, labels: Labels, by: float = 1) -> None:
        """Count ``by`` more."""
        values = self.values
        if labels in values:
            values[labels] += by
        elif len(values) < MOST_SERIES:
            values[labels] = by
        else:
            rest = (OTHER,) * len(labels)
            values[rest] = values.get(rest, 0) + by

    def family(self) -> "Metric":
        """As prometheus-client wants it."""
        from prometheus_client.metrics_core import CounterMetricFamily

        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for labels, value in self.values.items():
            family.add_metric(labels, value)
        return family


@define(eq=False)
class Times:
    """A histogram of seconds; ``bounds`` are the upper ends of its buckets."""

    name: str
    text: str
    labels: Labels
    bounds: tuple[float, ...]
    values: dict[Labels, list[int]] = field(factory=dict)
    sums: dict[Labels, float] = field(factory=lambda: defaultdict(float))

    def saw(self, labels: Labels, seconds: float) -> None:
        """One more took ``seconds``."""
        counts = self.values.get(labels)
        if counts is None:
            if len(self.values) >= MOST_SERIES // len(self.bounds):
                labels = (OTHER,) * len(labels)
            counts = self.values.setdefault(labels, [0] * (len(self.bounds) + 1))
        counts[bisect_left(self.bounds, seconds)] += 1
        self.sums[labels] += seconds

    def family(self) -> "Metric":
        """As prometheus-client wants it."""
        from prometheus_client.metrics_core import HistogramMetricFamily

        family = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        for labels, counts in self.values.items():
            total, buckets = 0, []
            for bound, count in zip((*map(str, self.bounds), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric(labels, buckets=buckets, sum_value=self.sums[labels])
        return family


class Metrics:
    """What has been counted since the start; each label takes ``most`` values."""

    def __init__(self, most: int = 100) -> None:
        self.models, self.accounts, self.keys = Names(most), Names(most), Names(most)
        self.outcomes = Names(most)
        whose = ("model", "account", "key")
        self.requests = Counts("lb_requests_total", TEXTS["requests"], ("outcome", *whose))
        self.rejected = Counts("lb_rejected_total", TEXTS["rejected"], ("status", "code"))
        self.attempts = Counts("lb_attempts_total", TEXTS["attempts"], ("account", "outcome"))
        self.failovers = Counts("lb_failovers_total", TEXTS["failovers"], ("cause",))
        self.tokens = Counts("lb_tokens_total", TEXTS["tokens"], ("type", *whose))
        self.cost = Counts("lb_cost_usd_total", TEXTS["cost"], whose)
        self.events = Counts("lb_events_total", TEXTS["events"], ("event", "account"))
        self.duration = Times("lb_request_seconds", TEXTS["duration"], ("model",), LATENCIES)
        self.content = Times("lb_first_content_seconds", TEXTS["content"], ("model",), LATENCIES)
        self.upstream = Times(
            "lb_upstream_first_content_seconds", TEXTS["upstream"], ("account",), LATENCIES
        )
        self.overhead = Times("lb_overhead_seconds", TEXTS["overhead"], (), OVERHEADS)
        self.queue = Times("lb_queue_seconds", TEXTS["queue"], (), LATENCIES)
        self._heard: dict[tuple[type[Event], str], int] = defaultdict(int)
        self._whose: dict[tuple[str, str, str], tuple[str, str, str]] = {}

    def heard(self, event: Event) -> None:
        """Something happened to an account."""
        self._heard[type(event), event.account] += 1

    def ended(
        self, delivery: Delivery | None, status: int, problem: Problem | None, total_s: float
    ) -> None:
        """A request is over."""
        code = "" if problem is None else problem.code or problem.type
        if delivery is None:
            self.rejected.add((str(status), self.outcomes(code)))
            return
        ask, opened = delivery.call.ask, delivery.opened
        outcome = self.outcomes(code or delivery.outcome or "client_gone")
        self._attempted(delivery)
        if opened is None:
            whose: Labels = (self.models.known(ask.model), NONE, self.keys(ask.client))
        else:
            whose = self._labels(ask.model, opened.attempt.slot.account.id, ask.client)
            self.duration.saw(whose[:1], total_s)
            self._timed(delivery, opened, whose)
        self.requests.add((outcome, *whose))
        self._used(delivery, whose)

    def _labels(self, model: str, account: str, key: str) -> Labels:
        """Model, account and key as labels: made once for each three."""
        told = (model, account, key)
        if told not in self._whose:
            if len(self._whose) >= MOST_SERIES:
                self._whose.clear()
            made = self.models(model), self.accounts(account), self.keys(key)
            self._whose[told] = made
        return self._whose[told]

    def _used(self, delivery: Delivery, whose: Labels) -> None:
        """What is booked of it; later where it is read on although its client has left."""
        settled = delivery.hunt.booking.settled
        if settled is None:
            before = delivery.on_settled

            def booked(tokens: int, cost_uusd: int, now: float) -> None:
                if before is not None:
                    before(tokens, cost_uusd, now)
                self._used(delivery, whose)

            delivery.on_settled = booked
            return
        used = settled.tokens
        for kind, number in (
            ("input", used.input),
            ("cached", used.cached),
            ("output", used.output),
            ("reasoning", used.reasoning),
        ):
            if number:
                self.tokens.add((kind, *whose), number)
        if settled.cost_uusd:
            self.cost.add(whose, settled.cost_uusd / UUSD)

    def _attempted(self, delivery: Delivery) -> None:
        before = ""
        cause = ""
        for attempt in delivery.hunt.attempts:
            account = attempt.slot.account.id
            outcome = self.outcomes(attempt.outcome or "client_gone")
            self.attempts.add((self.accounts(account), outcome))
            if before and before != account:
                self.failovers.add((cause,))
            before, cause = account, outcome

    def _timed(self, delivery: Delivery, opened: Opened, whose: Labels) -> None:
        attempt, hunt = opened.attempt, delivery.hunt
        if delivery.first_byte_at:
            self.content.saw(whose[:1], max(0.0, attempt.began_at - delivery.received_at))
            self.overhead.saw((), delivery.overhead_s)
        self.upstream.saw(whose[1:2], max(0.0, attempt.began_at - attempt.at))
        if hunt.waited_s:
            self.queue.saw((), hunt.waited_s)

    def families(self) -> "Iterator[Metric]":
        """Everything, as prometheus-client wants it."""
        self.events.values.clear()
        for (kind, account), number in self._heard.items():
            self.events.add((kind.__name__.lower(), self.accounts(account)), number)
        for each in vars(self).values():
            if isinstance(each, Counts | Times):
                yield each.family()


TEXTS = {
    "requests": "Requests that were let in, by how they ended.",
    "rejected": "Requests that were not let in, by status and code.",
    "attempts": "Tries at accounts, by how they ended (ok: it began to answer).",
    "failovers": "Moves of a request to another account, by why the one before failed.",
    "tokens": "Tokens booked; cached ones are within input, reasoning ones within output.",
    "cost": "What requests cost in US dollars, where prices are known.",
    "events": "What happened to accounts.",
    "duration": "From a request's arrival to its end.",
    "content": "From a request's arrival to the first content of its answer.",
    "upstream": "From asking an account to the first content of its answer.",
    "overhead": "What lb itself adds before the first byte: neither upstream nor waiting.",
    "queue": "How long requests waited for an account, those that did.",
}
