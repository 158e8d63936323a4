"""The last requests, each as a timeline: what was done for it, when, and why. No text of anybody.

A bounded ring in memory, written once a request is over; words are made when someone looks.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field
from msgspec import Struct, msgpack

from lb.core.account import Ask
from lb.core.errors import Problem
from lb.core.ledger import NO_TOKENS, Admitted, Settled
from lb.core.notes import Note, opinions, why
from lb.proxy.attempt import Attempt
from lb.proxy.booking import ended_by
from lb.proxy.deliver import Delivery
from lb.proxy.said import ms

MOST_TIMELINES = 2000
LONGEST_ID = 200  # characters: the client's own, or the upstream's
LONGEST_AGENT = 200  # characters of a user agent


class Tried(Struct, frozen=True, gc=False, array_like=True):
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


class Past(Struct, frozen=True, gc=False, array_like=True):
    """What was of a request. ``admitted`` and ``settled`` are its facts in the ledger."""

    admitted: Admitted
    settled: Settled
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


class Timeline(Struct, frozen=True, gc=False):
    """One request that is over; ``notes`` say why each account that was tried had been picked."""

    past: Past
    notes: tuple[Note, ...]

    @property
    def row(self) -> dict[str, Any]:
        """The request in the ledger's columns."""
        begun, settled = self.past.admitted, self.past.settled
        return {
            "request_id": begun.request_id,
            "at": begun.at,
            "key": begun.key,
            "account": settled.account,
            "model_asked": begun.model,
            "model_served": settled.model,
            "effort": begun.effort,
            "stream": begun.stream,
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

    def told(self, strategy: str) -> dict[str, Any]:
        """As JSON, in words."""
        past = self.past
        tries = zip(past.tries, self.notes, strict=True)
        return {
            "request": self.row,
            "path": past.path,
            "user_agent": past.agent or None,
            "client": "codex" if past.codex else "api",
            "transport": "websocket" if past.lane else "http",
            "status": past.status,
            "problem": past.problem or None,
            "overhead_ms": past.overhead_ms,
            "rules": [{"rule": name, "changed": list(fields)} for name, fields in past.rules],
            "attempts": [self._try_told(tried, note, strategy) for tried, note in tries],
        }

    def _try_told(self, tried: Tried, note: Note, strategy: str) -> dict[str, Any]:
        ask, others = self.past.ask, opinions(note, self.past.ask)
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
            "why": why(note, ask, strategy),
            "others": [{"id": o.account, "verdict": o.verdict, "reason": o.reason} for o in others],
            "unseen": note.unseen,
        }


@define(eq=False)
class Timelines:
    """The ring; ``on_added`` hears of each as it is added.

    What is kept is packed: thousands of small objects that lie about cost every request, since they
    drive what it needs out of the processor's cache.
    """

    on_added: Callable[[Timeline], None] = lambda _: None
    most: int = MOST_TIMELINES
    _kept: OrderedDict[str, tuple[bytes | Past, tuple[Note, ...]]] = field(factory=OrderedDict)

    def ended(
        self, delivery: Delivery | None, status: int, problem: Problem | None, total_s: float
    ) -> None:
        """A request is over; one that was never let in is not kept."""
        if delivery is None:
            return
        past, notes = past_of(delivery, status, problem, total_s), tuple(delivery.hunt.notes)
        self._kept[past.admitted.request_id] = _packed(past), notes
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        self.on_added(Timeline(past, notes))

    def get(self, request_id: str) -> Timeline | None:
        """The timeline of a request, if it is still kept."""
        kept = self._kept.get(request_id)
        return None if kept is None else Timeline(_unpacked(kept[0]), kept[1])

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows, the newest first."""
        kept = reversed(self._kept.values())
        return (Timeline(_unpacked(packed), notes).row for packed, notes in kept)

    def __len__(self) -> int:
        return len(self._kept)


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Past).decode


def _packed(past: Past) -> bytes | Past:
    try:
        return _encode(past)
    except (UnicodeEncodeError, OverflowError):  # bytes that are no text, a number beyond 64 bits
        return past


def _unpacked(packed: bytes | Past) -> Past:
    return _decode(packed) if isinstance(packed, bytes) else packed


def past_of(delivery: Delivery, status: int, problem: Problem | None, total_s: float) -> Past:
    """What is kept of a request: nothing of its body, nothing of its answer."""
    call, hunt = delivery.call, delivery.hunt
    said = problem.message if problem is not None else ""
    booking = hunt.booking
    return Past(
        booking.admitted,
        booking.settled or _unsettled(delivery, problem, total_s),
        call.ask,
        call.path,
        call.headers.get("user-agent", "")[:LONGEST_AGENT],
        call.codex,
        bool(call.lane),
        status,
        said[:1000],
        ms(delivery.overhead_s) if delivery.first_byte_at else None,
        call.body.rules,
        tuple(map(_tried, hunt.attempts)),
    )


def _tried(attempt: Attempt) -> Tried:
    return Tried(
        attempt.slot.id,
        attempt.at,
        attempt.began_at,
        attempt.ended_at,
        attempt.status,
        attempt.outcome,
        attempt.said,
        (attempt.request_id[:LONGEST_ID], attempt.upstream_request_id[:LONGEST_ID]),
        attempt.changed,
    )


def _unsettled(delivery: Delivery, problem: Problem | None, total_s: float) -> Settled:
    """As good as settled: one that is read on behind its client has not been yet."""
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
