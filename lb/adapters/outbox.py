"""What is written in one turn of the event loop leaves together at its end.

A write wakes whoever sleeps at the other end of a connection, and that costs more than the write.
While many requests are under way their writes therefore leave one right behind the other, so that
a reader is woken once for several of them; without that a small request cost a sixth more CPU than
it does (docs/benchmarks.md). Where few are under way, a write leaves at once: nobody waits for
company that does not come.
"""

import asyncio
from typing import Any, Final, cast

import structlog

_log = structlog.get_logger()
FEW: Final = 4  # requests under way: with fewer, nothing is held back
LARGE_BYTES: Final = 64 << 10  # what is larger is not copied, and leaves at once


class Outbox:
    """The writes of the present turn. ``asking`` requests wait for the head of their answer."""

    __slots__ = ("_waiting", "asking")

    def __init__(self) -> None:
        self.asking = 0
        self._waiting: list[Outgoing] = []

    def add(self, transport: "Outgoing") -> None:
        """``transport`` holds something back until the end of the turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._send)
        self._waiting.append(transport)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport in waiting:
            try:
                transport.flush()
            except Exception:  # noqa: BLE001  # the others' writes leave all the same
                _log.exception("unexpected", after="a write")
                transport.abort()


class Outgoing:
    """A transport that can hold a write back; to all else it is the ``transport`` itself.

    What is held back leaves before anything that is written after it, and before the end.
    """

    __slots__ = ("_held", "_outbox", "innermost", "is_closing")

    def __init__(self, transport: asyncio.BaseTransport, outbox: Outbox) -> None:
        self.innermost = cast("asyncio.Transport", transport)
        self._outbox = outbox
        self._held = b""
        self.is_closing = transport.is_closing  # asked several times a request

    def __getattr__(self, name: str) -> Any:
        return getattr(self.innermost, name)

    def write_soon(self, data: bytes) -> None:
        """Write ``data``, at the end of this turn at the latest."""
        if self._held:
            self.flush()
        if self._outbox.asking < FEW or len(data) > LARGE_BYTES:
            self.innermost.write(data)
        else:
            self._held = data
            self._outbox.add(self)

    def flush(self) -> None:
        """What is held back leaves now."""
        data, self._held = self._held, b""
        if data and not self.is_closing():
            self.innermost.write(data)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write ``data`` now."""
        if self._held:
            self.flush()
        self.innermost.write(data)

    def writelines(self, pieces: list[bytes]) -> None:
        """Write all ``pieces`` now."""
        self.flush()
        self.innermost.writelines(pieces)

    def get_write_buffer_size(self) -> int:
        """How many bytes are still to leave."""
        return len(self._held) + self.innermost.get_write_buffer_size()

    def write_eof(self) -> None:
        """Nothing more will be written."""
        self.flush()
        self.innermost.write_eof()

    def close(self) -> None:
        """End the connection once all has left."""
        self.flush()
        self.innermost.close()

    def abort(self) -> None:
        """Cut the connection: what is held back is lost."""
        self._held = b""
        self.innermost.abort()


def outgoing(transport: asyncio.BaseTransport, outbox: Outbox) -> asyncio.Transport:
    """``transport`` as a protocol is to know it."""
    return cast("asyncio.Transport", Outgoing(transport, outbox))


def direct(transport: asyncio.WriteTransport) -> asyncio.WriteTransport:
    """What ``transport`` writes to, for a writer that for a while is the only one."""
    if isinstance(transport, Outgoing):
        transport.flush()
        return transport.innermost
    return transport


def write_soon(transport: asyncio.WriteTransport, data: bytes) -> None:
    """Write ``data`` by the end of this turn where ``transport`` can, else now."""
    if isinstance(transport, Outgoing):
        transport.write_soon(data)
    else:
        transport.write(data)
