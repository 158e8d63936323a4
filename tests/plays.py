"""Plays: what a scripted upstream does with one request, as steps.

bytes           written as they are
Pause(seconds)  wait, watching whether the client leaves
End.CUT         hang up (FIN), End.RESET reset (RST), End.HANG say nothing until the client goes
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

import msgspec
from attrs import define, frozen

from lb.core.response_events import Identity, ToolCall, answer_events, frame, whole_answer

CREATED_AT = 1_760_000_000
SSE = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
LAST_CHUNK = b"0\r\n\r\n"
MODELS = ("gpt-5.5", "gpt-6.1-sol", "gpt-4.1")


class End(Enum):
    """How an answer can end other than by being complete."""

    CUT = "cut"
    RESET = "reset"
    HANG = "hang"


@frozen
class Pause:
    """Wait; a client that leaves meanwhile ends the play."""

    seconds: float


Step = bytes | Pause | End


@define(eq=False)
class Asked:
    """One request as the upstream saw it, and what became of the answer (times: loop seconds)."""

    account: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    number: int
    at: float
    deltas: int = 0
    ended_at: float | None = None
    left_at: float | None = None

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return isinstance(self.body, dict) and self.body.get("stream") is True

    @property
    def identity(self) -> Identity:
        """The ids of the answer: no two answers share them."""
        return Identity(f"{self.account}_{self.number}".replace("-", "_"), CREATED_AT)


Play = Callable[[Asked], Iterable[Step]]


def head(status: int, headers: Mapping[str, str], length: int | None = None) -> bytes:
    """The head of an answer: chunked unless ``length`` (bytes) is given."""
    framing = (
        {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
    )
    lines = [f"{name}: {value}" for name, value in {**headers, **framing}.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Scripted", *lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    """``data`` as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def text_for(asked: Asked) -> str:
    """What a healthy account says: its name, and enough words for a stream to be cut in."""
    return f"Hello from {asked.account}: one two three four five six seven eight."


def frames(asked: Asked, answer: str | ToolCall | None = None) -> list[bytes]:
    """The frames of a healthy stream: created, in_progress, two more, then deltas ... completed."""
    answer = text_for(asked) if answer is None else answer
    return [frame(event) for event in answer_events(answer, asked.body, asked.identity)]


def whole(asked: Asked, answer: str | ToolCall | None = None) -> bytes:
    """The JSON of a healthy answer."""
    answer = text_for(asked) if answer is None else answer
    return msgspec.json.encode(whole_answer(answer, asked.body, asked.identity))


def healthy(asked: Asked) -> Iterable[Step]:
    """A good answer, at once."""
    return saying(None)(asked)


def saying(
    answer: str | ToolCall | None,
    *,
    interval_s: float = 0.0,
    headers: Mapping[str, str] | None = None,
) -> Play:
    """A good answer that says ``answer``, ``interval_s`` between frames."""

    def play(asked: Asked) -> Iterable[Step]:
        extra = {"x-request-id": f"req_{asked.number}", **(headers or {})}
        if not asked.stream:
            body = whole(asked, answer)
            yield head(200, {**JSON, **extra}, len(body)) + body
            return
        yield head(200, {**SSE, **extra})
        for each in frames(asked, answer):
            yield chunk(each)
            if interval_s:
                yield Pause(interval_s)
        yield LAST_CHUNK

    return play


def plain(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Play:
    """An answer that is no stream; ``body`` bytes as they are, anything else as JSON."""
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)

    def play(_: Asked) -> Iterable[Step]:
        told = {**JSON, **(headers or {})}
        yield head(status, told, len(encoded)) + encoded

    return play


def models(_: Asked) -> Iterable[Step]:
    """The list of models, as OpenAI tells it."""
    made = {"object": "model", "created": CREATED_AT, "owned_by": "scripted"}
    data = [{"id": name, **made} for name in MODELS]
    return plain(200, {"object": "list", "data": data})(_)
