"""A reply and whose fault it is, made a ``Problem``: its face, and when to come back."""

import re
from typing import Final

from lb.core.errors import HOUR_S, Blame, Problem
from lb.core.upstreams import signals
from lb.core.upstreams.blame import (
    BURST,
    CODES,
    KEPT_SOFT,
    NO_ROUTE,
    QUOTA,
    Verdict,
    sentence_in,
    verdict_on,
)
from lb.core.upstreams.reply import Reply, masked, name
from lb.core.windows import full_until

SHORT_S: Final = 10.0  # a 503 that says to come back this soon is a limit, not a fault
MODEL_MISSING_S: Final = 600.0  # 404: deployments come and go
MODEL_REFUSED_S: Final = HOUR_S  # 400, 403: an entitlement
REACHED: Final = "x-codex-rate-limit-reached-type"

_UNSUPPORTED: Final = re.compile(r"^Unsupported parameter:?\s*['`\"]?([A-Za-z_][\w.\[\]]{0,80})")
_PASSED_ON: Final = frozenset({Blame.CLIENT, Blame.ANCHOR, Blame.MODEL})
_OURS: Final = frozenset({Blame.TOKEN, Blame.ACCOUNT, Blame.ORIGIN})
_TYPES: Final = {400: "invalid_request_error", 429: "rate_limit_error", 500: "server_error"}
_REDIRECT: Final = 300
_SERVER: Final = 500
_UNAVAILABLE: Final = 503
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429


def problem_of(reply: Reply, now: float, *, verbatim: bool = True) -> Problem:
    """What ``reply`` means; ``verbatim`` whether its body may go on as it came."""
    verdict = _proved(verdict_on(reply), reply, now)
    status = _status(verdict, reply)
    until = _UNTIL.get(verdict.blame, _never)(reply, now)
    limited = verdict.blame in {Blame.BURST, Blame.QUOTA}
    return Problem(
        message=reply.message or _unsaid(reply),
        status=status,
        type=_type(verdict, reply, status),
        code=_code(verdict, reply),
        param=_param(reply),
        blame=verdict.blame,
        until=until,
        retry_after_s=until - now if limited and until is not None else None,
        should_retry=False if verdict is NO_ROUTE else None,
        verbatim=_verbatim(verdict, reply) if verbatim else None,
        billed=verdict.blame is Blame.SOFT and (reply.in_stream or reply.status >= _SERVER),
        extra=_extra(until, reply, now) if verdict.blame is Blame.QUOTA else {},
    )


def _proved(verdict: Verdict, reply: Reply, now: float) -> Verdict:
    """A burst that the headers prove to be a spent quota; an outage that is but a short wait."""
    if verdict.blame is Blame.BURST and reply.status == _TOO_MANY:
        spent = _full_until(reply, now) is not None and not signals.has_credits(reply.headers)
        return QUOTA if spent or reply.headers.get(REACHED) else verdict
    if verdict.blame is Blame.SOFT and reply.status == _UNAVAILABLE:
        wait_s = signals.retry_after(reply.headers, now)
        return BURST if wait_s is not None and wait_s <= SHORT_S else verdict
    return verdict


def _full_until(reply: Reply, now: float) -> float | None:
    """When the full codex windows start anew; an hour from now where none says."""
    windows = signals.codex_windows(reply.headers, now)
    if not any(window.used_at(now) >= 1.0 for window in windows):
        return None
    return full_until(windows, now) or now + HOUR_S


def _quota_until(reply: Reply, now: float) -> float:
    told = signals.resets(reply.error, now) or _full_until(reply, now)
    return told or _waited(reply, now) or now + HOUR_S


def _burst_until(reply: Reply, now: float) -> float | None:
    wait_s = signals.retry_after(reply.headers, now)
    if wait_s is not None:
        return now + wait_s
    told = signals.resets(reply.error, now)
    return told or _dimension_until(reply, now) or _waited(reply, now)


def _waited(reply: Reply, now: float) -> float | None:
    wait_s = signals.retry_after(reply.headers, now)
    wait_s = signals.said(reply.message) if wait_s is None else wait_s
    return None if wait_s is None else now + wait_s


def _dimension_until(reply: Reply, now: float) -> float | None:
    """The largest reset of the spent ``x-ratelimit-*`` dimensions, or of the one upstream named."""
    windows = signals.windows_of_headers(reply.headers, now)
    spent = full_until(windows, now)
    if spent is not None or signals.said(reply.message) is not None:
        return spent
    named = (window.resets_at for window in windows if window.name == reply.type)
    return next(named, None)


def _model_until(reply: Reply, now: float) -> float:
    return now + (MODEL_MISSING_S if reply.status == _NOT_FOUND else MODEL_REFUSED_S)


def _never(_reply: Reply, _now: float) -> None:
    return None


_UNTIL: Final = {
    Blame.QUOTA: _quota_until,
    Blame.BURST: _burst_until,
    Blame.MODEL: _model_until,
}


def _status(verdict: Verdict, reply: Reply) -> int:
    """The status a client gets if nobody else can serve: upstream's own where it is honest."""
    status = reply.status or reply.numeric or 0
    if verdict.blame in _PASSED_ON and status // 100 == 4:  # 4xx
        return status
    if verdict.blame is Blame.SOFT and status in KEPT_SOFT:
        return status
    if verdict.blame is Blame.BURST and status == _UNAVAILABLE:
        return status
    return verdict.status


def _type(verdict: Verdict, reply: Reply, status: int) -> str:
    if verdict.blame in _OURS:
        return "server_error"
    return reply.type or _TYPES.get(status) or _TYPES[400 if status < _SERVER else _SERVER]


def _code(verdict: Verdict, reply: Reply) -> str | None:
    """The name of the fault: upstream's, if it fits the verdict; else what its words stand for."""
    names = [known for known in (reply.code, reply.type) if CODES.get(known) is verdict]
    if names:
        return names[0] if names[0] not in {"requests", "tokens"} else verdict.code
    if verdict.blame in {Blame.QUOTA, Blame.BURST}:
        return verdict.code
    if reply.code:
        return reply.code
    sentence = sentence_in(reply, reply.status or reply.numeric or 0)
    if sentence is not None and sentence.verdict is verdict and sentence.code:
        return sentence.code
    return _misbehaved(reply) or verdict.code or None


def _misbehaved(reply: Reply) -> str:
    """The name of an answer that is none: a redirect, or a success that held no response."""
    if reply.in_stream or not reply.status or reply.status >= 400:  # it is one
        return ""
    return "upstream_garbage" if reply.status < _REDIRECT else "upstream_redirect"


def _param(reply: Reply) -> str | None:
    if reply.param:
        return reply.param
    found = _UNSUPPORTED.match(reply.message)
    return found[1] if found else None


def _verbatim(verdict: Verdict, reply: Reply) -> bytes | None:
    passes = verdict.blame in _PASSED_ON and reply.enveloped and reply.body
    return masked(reply.body) if passes else None


def _extra(until: float | None, reply: Reply, now: float) -> dict[str, object]:
    """What Codex reads of a spent quota: the plan and the reset, in whole seconds."""
    extra: dict[str, object] = {}
    if plan := name(reply.error.get("plan_type")):
        extra["plan_type"] = plan
    if until is not None:
        extra["resets_at"] = round(until)
        extra["resets_in_seconds"] = round(until - now)
    return extra


def _unsaid(reply: Reply) -> str:
    """The message for an upstream that gave none fit to show."""
    if reply.in_stream:
        return "The upstream ended the response without saying why."
    what = "with a page instead of JSON" if reply.page else "without saying why"
    if _REDIRECT <= reply.status < 400:  # 3xx
        what = "with a redirect, which is never followed: check the account's base_url"
    return f"The upstream answered {reply.status} {what}."
