"""What a client's headers say: what of them may go upstream, and how long it waits."""

from collections.abc import Mapping
from math import isfinite

from aiohttp import web

from lb.web.keys import GATEWAY

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
_TIMEOUT_HEADERS = ("x-request-timeout", "x-stainless-timeout", "x-stainless-read-timeout")


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """What of a client's headers may go upstream, lower-case: an allow-list, nothing else."""
    found = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower in _FORWARDED or lower.startswith(_FORWARDED_FAMILIES):
            found[lower] = value
    return found


def patience_of(request: web.Request) -> float:
    """How many seconds the client waits, by its own word or the server's limit."""
    limit_s = request.app[GATEWAY].config.server.deadline_s
    headers = request.headers
    for name in _TIMEOUT_HEADERS:
        if name in headers:
            told_s = _number(headers[name], limit_s)
            limit_s = min(limit_s, told_s) if told_s > 0 else limit_s
    return limit_s


def _number(text: str | None, default: float) -> float:
    try:
        number = float(text) if text else default
    except ValueError:
        return default
    return number if isfinite(number) else default
