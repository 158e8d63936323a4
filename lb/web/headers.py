"""What a client's headers say: what of them may go upstream, and how long it waits."""

from collections.abc import Mapping
from math import isfinite

from lb.core.remembered import Remembered, shorter_than
from lb.proxy.gateway import Gateway

_FORWARDED = frozenset(
    {
        "accept-language",
        "idempotency-key",
        "openai-beta",
        "originator",
        "session-id",
        "session_id",
        "thread-id",
        "traceparent",
        "tracestate",
        "user-agent",
        "version",
        "x-client-request-id",
    }
)
_FORWARDED_FAMILIES = ("x-codex-", "x-openai-")
_LONGEST_NAME = 64  # characters of a header's name that may pass
_TIMEOUT_HEADERS = ("x-request-timeout", "x-stainless-timeout", "x-stainless-read-timeout")


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """What of a client's headers may go upstream, lower-case: an allow-list, nothing else."""
    return {passed: value for name, value in headers.items() if (passed := _passes[name])}


def _passing(name: str) -> str:
    """The name as it goes upstream; empty when it does not."""
    lower = name.lower()
    if len(name) > _LONGEST_NAME:
        return ""
    return lower if lower in _FORWARDED or lower.startswith(_FORWARDED_FAMILIES) else ""


_passes = Remembered(_passing, 1024, shorter_than(_LONGEST_NAME + 1))


def patience_of(headers: Mapping[str, str], limit_s: float) -> float:
    """How many seconds the client waits, by its own word or the server's limit."""
    for name in _TIMEOUT_HEADERS:
        if name in headers:
            told_s = _number(headers[name], limit_s)
            limit_s = min(limit_s, told_s) if told_s > 0 else limit_s
    return limit_s


def deadline_of(headers: Mapping[str, str], gateway: Gateway) -> float:
    """When the client stops waiting (unix seconds)."""
    return gateway.clock.now() + patience_of(headers, gateway.config.server.deadline_s)


def _number(text: str | None, default: float) -> float:
    try:
        number = float(text) if text else default
    except ValueError:
        return default
    return number if isfinite(number) else default
