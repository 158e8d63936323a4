"""Connections to upstreams, kept alive and used again: HTTP/1.1 without a task or a queue an event.

The protocol and the parser are aiohttp's (llhttp); what is left out is what a relay has no use for:
redirects, cookies, form encoding, tracing, a response object. About a third of the CPU of
``ClientSession.request`` (docs/benchmarks.md). Accounts behind a proxy go through aiohttp's client.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

import aiohappyeyeballs
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from attrs import frozen

HEADER_BYTES = 64 << 10
READ_BYTES = 256 << 10
IDLE_S = 20.0  # shorter than the usual server's patience, so that a stale one is rarely used
HAPPY_EYEBALLS_S = 0.25  # RFC 8305
INLINE_BODY_BYTES = 16 << 10  # a small body leaves in one write with its head


@frozen
class Target:
    """Where a URL leads: ``origin`` is what is up or down together."""

    origin: str
    host: str
    port: int
    tls: bool
    host_header: str
    path: str


@lru_cache(maxsize=4096)
def target_of(url: str) -> Target:
    """The parts of ``url``. Raises: ValueError for what is no HTTP URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = f"no HTTP URL: {url[:200]}"
        raise ValueError(message)
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(f"{parts.scheme}://{parts.netloc}", parts.hostname, port, tls, parts.netloc, path)


class ConnectError(Exception):
    """The host was not reached; ``__cause__`` says why."""


class StaleWireError(Exception):
    """A kept connection was closed before any of the answer came: begin a fresh one."""


class Wire(ResponseHandler):
    """One connection. ``on_data`` is called after each read, in the same turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: Target) -> None:
        super().__init__(loop)
        self.target = target
        self.on_data: Callable[[], None] | None = None
        self.idle_since = 0.0
        self.heard = False  # whether anything of the present answer has come
        self.used = False  # whether it has served a request before
        self.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=READ_BYTES,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )

    def data_received(self, data: bytes) -> None:
        """Parse, and tell who splices.

        Without data it is the reader's own call to parse what was held back: it is reading already.
        """
        super().data_received(data)
        if data:
            self.heard = True
            if self.on_data is not None:
                self.on_data()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Whoever waits is told; who splices, too."""
        super().connection_lost(exc)
        if self.on_data is not None:
            self.on_data()

    def expire(self) -> None:
        """The answer is late: whoever waits for it gets a TimeoutError."""
        self.set_exception(TimeoutError())

    async def ask(
        self, head: bytes, body: bytes, head_s: float
    ) -> tuple[RawResponseMessage, StreamReader]:
        """Send a request; the head of the answer and its body to come, within ``head_s`` seconds.

        Raises: TimeoutError, OSError, aiohttp's client errors.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        self.heard = False
        if len(body) <= INLINE_BODY_BYTES:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        timer = self._loop.call_later(head_s, self.expire)
        try:
            return await self.read()
        finally:
            timer.cancel()


class Wires:
    """The idle connections, by origin; the one used last is used next."""

    def __init__(self) -> None:
        self._idle: dict[str, list[Wire]] = {}
        self._tls: ssl.SSLContext | None = None

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def take(self, target: Target) -> Wire | None:
        """A kept connection that looks alive; None when there is none."""
        idle = self._idle.get(target.origin)
        now = asyncio.get_running_loop().time()
        while idle:
            wire = idle.pop()
            if wire.is_connected() and now - wire.idle_since < IDLE_S:
                return wire
            wire.close()
        return None

    def give_back(self, wire: Wire) -> None:
        """Keep a connection whose answer has been read to the end."""
        wire.on_data = None
        wire.used = True
        if wire.should_close or not wire.is_connected():
            wire.close()
            return
        wire.idle_since = asyncio.get_running_loop().time()
        self._idle.setdefault(wire.target.origin, []).append(wire)

    async def connect(self, target: Target, connect_s: float) -> Wire:
        """A fresh connection, within ``connect_s`` seconds. Raises: ConnectError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(connect_s):
                found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
                sock = await aiohappyeyeballs.start_connection(
                    found, happy_eyeballs_delay=HAPPY_EYEBALLS_S, loop=loop
                )
                _, wire = await loop.create_connection(
                    lambda: Wire(loop, target),
                    sock=sock,
                    ssl=self._context() if target.tls else None,
                    server_hostname=target.host if target.tls else None,
                )
        except (OSError, TimeoutError, ssl.SSLError) as error:
            raise ConnectError from error
        return wire

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def sweep(self) -> None:
        """Close what has been idle for too long."""
        now = asyncio.get_running_loop().time()
        for origin, idle in list(self._idle.items()):
            kept = [w for w in idle if w.is_connected() and now - w.idle_since < IDLE_S]
            for wire in idle:
                if wire not in kept:
                    wire.close()
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]

    def close(self) -> None:
        """Close them all."""
        for idle in self._idle.values():
            for wire in idle:
                wire.close()
        self._idle.clear()


def head_of(method: str, target: Target, headers: dict[str, str], length: int) -> bytes:
    """The head of a request. Raises: ValueError when a header would break out of its line."""
    lines = [f"{method} {target.path} HTTP/1.1\r\nhost: {target.host_header}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    lines.append(f"content-length: {length}\r\n\r\n")
    head = "".join(lines)
    if head.count("\n") != len(headers) + 4 or head.count("\r") != len(headers) + 4:
        message = "a header holds a line break"
        raise ValueError(message)
    return head.encode("utf-8", "surrogateescape")
