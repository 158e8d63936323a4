"""The last requests, each as a timeline: what was done for it, when, and why. No text of anybody.

A bounded ring in memory, written once a request is over; words are made when someone looks.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field, frozen

from lb.core.account import Ask
from lb.core.errors import Problem
from lb.core.ledger import NO_TOKENS, Settled
from lb.core.notes import Note, opinions, why
from lb.proxy.attempt import Attempt
from lb.proxy.booking import effort_of, ended_by
from lb.proxy.deliver import Delivery
from lb.proxy.said import overhead_s

MOST_TIMELINES = 2000
LONGEST_AGENT = 200  # characters of a user agent


@frozen
class Tried:
    """One attempt. Times in unix seconds, 0: it never came to that."""

    account: str
    at: float
    began_at: float
    ended_at: float
    status: int
    outcome: str
    said: str
    ids: tuple[str, str]  # ours, the upstream's
    changed: tuple[str, ...]
    note: Note | None


@frozen
class Timeline:
    """One request that is over; ``row`` is what the ledger has of it."""

    row: dict[str, Any]
    ask: Ask
    path: str
    agent: str
    codex: bool
    lane: bool
    status: int
    problem: str
    overhead_ms: float | None
    rules: tuple[tuple[str, tuple[str, ...]], ...]
    tries: tuple[Tried, ...]

    def told(self, strategy: str) -> dict[str, Any]:
        """As JSON, in words."""
        return {
            "request": self.row,
            "path": self.path,
            "user_agent": self.agent or None,
            "client": "codex" if self.codex else "api",
            "transport": "websocket" if self.lane else "http",
            "status": self.status,
            "problem": self.problem or None,
            "overhead_ms": self.overhead_ms,
            "rules": [{"rule": name, "changed": list(fields)} for name, fields in self.rules],
            "attempts": [self._try_told(tried, strategy) for tried in self.tries],
        }

    def _try_told(self, tried: Tried, strategy: str) -> dict[str, Any]:
        note = tried.note
        others = opinions(note, self.ask) if note else []
        return {
            "account": tried.account,
            "at": tried.at,
            "first_content_at": tried.began_at or None,
            "ended_at": tried.ended_at or None,
            "status": tried.status or None,
            "outcome": tried.outcome,
            "said": tried.said or None,
            "request_id": tried.ids[0] or None,
            "upstream_request_id": tried.ids[1] or None,
            "changed": list(tried.changed),
            "why": why(note, self.ask, strategy) if note else None,
            "others": [{"id": o.account, "verdict": o.verdict, "reason": o.reason} for o in others],
            "unseen": note.unseen if note else 0,
        }


@define(eq=False)
class Timelines:
    """The ring; ``on_row`` hears of each row as it is added."""

    on_row: Callable[[dict[str, Any]], None] = lambda _: None
    most: int = MOST_TIMELINES
    _kept: OrderedDict[str, Timeline] = field(factory=OrderedDict)

    def ended(
        self, delivery: Delivery | None, status: int, problem: Problem | None, total_s: float
    ) -> None:
        """A request is over; one that was never let in is not kept."""
        if delivery is None:
            return
        timeline = timeline_of(delivery, status, problem, total_s)
        self._kept[timeline.row["request_id"]] = timeline
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        self.on_row(timeline.row)

    def get(self, request_id: str) -> Timeline | None:
        """The timeline of a request, if it is still kept."""
        return self._kept.get(request_id)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows, the newest first."""
        return (timeline.row for timeline in reversed(self._kept.values()))

    def __len__(self) -> int:
        return len(self._kept)


def timeline_of(
    delivery: Delivery, status: int, problem: Problem | None, total_s: float
) -> Timeline:
    """What is kept of a request: nothing of its body, nothing of its answer."""
    call, hunt = delivery.call, delivery.hunt
    notes = dict(enumerate(hunt.notes))
    first = delivery.first_byte_at
    ours_s = overhead_s(delivery, first) if first else None
    said = problem.message if problem is not None else ""
    return Timeline(
        row_of(delivery, problem, total_s),
        call.ask,
        call.path,
        call.headers.get("user-agent", "")[:LONGEST_AGENT],
        call.codex,
        bool(call.lane),
        status,
        said[:1000],
        None if ours_s is None else round(ours_s * 1000, 2),
        tuple(call.body.rules),
        tuple(_tried(each, notes.get(n)) for n, each in enumerate(hunt.attempts)),
    )


def _tried(attempt: Attempt, note: Note | None) -> Tried:
    return Tried(
        attempt.slot.id,
        attempt.at,
        attempt.began_at,
        attempt.ended_at,
        attempt.status,
        attempt.outcome,
        attempt.said,
        (attempt.request_id, attempt.upstream_request_id),
        attempt.changed,
        note,
    )


def row_of(delivery: Delivery, problem: Problem | None, total_s: float) -> dict[str, Any]:
    """The request in the ledger's columns; one that is drained behind has not settled yet."""
    call, hunt = delivery.call, delivery.hunt
    settled = hunt.booking.settled or _unsettled(delivery, problem, total_s)
    return {
        "request_id": call.request_id,
        "at": delivery.received_at,
        "key": call.ask.client,
        "account": settled.account,
        "model_asked": call.ask.model,
        "model_served": settled.model,
        "effort": effort_of(call),
        "stream": call.stream,
        "input_tokens": settled.tokens.input,
        "cached_tokens": settled.tokens.cached,
        "output_tokens": settled.tokens.output,
        "reasoning_tokens": settled.tokens.reasoning,
        "cost_uusd": settled.cost_uusd,
        "attempts": settled.attempts,
        "queue_ms": settled.queue_ms,
        "ttfb_ms": settled.ttfb_ms,
        "total_ms": settled.total_ms,
        "outcome": settled.outcome,
        "usage_from": settled.tokens.source,
    }


def _unsettled(delivery: Delivery, problem: Problem | None, total_s: float) -> Settled:
    hunt, first = delivery.hunt, delivery.first_byte_at
    outcome = "client_gone" if problem is None else ended_by(problem, len(hunt.attempts))
    return Settled(
        delivery.call.request_id,
        hunt.attempts[-1].slot.id if hunt.attempts else "",
        "",
        NO_TOKENS,
        None,
        len(hunt.attempts),
        round(hunt.waited_s * 1000),
        round((first - delivery.received_at) * 1000) if first else None,
        round(total_s * 1000),
        outcome,
    )
