"""Connections to upstreams, kept alive and used again; proxies are left to aiohttp's client."""

import asyncio
import socket
import ssl
from functools import lru_cache
from urllib.parse import urlsplit

import aiohappyeyeballs

from lb.adapters.outbox import Outbox
from lb.adapters.wire import Target, Wire

IDLE_S = 20.0  # shorter than the usual server's patience, so that a stale one is rarely used
HAPPY_EYEBALLS_S = 0.25  # RFC 8305


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


class Wires:
    """The idle connections, by origin; the one used last is used next."""

    def __init__(self) -> None:
        self.outbox = Outbox()
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
            if wire.keeps() and now - wire.idle_since < IDLE_S:
                return wire
            wire.close()
        return None

    def give_back(self, wire: Wire) -> None:
        """Keep a connection whose answer has been read to the end."""
        wire.on_data = None
        wire.used = True
        if not wire.keeps() or wire.is_writing():
            wire.abort()
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
                    lambda: Wire(loop, target, self.outbox),
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
            kept = [w for w in idle if w.keeps() and now - w.idle_since < IDLE_S]
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
    if not head.count("\n") == head.count("\r") == len(lines) + 2:  # the first line is two
        message = "a header holds a line break"
        raise ValueError(message)
    return head.encode("utf-8", "surrogateescape")
