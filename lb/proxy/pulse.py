"""Keeps a quiet answer alive, and gives up on a client that does not read.

One timer an answer; on the fast path it is set and cancelled, nothing more.
"""

import asyncio
from types import TracebackType
from typing import Self

from lb.proxy.sinks import Sink

STALLED_S = 60.0  # a client that takes nothing for this long is cut, and its upstream with it


class Pulse:
    """While inside: a keep-alive after every ``interval_s`` seconds of silence.

    ``wrote_at``: when something was written last, by the loop's clock.
    """

    __slots__ = ("_beat", "_interval_s", "_loop", "_sink", "_timer", "_writing_since", "wrote_at")

    def __init__(self, sink: Sink, interval_s: float) -> None:
        self._sink = sink
        self._interval_s = interval_s
        self._loop = asyncio.get_running_loop()
        self.wrote_at = self._loop.time()
        self._writing_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        """Start counting."""
        self._timer = self._loop.call_later(self._interval_s, self._due)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop."""
        if self._timer is not None:
            self._timer.cancel()
        if self._beat is not None:
            self._beat.cancel()

    def writing(self) -> None:
        """A write begins."""
        self._writing_since = self._loop.time()

    def wrote(self, now: float | None = None) -> None:
        """The write was taken, just ``now`` by the loop's clock."""
        self._writing_since = 0.0
        self.wrote_at = self._loop.time() if now is None else now

    async def settled(self) -> None:
        """Until a beat that is under way is through: two never start one answer."""
        if self._beat is not None and not self._beat.done():
            await asyncio.wait({self._beat})

    def _due(self) -> None:
        now = self._loop.time()
        wait_s = self._interval_s
        if self._writing_since:
            if now - self._writing_since >= STALLED_S:
                self._sink.abort()
                return
        elif now - self.wrote_at >= self._interval_s * 0.999:
            if self._beat is None or self._beat.done():
                self._beat = self._loop.create_task(self._write())
        else:
            wait_s = self.wrote_at + self._interval_s - now
        self._timer = self._loop.call_later(wait_s, self._due)

    async def _write(self) -> None:
        try:
            await self._sink.keepalive()
            self.wrote_at = self._loop.time()
        except (ConnectionError, RuntimeError):
            return  # the client left; the handler is told by its own cancellation
