"""One connection to an upstream: a request goes out, its answer comes in, no task, no queue.

What is left out is what a relay has no use for: redirects, cookies, form encoding, tracing. A
small part of the CPU of ``ClientSession.request`` (docs/benchmarks.md).
"""

import asyncio
from collections.abc import Callable

from attrs import frozen

from lb.adapters.outbox import Outbox, Outgoing
from lb.core.body import Source
from lb.core.http1 import Reader
from lb.core.http1_head import Garbled, Head

READ_BYTES = 256 << 10
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


class HungUpError(ConnectionError):
    """The connection was closed before an answer began."""


class StaleWireError(Exception):
    """A kept connection was closed before any of the answer came: begin a fresh one."""


class CutError(ConnectionError):
    """The connection was closed in the middle of an answer."""


class Wire(asyncio.Protocol):
    """One connection. ``on_data`` is called after each read, in the same turn of the loop.

    ``through``, where somebody set it, is shown what was read as it came, framing and all: if it
    says True, that is dealt with.
    Small requests leave by the ``outbox``, together with others.
    What has come and was not taken is held; beyond READ_BYTES of it nothing more is read.
    """

    __slots__ = (
        "_error",
        "_held",
        "_late_at",
        "_loop",
        "_outbox",
        "_pieces",
        "_reader",
        "_rings_at",
        "_size",
        "_stopped",
        "_timer",
        "_transport",
        "_waiter",
        "heard",
        "idle_since",
        "on_data",
        "target",
        "through",
        "used",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, target: Target, outbox: Outbox) -> None:
        self._loop = loop
        self._outbox = outbox
        self._reader = Reader()
        self._transport: Outgoing | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._held = False  # by who does not take what comes
        self._stopped = False
        self._late_at = 0.0  # of the answer that is waited for, by the loop's clock; 0: of none
        self._rings_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.target = target
        self.on_data: Callable[[], None] | None = None
        self.through: Callable[[bytes], bool] | None = None
        self.idle_since = 0.0
        self.heard = False  # whether anything of the present answer has come
        self.used = False  # whether it has served a request before

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = Outgoing(transport, self._outbox)

    def data_received(self, data: bytes) -> None:
        """Take off the framing; tell who waits, or who splices."""
        through = self.through
        if through is not None and through(data):
            return
        self.heard = True
        try:
            piece = self._reader.feed(data)
        except Garbled as error:
            self._fail(error)
            self._cut()
            return
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size > READ_BYTES:
                self._flow()
        if self.on_data is not None:
            self.on_data()
        elif self._waiter is not None:
            self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits is told; who splices, too."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if not self._reader.end():
            begun = self._reader.head is not None
            self._fail(exc or (CutError() if begun else HungUpError()))
            return
        if self.on_data is not None:
            self.on_data()
        self._tell()

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        if self.on_data is not None:
            self.on_data()
        self._tell()

    def _tell(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, method: str, head: bytes, body: Source, head_s: float) -> Head:
        """Send a request; the head of the answer, within ``head_s`` seconds.

        Raises: TimeoutError, OSError, Garbled, StaleWireError; the connection is cut then.
        """
        transport, reader = self._transport, self._reader
        if transport is None or transport.is_closing():
            raise StaleWireError if self.used else HungUpError
        self.heard = False
        reader.begin(method)
        self._outbox.asking += 1
        try:
            if len(body) <= INLINE_BODY_BYTES:
                transport.write_soon(head + body)
            else:
                transport.write(head)
                transport.write(body)
            self._expect(head_s)
            while reader.head is None and self._error is None:
                self._waiter = self._loop.create_future()
                await self._waiter
        except BaseException:
            self.abort()
            raise
        finally:
            self._outbox.asking -= 1
            self._late_at, self._waiter = 0.0, None
        if reader.head is not None:
            return reader.head
        self.abort()
        if isinstance(self._error, ConnectionError) and self.used and not self.heard:
            raise StaleWireError
        raise self._error or HungUpError

    def _expect(self, head_s: float) -> None:
        """An answer is late in ``head_s`` seconds.

        Most are not, so one timer serves many: it looks when it rings whether it was meant.
        """
        self._late_at = self._loop.time() + head_s
        if self._timer is not None and self._late_at < self._rings_at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._set(self._late_at)

    def _set(self, at: float) -> None:
        self._rings_at = at
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._late_at > self._rings_at:
            self._set(self._late_at)
        elif self._late_at:
            self._fail(TimeoutError())

    def take(self) -> bytes:
        """What of the body has come, without waiting.

        Raises: OSError, Garbled when no more will.
        """
        pieces = self._pieces
        if not pieces:
            if self._error is not None and not self._reader.done():
                raise self._error
            return b""
        self._pieces = []
        self._size = 0
        if self._stopped:
            self._flow()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def chunk(self) -> bytes:
        """What of the body comes next; empty at the end. Raises: as ``take``."""
        while not (piece := self.take()) and not self._reader.done():
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return piece

    def between_chunks(self) -> bool:
        """Whether all that came was taken, and a chunk is what comes next."""
        return not self._pieces and self._reader.between_chunks()

    def at_end(self) -> bool:
        """Whether the answer is read to its end."""
        return self._reader.done() and not self._pieces

    def is_open(self) -> bool:
        """Whether it looks alive."""
        return self._transport is not None and not self._transport.is_closing()

    def keeps(self) -> bool:
        """Whether it can serve again, now that its answer is read."""
        return self.is_open() and self._error is None and self._reader.keeps

    def is_writing(self) -> bool:
        """Whether part of the request is still to leave: it was answered before it was heard."""
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def hold(self) -> None:
        """Read no more for the time being: nobody takes it."""
        self._held = True
        self._flow()

    def go_on(self) -> None:
        """Read on."""
        self._held = False
        self._flow()

    def _flow(self) -> None:
        stop = self._held or self._size > READ_BYTES
        if stop != self._stopped and self.is_open() and self._transport is not None:
            self._stopped = stop
            if stop:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def close(self) -> None:
        """End it in good order."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut it: nobody wants the rest."""
        self._pieces, self._size = [], 0
        self._cut()
