"""HTTP answers to clients, written to the transport in as few writes as there can be.

aiohttp's own responses see to cookies, compression, signals and payloads of many types, none of
which an answer here has; that costs a quarter of what its server costs in all. Errors and the
dashboard use them as they are: only what is relayed comes this way.
"""

import asyncio

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time

from lb.adapters.outbox import LARGE_BYTES, write_soon

_LAST = b"0\r\n\r\n"


def send(
    transport: asyncio.WriteTransport,
    *pieces: bytes | bytearray | memoryview,
    soon: bool = False,
) -> int:
    """Write ``pieces``, in one write unless they are large; how many bytes they are.

    ``soon``: by the end of this turn, with what others write. Not by ``writelines``: asyncio's does
    not tell who writes too much (CVE-2024-12254).
    """
    size = sum(map(len, pieces))
    if size > LARGE_BYTES:  # handed over as they are, not copied
        for piece in pieces:
            transport.write(piece)
    elif soon:
        write_soon(transport, b"".join(pieces))
    else:
        transport.write(b"".join(pieces))
    return size


class Reply(web.StreamResponse):
    """A 200 with ``told`` as its headers: of one ``body``, or chunk by chunk where that is None.

    The head leaves with the first piece of the body. No signal of aiohttp's asks others for more
    headers: ``told`` is all.
    """

    def __init__(self, told: dict[str, str], body: bytes | None = None) -> None:
        super().__init__()
        self.told = told
        self._whole = body
        self._asked: web.BaseRequest | None = None
        self._begun = False
        self._chunks = body is None

    @property
    def whole(self) -> bytes:
        """The body, if it is one piece."""
        return self._whole or b""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Know whose answer it is. Nothing is written yet."""
        if self._asked is None and not self._eof_sent:
            self._asked = request
            one = request.version >= HttpVersion11
            self._chunks = self._chunks and one
            if self._keep_alive is None:
                # without chunks only the end of the connection can end a stream
                self._keep_alive = request.keep_alive and (one or self._whole is not None)
        return None

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a piece. Raises: ConnectionResetError when the client has left."""
        if not data:
            return  # an empty chunk would be the end
        if self._chunks:
            await self._send(b"%x\r\n" % len(data), data, b"\r\n")
        else:
            await self._send(data)

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Send the last piece, and the end. Raises: ConnectionResetError."""
        if self._eof_sent:
            return
        self._eof_sent = True
        if self._whole is not None:
            await self._send(self._whole, last=True)
        elif not self._chunks:
            await self._send(data, last=True)
        elif data:
            await self._send(b"%x\r\n" % len(data), data, b"\r\n", _LAST, last=True)
        else:
            await self._send(_LAST, last=True)
        self._asked = None  # a request that knows its own answer is left to the collector

    async def _send(self, *pieces: bytes | bytearray | memoryview, last: bool = False) -> None:
        request = self._asked
        transport = None if request is None else request.transport
        if request is None or transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        if not self._begun:
            self._begun = True
            pieces = (self._head(request), *pieces)
        request.writer.output_size += send(transport, *pieces, soon=last)
        if request.protocol.writing_paused:
            await request.protocol._drain_helper()  # noqa: SLF001  # what its own writers await

    def _head(self, request: web.BaseRequest) -> bytes:
        """Raises: ValueError when a header would break out of its line."""
        lines = [f"HTTP/{request.version.major}.{request.version.minor} 200 OK\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in self.told.items()]
        if self._whole is not None:
            lines.append(f"Content-Length: {len(self._whole)}\r\n")
        elif self._chunks:
            lines.append("Transfer-Encoding: chunked\r\n")
        if not self._keep_alive:
            lines.append("Connection: close\r\n")
        elif request.version < HttpVersion11:
            lines.append("Connection: keep-alive\r\n")
        lines.append(f"Date: {rfc822_formatted_time()}\r\n\r\n")
        head = "".join(lines)
        if not head.count("\n") == head.count("\r") == len(lines) + 1:
            raise ValueError("a header holds a line break")
        return head.encode("utf-8", "surrogateescape")
