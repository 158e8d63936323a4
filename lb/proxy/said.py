"""What is said of a delivery: to the client in headers, to the log in one line."""

from collections.abc import Callable, Mapping
from typing import Protocol

from lb.core.call import Call
from lb.core.pool_usage import pooled, rate_limit_headers
from lb.proxy.attempt import Opened
from lb.proxy.dispatch import Dispatch
from lb.proxy.hunt import Hunt

_PASSED = ("x-codex-turn-state", "x-reasoning-included", "openai-processing-ms", "openai-version")
"""Headers of the upstream that a client may see; the account's own are not among them."""


class Delivered(Protocol):
    """As much of a delivery as is spoken of. Times in unix seconds."""

    dispatch: Dispatch
    call: Call
    hunt: Hunt
    opened: Opened | None
    received_at: float
    first_byte_at: float
    overhead_s: float
    outcome: str
    tell_account: bool
    limits: Callable[[float], Mapping[str, str]] | None


def headers_of(delivery: Delivered, opened: Opened) -> dict[str, str]:
    """What the client is told of an answer that has begun."""
    told = {"x-request-id": delivery.call.request_id}
    attempt, now = opened.attempt, delivery.first_byte_at
    told["x-lb-attempts"] = str(len(delivery.hunt.attempts))
    told["x-lb-overhead-ms"] = str(ms(delivery.overhead_s))
    if delivery.tell_account:
        told["x-lb-account"] = attempt.slot.id
    if attempt.upstream_request_id:
        told["x-upstream-request-id"] = attempt.upstream_request_id
    if attempt.changed:
        told["x-lb-changed"] = ",".join(attempt.changed)
    if delivery.call.codex:
        windows = pooled(delivery.dispatch.pool.enabled(), now)
        told |= rate_limit_headers(windows, now)
    if delivery.limits is not None:
        told |= delivery.limits(now)
    for name in _PASSED:
        if value := opened.answer.headers.get(name):
            told[name] = value
    return told


def ms(seconds: float) -> float:
    """Milliseconds, to the hundredth. Python's ``round`` goes by way of a decimal text."""
    return int(seconds * 100_000 + 0.5) / 100


def line_of(delivery: Delivered) -> dict[str, object]:
    """What the log says of it: who asked, who answered, how long it took, what it used."""
    hunt, opened = delivery.hunt, delivery.opened
    used = opened.tap.usage if opened else None
    told: dict[str, object] = {
        "client": delivery.call.ask.client,
        "model": hunt.call.ask.model,
        "stream": delivery.call.stream,
        "account": opened.attempt.slot.id if opened else None,
        "attempts": [
            {"account": a.slot.id, "id": a.request_id, "status": a.status, "outcome": a.outcome}
            for a in hunt.attempts
        ],
        "queue_ms": ms(hunt.waited_s),
        "upstream_ms": ms(hunt.upstream_s),
        "outcome": delivery.outcome,
    }
    if delivery.first_byte_at:
        told["ttfb_ms"] = ms(delivery.first_byte_at - delivery.received_at)
        told["overhead_ms"] = ms(delivery.overhead_s)
    if used is not None:
        told["input_tokens"] = used.input_tokens
        told["cached_tokens"] = used.cached_tokens
        told["output_tokens"] = used.output_tokens
        told["reasoning_tokens"] = used.reasoning_tokens
    return told


def texts_of(delivery: Delivered) -> tuple[str, ...] | None:
    """The texts of its line that are not lb's own; None where it went another than the usual way.

    Codex names its own requests, and what failed is told in an upstream's words.
    """
    attempts, call = delivery.hunt.attempts, delivery.call
    if delivery.opened is None or len(attempts) != 1 or call.codex:
        return None
    account, outcome = attempts[0].slot.id, attempts[0].outcome
    return call.ask.client, delivery.hunt.call.ask.model, account, outcome, delivery.outcome
