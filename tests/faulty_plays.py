"""The plays behind the table of faults: one for each way an upstream can fail.

A fault of a stream has its like for a client that asked for none: the same break in the JSON.
"""

import time
from collections.abc import Iterable
from typing import Any

import msgspec

from lb.core.response_events import failed_event, response_object
from tests.plays import (
    JSON,
    LAST_CHUNK,
    SSE,
    Asked,
    End,
    Pause,
    Play,
    Step,
    chunk,
    frames,
    head,
    plain,
    whole,
)

SETTLE = Pause(0.02)  # lets what was written arrive by itself, before the fault that follows
ENDLESS_BYTES = 18 << 20  # longer than any frame a proxy may hold
MESSAGES = {
    "rate_limit_exceeded": "Rate limit reached. Please try again in 20s.",
    "insufficient_quota": "You exceeded your current quota, please check your plan.",
}


def error(
    status: int,
    code: str,
    kind: str = "server_error",
    *,
    param: str | None = None,
    retry: str | None = None,
) -> Play:
    """OpenAI's envelope with a status."""
    envelope = {"message": f"Scripted {code}.", "type": kind, "param": param, "code": code}
    return plain(status, {"error": envelope}, {"Retry-After": retry} if retry else None)


def limited(words: str = "Slow down.", **headers: str) -> Play:
    """A burst limit, with its time in headers, in words, or nowhere."""
    told = {"message": f"Rate limit reached. {words}", "type": "requests", "param": None}
    return plain(429, {"error": {**told, "code": "rate_limit_exceeded"}}, headers)


nothing_remaining = limited(
    **{
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "20s",
        "x-ratelimit-remaining-tokens": "900",
        "x-ratelimit-reset-tokens": "1m0s",
    }
)
azure_limited = plain(
    429, {"error": {"code": "429", "message": "Rate limited. Please retry after 20 seconds."}}
)


def usage_limit(_: Asked) -> Iterable[Step]:
    """A spent subscription, with the time it starts anew."""
    told = {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": "plus",
        "resets_at": int(time.time()) + 3600,
        "resets_in_seconds": 3600,
    }
    return plain(429, {"error": told})(_)


def html(status: int) -> Play:
    """A page from something that stands in between."""
    page = b"<html><title>Just a moment...</title></html>"
    return plain(status, page, {"content-type": "text/html; charset=utf-8"})


def hang_up(_: Asked) -> Iterable[Step]:
    """The connection ends without an answer."""
    return [End.CUT]


def reset_at_once(_: Asked) -> Iterable[Step]:
    """The connection is reset in place of an answer."""
    return [End.RESET]


def silence(_: Asked) -> Iterable[Step]:
    """No answer ever begins."""
    return [End.HANG]


def garbage_head(_: Asked) -> Iterable[Step]:
    """Something that is no HTTP."""
    return [b"\x16\x03\x01 NOT HTTP\r\n\r\n", End.CUT]


def empty(asked: Asked) -> Iterable[Step]:
    """A 200 of the right type with nothing in it."""
    yield head(200, SSE if asked.stream else JSON, 0)


def cut_after(count: int, *, reset: bool = False) -> Play:
    """A stream that breaks after ``count`` frames; JSON breaks in the middle."""

    def play(asked: Asked) -> Iterable[Step]:
        yield from _begun(asked, count)
        yield SETTLE
        yield End.RESET if reset else End.CUT

    return play


def idle_after(count: int) -> Play:
    """An answer that goes silent after ``count`` frames."""

    def play(asked: Asked) -> Iterable[Step]:
        yield from _begun(asked, count)
        yield End.HANG

    return play


def ended_after(count: int) -> Play:
    """A stream that ends properly, as HTTP goes, but without its terminal event."""

    def play(asked: Asked) -> Iterable[Step]:
        if asked.stream:
            yield from _begun(asked, count)
            yield SETTLE
            yield LAST_CHUNK
        else:
            body = whole(asked)[: 80 if count else 0]
            yield head(200, JSON, len(body)) + body

    return play


def cut_within_a_frame(asked: Asked) -> Iterable[Step]:
    """Half of the first frame, then nothing."""
    yield from _begun(asked, 0)
    if asked.stream:
        yield chunk(frames(asked)[0][:40])
    yield SETTLE
    yield End.CUT


def cut_within_a_late_frame(asked: Asked) -> Iterable[Step]:
    """Content, then half of a frame, then nothing."""
    yield from _begun(asked, 6)
    if asked.stream:
        yield chunk(frames(asked)[6][:50])
    yield SETTLE
    yield End.CUT


def garbage_frames(asked: Asked) -> Iterable[Step]:
    """Frames that hold no JSON."""
    if asked.stream:
        yield head(200, SSE)
        yield chunk(b"event: response.created\ndata: {oops\n\n" * 3)
        yield LAST_CHUNK
    else:
        yield from plain(200, b'{"id": "resp_1", "output": [')(asked)


def failed_first(code: str) -> Play:
    """``response.failed`` as the first word after created."""
    told = {"code": code, "message": MESSAGES.get(code, f"Scripted {code}.")}

    def play(asked: Asked) -> Iterable[Step]:
        failed = failed_event(told, asked.body, asked.identity)
        if not asked.stream:
            yield from plain(200, failed["response"])(asked)
            return
        yield from _begun(asked, 2)
        yield chunk(_frame("response.failed", failed))
        yield LAST_CHUNK

    return play


def failed_late(asked: Asked) -> Iterable[Step]:
    """``response.failed`` after content."""
    told = {"code": "server_error", "message": "Scripted failure."}
    failed = {**failed_event(told, asked.body, asked.identity), "sequence_number": 6}
    if not asked.stream:
        yield from plain(200, failed["response"])(asked)
        return
    yield from _begun(asked, 6)
    yield SETTLE
    yield chunk(_frame("response.failed", failed))
    yield LAST_CHUNK


def error_event(*, flat: bool) -> Play:
    """An ``error`` event before content, in both shapes seen."""
    told = {"code": "server_error", "message": "Scripted failure.", "param": None}
    nested = {"error": {"type": "server_error", **told}}

    def play(asked: Asked) -> Iterable[Step]:
        if not asked.stream:
            body = response_object(asked.body, asked.identity, "failed")
            yield from plain(200, {**body, "error": told})(asked)
            return
        yield from _begun(asked, 1)
        event = {"type": "error", "sequence_number": 1, **(told if flat else nested)}
        yield chunk(_frame("error", event))
        yield LAST_CHUNK

    return play


def endless_event(asked: Asked) -> Iterable[Step]:
    """Content, then an event that does not end."""
    if not asked.stream:
        yield from plain(200, whole(asked))(asked)
        return
    yield from _begun(asked, 6)
    yield SETTLE
    yield chunk(b'event: response.output_text.delta\ndata: {"')
    megabyte = b"x" * (1 << 20)
    for _ in range(ENDLESS_BYTES >> 20):
        yield chunk(megabyte)
    yield chunk(b"\n\n")
    yield LAST_CHUNK


def data_after_the_end(asked: Asked) -> Iterable[Step]:
    """A healthy stream with a second end behind its end."""
    if not asked.stream:
        yield from plain(200, whole(asked) + b"\n \n")(asked)
        return
    told = frames(asked)
    yield head(200, SSE)
    yield chunk(b"".join(told))
    yield chunk(told[5] + told[-1] + b"data: [DONE]\n\n")
    yield LAST_CHUNK


def crumbs(asked: Asked) -> Iterable[Step]:
    """A healthy answer in pieces of eleven bytes, whatever they cut."""
    if not asked.stream:
        yield from plain(200, whole(asked))(asked)
        return
    wire = b"".join(frames(asked))
    yield head(200, SSE)
    for start in range(0, len(wire), 11):
        yield chunk(wire[start : start + 11])
    yield LAST_CHUNK


def chatter(asked: Asked) -> Iterable[Step]:
    """A healthy stream among comments, CRLF and events nobody knows."""
    if not asked.stream:
        yield from plain(200, whole(asked))(asked)
        return
    yield head(200, SSE)
    yield chunk(b": hello\n\n" + _frame("response.novelty", {"type": "response.novelty"}))
    for each in frames(asked):
        yield chunk(b": still here\n\n")
        yield chunk(each)
    yield LAST_CHUNK


def _begun(asked: Asked, count: int) -> Iterable[Step]:
    """The head and the first ``count`` frames; without a stream, half of the JSON."""
    if asked.stream:
        yield head(200, SSE)
        if count:
            yield chunk(b"".join(frames(asked)[:count]))
        return
    body = whole(asked)
    yield head(200, JSON, len(body)) + (body[: len(body) // 2] if count else b"")


def _frame(name: str, event: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(event))
