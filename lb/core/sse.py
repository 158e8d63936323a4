"""Server-sent events as bytes: cut a stream into whole frames, read a frame, write one.

Frames leave as they came, byte for byte; runs of whole frames travel joined.
Source: WHATWG HTML, section 9.2 (lines end in LF, CRLF or CR; a blank line ends a frame).
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from lb.core.errors import Problem

LONGEST_FRAME_BYTES = (
    16 << 20
)  # images and repeated outputs reach megabytes; a hostile line does not end
_BLANK = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_OVERLAP = 3  # a blank line may be cut anywhere within its four bytes


class Cutter:
    """Takes bytes as they come and gives runs of whole frames; what is left waits for more.

    Whatever the cutting, the runs joined are the bytes that came in (less an unfinished end).
    """

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit_bytes: int = LONGEST_FRAME_BYTES) -> None:
        self._rest = bytearray()
        self._limit = limit_bytes

    def feed(self, chunk: bytes) -> bytes:
        """The whole frames there are now, joined; empty when none is finished.

        Raises: Problem (502) for a frame longer than the limit.
        """
        if not self._rest:
            if chunk.endswith(b"\n\n"):
                return chunk
            end = _last_end(chunk, 0)
            if end:
                self._rest += memoryview(chunk)[end:]
                return chunk[:end]
            self._rest += chunk
        else:
            start = max(0, len(self._rest) - _OVERLAP)
            self._rest += chunk
            end = _last_end(self._rest, start)
            if end:
                run = bytes(memoryview(self._rest)[:end])
                del self._rest[:end]
                return run
        if len(self._rest) > self._limit:
            raise Problem(
                f"The upstream sent an event longer than {self._limit >> 20} MiB.",
                status=502,
                code="event_too_large",
            )
        return b""

    def empty(self) -> bool:
        """Whether no frame is unfinished."""
        return not self._rest

    @property
    def rest(self) -> bytes:
        """The unfinished frame at the end."""
        return bytes(self._rest)


def _last_end(data: bytes | bytearray, start: int) -> int:
    if data.find(b"\r") < 0:
        found = data.rfind(b"\n\n", start)
        return found + 2 if found >= 0 else 0
    end = 0
    for match in _BLANK.finditer(data, start):
        end = match.end()
    return end


def frames(run: bytes) -> Iterator[bytes]:
    """The frames of a run of whole frames, each with the blank line that ends it."""
    start = 0
    if run.find(b"\r") >= 0:
        for match in _BLANK.finditer(run):
            yield run[start : match.end()]
            start = match.end()
    else:
        while (end := run.find(b"\n\n", start)) >= 0:
            yield run[start : end + 2]
            start = end + 2
    if start < len(run):
        yield run[start:]


def read(frame: bytes) -> tuple[str, bytes]:
    """The event name and the data of a frame; a comment has neither."""
    if frame.startswith(b"event: ") and frame.find(b"\r") < 0:  # as almost all are
        end, last = frame.find(b"\n"), len(frame) - 2
        if frame.startswith(b"data: ", end + 1) and frame.find(b"\n", end + 1) == last:
            return frame[7:end].strip().decode("utf-8", "replace"), frame[end + 7 : last]
    name, data = "", []
    for line in frame.splitlines():
        key, _, value = line.partition(b":")
        if key == b"event":
            name = value.strip().decode("utf-8", "replace")
        elif key == b"data":
            data.append(value.removeprefix(b" "))
    return name, b"\n".join(data)


def write(name: str, data: bytes) -> bytes:
    """A frame with an event name and one line of JSON data."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def dumps(event: dict[str, Any]) -> str:
    """An event's JSON as text."""
    return msgspec.json.encode(event).decode()


COMMENT = b": keepalive\n\n"
KEEPALIVE_EVENT = write("keepalive", b'{"type":"keepalive"}')
"""Codex counts only JSON events as life; other clients may throw at a type they do not know."""
