"""The ledger: facts of a request as they happen, and the row they fold into.

    Admitted -> Attempted -> (AttemptSettled -> Attempted)* -> Settled

Each fact is one line of the journal, and folding is idempotent: a line that is read twice, or a
crash between two of them, changes no row. A request that was admitted and never settled becomes
``interrupted``, its attempts kept.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

Outcome = Literal["completed", "incomplete", "failed", "client_gone", "refused", "interrupted"]
UsageFrom = Literal["upstream", "estimated", "none"]
_MOST = 1 << 40  # of one answer: an upstream that tells more tells nonsense


class Tokens(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tokens of one or more attempts; ``source`` says how they are known."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    source: UsageFrom = "none"

    def __add__(self, other: "Tokens") -> "Tokens":
        """The sum; it is only as well known as its worse part."""
        sources = {self.source, other.source}
        known: UsageFrom = "upstream" if "upstream" in sources else "none"
        return Tokens(
            self.input + other.input,
            self.cached + other.cached,
            self.output + other.output,
            self.reasoning + other.reasoning,
            "estimated" if "estimated" in sources else known,
        )


NO_TOKENS = Tokens()


class Usage(msgspec.Struct, frozen=True):
    """Tokens as an upstream tells them; None where it did not say."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None


def told(usage: Usage) -> Tokens:
    """Tokens as the upstream told them, nonsense cut to what a store can add up."""
    given, cached = usage.input_tokens or 0, usage.cached_tokens or 0
    output, reasoning = usage.output_tokens or 0, usage.reasoning_tokens or 0
    if min(given, cached, output, reasoning) < 0 or max(given, cached, output, reasoning) > _MOST:
        told = (max(0, min(number, _MOST)) for number in (given, cached, output, reasoning))
        given, cached, output, reasoning = told
    return Tokens(given, cached, output, reasoning, "upstream")


def estimated(deltas: int) -> Tokens:
    """Tokens of a stream that was cut: at least one for each delta that was seen."""
    return Tokens(output=deltas, source="estimated") if deltas else NO_TOKENS


class _Fact(msgspec.Struct, frozen=True, array_like=True, gc=False, tag_field="fact"):
    """A line of the journal: msgspec's compact form, since each request writes some."""

    request_id: str


class Admitted(_Fact, frozen=True, array_like=True, gc=False, tag="admitted"):
    """A request was let in at ``at`` (unix seconds)."""

    at: float
    key: str
    model: str
    effort: str = ""
    stream: bool = False


class Attempted(_Fact, frozen=True, array_like=True, gc=False, tag="attempted"):
    """Attempt ``n`` (1, 2, ...) is about to be sent to ``account``."""

    n: int
    account: str
    at: float


class AttemptSettled(_Fact, frozen=True, array_like=True, gc=False, tag="attempt_settled"):
    """Attempt ``n`` came to nothing a client saw: why, and what it used all the same."""

    n: int
    outcome: str
    tokens: Tokens = NO_TOKENS
    cost_uusd: int | None = None


class Settled(_Fact, frozen=True, array_like=True, gc=False, tag="settled"):
    """The end of a request: all of its attempts together. Times in ms since it was admitted."""

    account: str
    model: str  # as the upstream says it served
    tokens: Tokens
    cost_uusd: int | None  # micro-USD; None: nobody knows the price
    attempts: int
    queue_ms: int
    ttfb_ms: int | None
    total_ms: int
    outcome: Outcome


Fact = Admitted | Attempted | AttemptSettled | Settled
_decoder: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)
_encoder = msgspec.json.Encoder()


def lines_of(facts: Sequence[Fact]) -> bytes:
    """Facts as lines, each with its newline.

    Not by ``encode_lines``: of a tuple msgspec 0.22 leaks the iterator, twice a request.
    """
    return b"".join([_encoder.encode(fact) + b"\n" for fact in facts])


def fact_of(line: bytes) -> Fact | None:
    """The fact back; None for a line that is none, cut by a crash or of another version."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def together(parts: Iterable[tuple[Tokens, int | None]]) -> tuple[Tokens, int | None]:
    """The sum of what attempts used and cost; a cost nobody knows makes the sum unknown."""
    tokens, cost = NO_TOKENS, 0
    priced = True
    for each, uusd in parts:
        if each.source == "none":
            continue
        tokens = each if tokens is NO_TOKENS else tokens + each
        priced = priced and uusd is not None
        cost += uusd or 0
    return tokens, cost if priced and tokens.source != "none" else None
