"""Counts what happens, from events and ended requests; cheap enough for every one of them.

The series of a request's model, account and key are looked up once for each three (a few µs a
request, see docs/metrics.md). What a client names is a label only once an account has answered to
it.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import define

from lb.core.errors import Problem
from lb.core.events import Event
from lb.core.plans import UUSD
from lb.core.remembered import Remembered
from lb.proxy.attempt import Attempt
from lb.proxy.deliver import Delivery
from lb.proxy.series import MOST_SERIES, NONE, Cell, Counts, Names, Times

if TYPE_CHECKING:
    from prometheus_client import Metric

LATENCIES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 60.0, 120.0, 600.0)
OVERHEADS = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2.0)
TOKENS = ("input", "cached", "output", "reasoning")


@define(eq=False)
class _Whose:
    """The series of one model, account and key; ``requests`` and ``attempts`` by outcome."""

    tokens: tuple[Cell, ...]
    cost: Cell
    duration: Cell
    content: Cell
    upstream: Cell
    requests: Remembered[str, Cell]
    attempts: Remembered[str, Cell]


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
        self._overhead = self.overhead.of(())
        self._whose: dict[tuple[str, str, str], _Whose] = {}

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
        outcome = self.outcomes(code or delivery.outcome or "client_gone")
        ask, opened, attempts = delivery.call.ask, delivery.opened, delivery.hunt.attempts
        if opened is None:
            whose = self._series((self.models.known(ask.model), NONE, self.keys(ask.client)))
        else:
            whose = self._of(ask.model, opened.attempt.slot.id, ask.client)
            self.duration.saw(whose.duration, total_s)
            self._timed(delivery, opened.attempt, whose)
        if opened is not None and len(attempts) == 1:
            whose.attempts[self.outcomes(attempts[0].outcome or "client_gone")][0] += 1
        else:
            self._attempted(attempts)
        whose.requests[outcome][0] += 1
        self._used(delivery, whose)

    def _of(self, model: str, account: str, key: str) -> _Whose:
        """The series of these three, at hand."""
        whose = self._whose.get((model, account, key))
        if whose is None:
            if len(self._whose) >= MOST_SERIES:
                self._whose.clear()
            labels = self.models(model), self.accounts(account), self.keys(key)
            whose = self._whose[model, account, key] = self._series(labels)
        return whose

    def _series(self, labels: tuple[str, str, str]) -> _Whose:
        model, account, _ = labels
        return _Whose(
            tuple(self.tokens.of((kind, *labels)) for kind in TOKENS),
            self.cost.of(labels),
            self.duration.of((model,)),
            self.content.of((model,)),
            self.upstream.of((account,)),
            Remembered(lambda outcome: self.requests.of((outcome, *labels)), MOST_SERIES),
            Remembered(lambda outcome: self.attempts.of((account, outcome)), MOST_SERIES),
        )

    def _used(self, delivery: Delivery, whose: _Whose) -> None:
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
        used, cells = settled.tokens, whose.tokens
        cells[0][0] += used.input
        cells[1][0] += used.cached
        cells[2][0] += used.output
        cells[3][0] += used.reasoning
        if settled.cost_uusd:
            whose.cost[0] += settled.cost_uusd / UUSD

    def _attempted(self, attempts: list[Attempt]) -> None:
        before = ""
        cause = ""
        for attempt in attempts:
            account = attempt.slot.id
            outcome = self.outcomes(attempt.outcome or "client_gone")
            self.attempts.add((self.accounts(account), outcome))
            if before and before != account:
                self.failovers.add((cause,))
            before, cause = account, outcome

    def _timed(self, delivery: Delivery, attempt: Attempt, whose: _Whose) -> None:
        began_at, waited_s = attempt.began_at, delivery.hunt.waited_s
        if delivery.first_byte_at:
            self.content.saw(whose.content, max(0.0, began_at - delivery.received_at))
            self.overhead.saw(self._overhead, delivery.overhead_s)
        self.upstream.saw(whose.upstream, max(0.0, began_at - attempt.at))
        if waited_s:
            self.queue.saw(self.queue.of(()), waited_s)

    def families(self) -> "Iterator[Metric]":
        """Everything, as prometheus-client wants it."""
        self.events.cells.clear()
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
