"""Everything that can go wrong with a request, each typed by who is to blame.

A ``Problem`` has three faces: ``body()`` for HTTP, ``frame()`` inside a stream, ``event()`` for the
pool. ``blame`` decides both what the pool learns and whether the request may go elsewhere; it is
the one place that law 10 (the client's fault never marks an account) is kept.
"""

from enum import Enum
from typing import Any

import msgspec
from attrs import define, field

from lb.core import events

HOUR_S = 3600.0
LONGEST_EXHAUSTION_S = 8 * 86400.0  # a weekly window and a day: a hostile `resets_at` is clamped


class Blame(Enum):
    """Whose fault it is, and so what follows."""

    CLIENT = "client"  # passed on as it came; no account is marked, nothing is tried again
    ANCHOR = "anchor"  # the request names state this account does not hold: affinity decides
    ORIGIN = "origin"  # DNS, TLS, connect: the host's fault, never the account's
    SOFT = "soft"  # 5xx, cut, silence, garbage: second choice for a moment
    BURST = "burst"  # too fast: cooling
    QUOTA = "quota"  # proven spent: exhausted until the reset
    TOKEN = "token"  # 401: refresh once, then a person  # noqa: S105
    ACCOUNT = "account"  # deactivated, unpaid, forbidden: a person
    MODEL = "model"  # this account lacks the model
    POOL = "pool"  # nobody left to ask: our own verdict
    GATEWAY = "gateway"  # our own limits or state: shutting down, full


@define(eq=False)
class Problem(Exception):  # noqa: N818  # the house's word
    """A request that failed, or an attempt that did.

    ``status`` HTTP status; ``type``, ``code``, ``param`` as in OpenAI's envelope; ``until`` unix
    seconds when the upstream says when to come back; ``retry_after_s`` what the client is told;
    ``should_retry`` the SDKs' ``x-should-retry``; ``verbatim`` the upstream's own JSON body, passed
    on as it came; ``model`` the model a MODEL problem is about; ``billed`` True when the upstream
    may have charged for the attempt.
    """

    message: str
    status: int = 500
    type: str = "server_error"
    code: str | None = None
    param: str | None = None
    blame: Blame = Blame.GATEWAY
    until: float | None = None
    retry_after_s: float | None = None
    should_retry: bool | None = None
    verbatim: bytes | None = None
    model: str = ""
    billed: bool = False
    extra: dict[str, Any] = field(factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.code or self.type}: {self.message}"

    def envelope(self) -> dict[str, Any]:
        """OpenAI's error object: message, type, param, code, and what a dialect adds."""
        return {
            "message": sayable(self.message),
            "type": self.type,
            "param": None if self.param is None else sayable(self.param),
            "code": self.code,
            **self.extra,
        }

    def body(self) -> bytes:
        """The JSON body of the HTTP answer."""
        if self.verbatim is not None:
            return self.verbatim
        return msgspec.json.encode({"error": self.envelope()})

    def headers(self) -> dict[str, str]:
        """What tells an SDK whether and when a retry helps."""
        told: dict[str, str] = {}
        if self.retry_after_s is not None:
            told["Retry-After"] = str(max(1, round(self.retry_after_s)))
            told["retry-after-ms"] = str(max(1, round(self.retry_after_s * 1000)))
        if self.should_retry is not None:
            told["x-should-retry"] = "true" if self.should_retry else "false"
        return told

    def frame(self, response_id: str = "", sequence_number: int = 0) -> bytes:
        """The last frame of a stream that cannot go on: ``response.failed``, under its own id."""
        response = {
            "id": response_id or "resp_lb_failed",
            "object": "response",
            "created_at": 0,
            "status": "failed",
            "error": {
                "code": self.code or self.type,
                "message": sayable(self.message),
                **self.extra,
            },
            "incomplete_details": None,
            "model": self.model,
            "output": [],
            "usage": None,
        }
        data = {"type": "response.failed", "sequence_number": sequence_number, "response": response}
        return b"event: response.failed\ndata: " + msgspec.json.encode(data) + b"\n\n"

    def socket_frame(self) -> str:
        """The error frame of a WebSocket, with the status and headers HTTP would have had."""
        if self.verbatim is not None:
            told = msgspec.json.decode(self.verbatim)
            error = told.get("error", told) if isinstance(told, dict) else told
        else:
            error = self.envelope()
        headers = {name.lower(): value for name, value in self.headers().items()}
        frame = {"type": "error", "status": self.status, "error": error, "headers": headers}
        return msgspec.json.encode(frame).decode()

    def event(self, account: str, now: float, jitter: float) -> events.Event | None:
        """What the pool learns of ``account``; None when it is not to blame."""
        reason = self.code or self.type
        match self.blame:
            case Blame.SOFT:
                return events.Doubted(account, now, f"{self.status} {reason}", jitter)
            case Blame.BURST:
                until = None if self.until is None else min(self.until, now + HOUR_S)
                return events.Throttled(account, now, reason, until, jitter)
            case Blame.QUOTA:
                until = now + HOUR_S if self.until is None else self.until
                return events.Exhausted(
                    account, now, reason, max(now, min(until, now + LONGEST_EXHAUSTION_S))
                )
            case Blame.TOKEN | Blame.ACCOUNT:
                return events.Refused(account, now, f"{reason}: {self.message}"[:200])
            case Blame.MODEL:
                until = now + HOUR_S if self.until is None else self.until
                return events.Blocked(account, now, self.model, until, reason)
            case _:
                return None


def broken(what: str, code: str = "upstream_garbage", status: int = 502) -> Problem:
    """An upstream that broke off, fell silent or sent garbage: "The upstream <what>."."""
    return Problem(
        f"The upstream {what}.",
        status=status,
        code=code,
        blame=Blame.SOFT,
        billed=True,
        retry_after_s=1.0,
    )


def sayable(text: str) -> str:
    """``text`` as JSON can carry it: headers and paths come with bytes that are no UTF-8."""
    return text.encode("utf-8", "replace").decode()


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Problem:
    """A 400 that names the field and says what to do."""
    return Problem(
        message,
        status=400,
        type="invalid_request_error",
        code=code,
        param=param,
        blame=Blame.CLIENT,
    )
