"""HTTP/1.1 answers, bytes in and bytes out: a head, then a body without its framing.

Strict where two readers could differ (lengths, chunks), patient where they cannot (a lone LF ends a
line, a field may be folded). A run of chunks costs one search each and one join, so that a stream
of many small events is not taken apart in calls. Sources: RFC 9112 (2.2, 5, 6, 7), RFC 9110.
"""

import re
from enum import Enum

from lb.core.http1_head import Garbled, Head, blank_in, keeps, read
from lb.core.remembered import Remembered, shorter_than

HEAD_BYTES = 64 << 10
MANY_BYTES = 1 << 10  # of chunks at once, from which on they are parted in one go
LINE_BYTES = 4 << 10  # of a chunk's size with its extensions; they have no use here
TRAILER_BYTES = 16 << 10
MOST_INTERIM = 16  # heads of 1xx before the answer's own
_BODILESS = frozenset({204, 304})
_BETWEEN = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})\r\n")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")


class Part(Enum):
    """What of an answer is to come next."""

    HEAD = "head"
    LENGTH = "length"
    CHUNKS = "chunks"
    TRAILER = "trailer"
    CLOSE = "close"  # the body ends with the connection
    DONE = "done"


_HEAD, _LENGTH, _CHUNKS, _TRAILER, _CLOSE, _DONE = Part
"""By names of their own: Python 3.11 looks a member of an Enum up in a dozen steps."""


class Reader:
    """Reads the answers of one connection, one after the other, each begun by ``begin``.

    ``head`` is None until it has come; ``keeps`` whether the connection may serve again once this
    answer is ``done``.
    """

    __slots__ = ("_bodiless", "_interim", "_left", "_part", "_rest", "head", "keeps")

    def __init__(self) -> None:
        self.head: Head | None = None
        self.keeps = True
        self._part = _DONE
        self._rest = b""
        self._left = 0
        self._bodiless = False
        self._interim = 0

    def begin(self, method: str) -> None:
        """An answer to a ``method`` is expected."""
        self.head = None
        self._part = _HEAD
        self._interim = 0
        self._bodiless = method == "HEAD"

    def done(self) -> bool:
        """Whether the answer has come to its end."""
        return self._part is _DONE

    def between_chunks(self) -> bool:
        """Whether what comes next is a chunk from its first byte on, or the last."""
        return self._part is _CHUNKS and not self._left and not self._rest

    def feed(self, data: bytes) -> bytes:
        """What of the body came with ``data``. Raises: Garbled."""
        part = self._part
        if part is _CHUNKS:
            return self._chunks(data)
        if part is _LENGTH:
            return self._counted(data)
        if part is _CLOSE:
            return data
        if part is _HEAD:
            return self._begun(data)
        if part is _TRAILER:
            self._trailer(data)
        elif data:
            self.keeps = False  # more than was asked for
        return b""

    def end(self) -> bool:
        """The connection was closed: whether the answer is whole, as one is that ends with it."""
        self.keeps = False
        if self._part is _CLOSE:
            self._part = _DONE
        return self._part is _DONE

    def _begun(self, data: bytes) -> bytes:
        start = max(0, len(self._rest) - 3)
        data = self._rest + data if self._rest else data
        blank, end = blank_in(data, start)
        if (end or len(data)) > HEAD_BYTES:
            raise Garbled("a head that does not end")
        if not end:
            self._rest = data
            return b""
        self._rest = b""
        version, head = read(data[:blank])
        if 100 <= head.status < 200:  # the answer itself is still to come
            self._interim += 1
            if head.status == 101 or self._interim > MOST_INTERIM:
                raise Garbled("another protocol, or no answer but promises of one")
            return self._begun(data[end:])
        self.head = head
        self.keeps = keeps(version, head.headers)
        self._frame(head)
        return self.feed(data[end:]) if end < len(data) else b""

    def _frame(self, head: Head) -> None:
        """How the body ends. Source: RFC 9112, 6.3."""
        coding, length = head.headers.get("transfer-encoding"), head.headers.get("content-length")
        if self._bodiless or head.status in _BODILESS:
            self._part = _DONE
        elif coding is not None:
            if coding.strip().lower() != "chunked":
                raise Garbled("a transfer coding nobody asked for")
            self.keeps = self.keeps and length is None
            self._left, self._part = 0, _CHUNKS
        elif length is not None:
            if not (length.isascii() and length.isdigit() and len(length) <= 18):
                raise Garbled("a length that is no number")
            self._left = int(length)
            self._part = _LENGTH if self._left else _DONE
        else:
            self.keeps, self._part = False, _CLOSE

    def _counted(self, data: bytes) -> bytes:
        if len(data) < self._left:
            self._left -= len(data)
            return data
        if len(data) > self._left:
            self.keeps = False  # more than was asked for
            data = data[: self._left]
        self._left, self._part = 0, _DONE
        return data

    def _chunks(self, data: bytes) -> bytes:
        """The payload of the chunks in ``data``; ``_left`` is what a chunk lacks, its CRLF too."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        elif not self._left and (begin := alone(data)):
            return data[begin:-2]
        size = len(data)
        pieces: list[bytes] = []
        at = self._gone_on(data, pieces) if self._left else 0
        if size - at > MANY_BYTES:
            at = _many(data, at, pieces)
        while at < size:
            line = _SIZE.match(data, at)
            if line is None:
                self._rest = self._unfinished(data, at)
                break
            length, at = int(line[1], 16), line.end()
            if not length:
                self._part = _TRAILER
                self._trailer(b"\n" + data[at:])
                break
            end = at + length
            if end + 2 > size:
                pieces.append(data[at:end])
                self._left, self._rest = (end + 2 - size, b"") if end > size else (2, data[end:])
                break
            pieces.append(data[at:end])
            at = end + 2 if data.startswith(b"\r\n", end) else self._after(data, end)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _gone_on(self, data: bytes, pieces: list[bytes]) -> int:
        """Add the rest of a chunk to ``pieces``; where it ends, or ``data`` does."""
        size, payload = len(data), self._left - 2
        if size <= payload:
            self._left -= size
            pieces.append(data)
            return size
        if payload:
            pieces.append(data[:payload])
        if size < self._left:
            self._left, self._rest = 2, data[payload:]
            return size
        self._left = 0
        return self._after(data, payload)

    @staticmethod
    def _after(data: bytes, end: int) -> int:
        if not data.startswith(b"\r\n", end):
            raise Garbled("a chunk of another length than it said")
        return end + 2

    @staticmethod
    def _unfinished(data: bytes, at: int) -> bytes:
        """The beginning of a size, whose end is still to come."""
        rest = data[at:]
        if b"\n" in rest or len(rest) > LINE_BYTES or not _BEGUN.fullmatch(rest):
            raise Garbled("a chunk without a size")
        return rest

    def _trailer(self, data: bytes) -> None:
        """Fields after the last chunk, up to a blank line: nobody here wants them."""
        data = self._rest + data
        _, end = blank_in(data, 0)
        if not end:
            if len(data) > TRAILER_BYTES:
                raise Garbled("a trailer that does not end")
            self._rest = data
            return
        self._rest, self._part = b"", _DONE
        if end < len(data):
            self.keeps = False  # more than was asked for


def alone(data: bytes) -> int:
    """Where the payload begins if ``data`` is one whole chunk, as most reads are; else 0."""
    begin = data.find(b"\r\n") + 2
    whole = 0 < _lengths[data[: begin - 2]] == len(data) - begin - 2 and data.endswith(b"\r\n")
    return begin if whole else 0


def _many(data: bytes, at: int, pieces: list[bytes]) -> int:
    """Add the chunks from ``at`` on to ``pieces``, all but the last; where the last begins.

    They are parted at what looks like a size between two line ends, in one go, and that is believed
    only if each is as long as it says; else nothing is added: half the time of one after the other.
    """
    first = _SIZE.match(data, at)
    if first is None:
        return at
    parts = _BETWEEN.split(data[first.end() :])
    chunks, sizes = parts[:-1:2], parts[1:-2:2]
    lengths = [*map(len, chunks)]
    if 0 in lengths or lengths != [_lengths[size] for size in (first[1], *sizes)][: len(chunks)]:
        return at
    if not chunks:
        return at
    pieces += chunks
    return len(data) - len(parts[-1]) - 2 - len(parts[-2])


def _length(size: bytes) -> int:
    return int(size, 16) if _HEX.fullmatch(size) else -1


_HEX = re.compile(rb"[0-9A-Fa-f]{1,15}")
_lengths: Remembered[bytes, int] = Remembered(_length, 2048, shorter_than(16))
_BEGUN = re.compile(rb"[0-9A-Fa-f]{1,15}[ \t]*(?:\r|;[^\n]*)?")
