"""What goes into the ledger of one request, each fact at its moment.

Admitted before anything is asked; an attempt noted before it is sent; the end booked before the
client sees it. So whenever the server dies, the ledger has at least what the upstreams counted.
"""

from collections.abc import Callable
from typing import get_args

from attrs import define, field
from msgspec import Struct

from lb.adapters.clock import Clock
from lb.core.call import Call
from lb.core.errors import Blame, Problem
from lb.core.ledger import (
    NO_TOKENS,
    Admitted,
    Attempted,
    AttemptSettled,
    Fact,
    Outcome,
    Settled,
    Tokens,
    estimated,
    together,
    told,
)
from lb.core.prices import Prices
from lb.core.tap import Tap
from lb.proxy.attempt import Attempt

LONGEST_EFFORT = 32  # characters: what is booked is kept, and clients choose it
LONGEST_MODEL = 256  # of the name an upstream says it served
_OURS = (Blame.CLIENT, Blame.ANCHOR, Blame.POOL, Blame.GATEWAY)


@define(eq=False)
class Books:
    """Where facts go: ``note`` keeps them; ``prices`` may change on reload."""

    clock: Clock
    note: Callable[..., None] = lambda *_: None
    prices: Prices = field(factory=Prices)

    def admit(self, call: Call, at: float) -> "Booking":
        """A request is let in that came ``at`` (unix seconds)."""
        ask = call.ask
        told = Admitted(call.request_id, at, ask.client, ask.model, effort_of(call), call.stream)
        return Booking(self, call.request_id, ask.model, at, told)

    def cost_uusd(self, served: str, asked: str, tokens: Tokens) -> int | None:
        """What tokens cost, by the name of the model that served, else by the one asked for."""
        price = (self.prices.price(served) if served else None) or self.prices.price(asked)
        if price is None:
            return None
        return price.cost_uusd(tokens.input, tokens.cached, tokens.output)


class Booking(Struct, eq=False, gc=False):
    """The ledger's side of one request that came ``at`` (unix seconds).

    That it was admitted is noted together with what follows, in one append: nothing was asked of
    anybody yet. One that has to wait is noted ``begun``.
    """

    books: Books
    request_id: str
    model: str
    at: float
    admitted: Admitted
    settled: Settled | None = None
    _begun: bool = False
    _attempts: int = 0
    _lost: list[tuple[Tokens, int | None]] = []

    def begun(self) -> None:
        """It is let in, and will be for a while before anything is asked."""
        if not self._begun:
            self._begun = True
            self.books.note(self.admitted)

    def attempted(self, attempt: Attempt) -> None:
        """An attempt is about to be sent."""
        self._attempts += 1
        attempt.number = self._attempts
        self._note(Attempted(self.request_id, self._attempts, attempt.slot.id, attempt.at))

    def lost(self, attempt: Attempt) -> None:
        """An attempt came to nothing; what it used all the same is booked."""
        used = self._used(attempt)
        self._lost.append(used)
        self._note(AttemptSettled(self.request_id, attempt.number, attempt.outcome, *used))

    def settle(self, end: "End", last: Attempt | None, *, answers: bool) -> Settled:
        """The request ended; once only, the caller sees to that.

        ``last`` is the attempt it ended with; ``answers`` whether that one began to answer (else
        it was ``lost``).
        """
        tap = last.tap if last is not None else None
        if last is None or not answers:
            tokens, cost = together(self._lost)
        elif self._lost:
            tokens, cost = together((*self._lost, self._used(last)))
        else:
            tokens, cost = self._used(last)
        self.settled = Settled(
            self.request_id,
            last.slot.id if last is not None else "",
            tap.model[:LONGEST_MODEL] if tap is not None else "",
            tokens,
            cost,
            self._attempts,
            _ms(end.queue_s),
            _ms(end.first_byte_at - self.at) if end.first_byte_at else None,
            _ms(end.at - self.at),
            end.outcome,
        )
        self._note(self.settled)
        return self.settled

    def _used(self, attempt: Attempt) -> tuple[Tokens, int | None]:
        tap = attempt.tap
        if tap is None:
            return NO_TOKENS, None
        tokens = tokens_of(tap)
        if tokens is NO_TOKENS:
            return tokens, None
        return tokens, self.books.cost_uusd(tap.model, self.model, tokens)

    def _note(self, fact: Fact) -> None:
        if self._begun:
            self.books.note(fact)
        else:
            self._begun = True
            self.books.note(self.admitted, fact)


class End(Struct, gc=False):
    """How a request ended: its outcome, and what only the delivery knows. Times in seconds."""

    outcome: Outcome
    at: float  # unix seconds
    queue_s: float = 0.0
    first_byte_at: float = 0.0  # unix seconds, 0: nothing was written


def _ms(seconds: float) -> int:
    """Milliseconds, at least 0."""
    return int(seconds * 1000 + 0.5) if seconds > 0 else 0


def tokens_of(tap: Tap) -> Tokens:
    """What an answer used: as the upstream told it, else estimated by what was seen of it."""
    usage = tap.usage
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return estimated(tap.deltas)
    return told(usage)


def ended_by(problem: Problem, attempts: int) -> Outcome:
    """The outcome of a request that ends with ``problem``."""
    if problem.code == "server_shutdown":
        return "interrupted"
    return "refused" if not attempts or problem.blame in _OURS else "failed"


def ended_with(tap: Tap) -> Outcome:
    """The outcome of an answer that ended by itself; a queued one (background) is complete."""
    return _OUTCOMES.get(tap.outcome, "completed")


_OUTCOMES: dict[str, Outcome] = {name: name for name in get_args(Outcome)}


def effort_of(call: Call) -> str:
    """The reasoning effort a request asks for; empty when it names none."""
    if "reasoning" not in call.body:
        return ""
    reasoning = call.body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    return effort[:LONGEST_EFFORT] if isinstance(effort, str) else ""
