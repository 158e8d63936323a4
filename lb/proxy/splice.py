"""The fast way through: frames go from the upstream's socket to the client's in the same turn.

No task, no await and no queue an event: what has been read is cut into whole frames, watched by the
tap, and written. Most reads are one chunk of whole frames, and go on as they came (``_through``).
Reading pauses while the client does not take what it was given. The slow way (``Stream.next`` and
``Sink.write``) serves everything else; all share the cutter and the tap.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from lb.adapters.answers import WireAnswer
from lb.adapters.faults import problem_of
from lb.adapters.outbox import direct
from lb.core.errors import Problem, broken
from lb.core.http1 import alone
from lb.core.http1_head import Garbled
from lb.core.tap import DELTA, ENDED, Garbage
from lb.proxy.pulse import Pulse
from lb.proxy.replies import send
from lb.proxy.sinks import Sink, StreamSink
from lb.proxy.stream import Stream


class Splice:
    """One stream, from where content began to its terminal frame.

    ``on_reading`` is given a run in which the upstream told of its quota, and gives back what the
    client is to see of it.
    """

    __slots__ = (
        "_answer",
        "_client_left",
        "_deltas",
        "_done",
        "_draining",
        "_finds",
        "_idle",
        "_last",
        "_loop",
        "_on_reading",
        "_protocol",
        "_pulse",
        "_read_at",
        "_send_on",
        "_stream",
        "_transport",
        "last_run",
    )

    def __init__(
        self,
        stream: Stream,
        answer: WireAnswer,
        request: web.Request,
        on_reading: Callable[[bytes], bytes],
        pulse: Pulse,
    ) -> None:
        self._stream = stream
        self._answer = answer
        self._protocol = request.protocol
        self._transport = request.transport
        self._on_reading = on_reading
        self._pulse = pulse
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._idle: asyncio.TimerHandle | None = None
        self._read_at = self._loop.time()
        self._draining: asyncio.Task[None] | None = None
        self.last_run = b""

    async def run(self) -> None:
        """Until the answer has ended; ``last_run`` holds its end, which is not yet written.

        Raises: Problem when it is cut, falls silent or is garbage.
        """
        self._idle = self._loop.call_later(self._stream.idle_s, self._silent)
        wire = self._answer.wire
        wire.on_data = self._on_data
        try:
            self._on_data()
            await self._done
        finally:
            self._look_again()
            wire.on_data = None
            self._idle.cancel()
            if self._draining is not None:
                self._draining.cancel()
                wire.go_on()  # who reads on is no longer this client

    def _on_data(self) -> None:
        if self._done.done():
            return
        try:
            self._take()
        except Problem as problem:
            self._done.set_exception(problem)
        except Garbage:
            self._done.set_exception(broken("sent something that is no event"))
        except (OSError, Garbled) as error:
            self._done.set_exception(problem_of(error, self._answer.origin))

    def _take(self) -> None:
        wire, tap = self._answer.wire, self._stream.tap
        self._look_again()
        if chunk := wire.take():
            self._read_at = self._loop.time()
            run = self._stream.cut(chunk)
            if tap.readings:
                run = self._on_reading(run)
            if tap.phase is ENDED:
                self.last_run = run
                self._done.set_result(None)
                return
            if run:
                self._write(run)
        if wire.at_end():
            self.last_run = self._stream.last_words()
            self._done.set_result(None)
        elif wire.between_chunks() and (finds := self._stream.finder()):
            self._look_away(finds)

    def _look_away(self, finds: Callable[[bytes], object]) -> None:
        """Let chunks go through, until one of them holds more than ``finds`` lets by.

        Between two events of a quiet stream a processor forgets: what ``_through`` needs is near at
        hand, since each object it would have to fetch costs more than its look at the text.
        """
        if self._transport is not None:
            transport = direct(self._transport)
            self._send_on, self._client_left = transport.write, transport.is_closing
            self._finds, self._last, self._deltas = finds, b"", 0
            self._answer.wire.through = self._through

    def _look_again(self) -> None:
        """No longer let chunks through; tell the tap of those that went."""
        wire = self._answer.wire
        if wire.through is not None:
            wire.through = None
            if self._last:
                self._stream.tap.passed(self._last, self._deltas)

    def _through(self, data: bytes) -> bool:
        """One chunk of whole frames of which none matters goes on as it came.

        True where it went; all else is for ``_take``.
        """
        finds, client_left, send_on = self._finds, self._client_left, self._send_on
        if not alone(data) or not data.endswith(b"\n\n\r\n") or finds(data) or client_left():
            return False
        send_on(data)
        self._deltas += data.count(DELTA)
        self._last = data
        self._pulse.wrote_at = self._read_at = self._loop.time()
        if self._protocol.writing_paused:
            self._pause()
        return True

    def _write(self, run: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return  # the client left: the handler is cancelled any moment
        send(transport, b"%x\r\n" % len(run), run, b"\r\n")
        self._pulse.wrote(self._read_at)
        if self._protocol.writing_paused:
            self._pause()

    def _pause(self) -> None:
        """The client does not take what it was given: read no more until it does."""
        if self._draining is None:
            self._pulse.writing()
            self._answer.wire.hold()
            self._draining = self._loop.create_task(self._drained())

    async def _drained(self) -> None:
        """Read on once the client has taken what it was given."""
        try:
            await self._protocol._drain_helper()  # noqa: SLF001  # what its own writers await
        except ConnectionError:
            return
        self._draining = None
        self._pulse.wrote()
        self._read_at = self._loop.time()
        self._answer.wire.go_on()
        self._on_data()

    def _silent(self) -> None:
        silent_s = self._loop.time() - self._read_at
        idle_s = self._stream.idle_s
        if silent_s < idle_s or self._draining is not None:
            wait_s = max(0.05, idle_s - silent_s)
            self._idle = self._loop.call_later(wait_s, self._silent)
        elif not self._done.done():
            self._done.set_exception(
                broken(f"sent nothing for {idle_s:.0f} s", "upstream_idle", 504)
            )


def spliced(
    stream: Stream, sink: Sink, on_reading: Callable[[bytes], bytes], pulse: Pulse
) -> Splice | None:
    """A splice where both ends are plain HTTP/1.1; None where the slow way has to do."""
    if not isinstance(sink, StreamSink) or not isinstance(stream.answer, WireAnswer):
        return None
    if stream.ended or not sink.spliceable:
        return None
    return Splice(stream, stream.answer, sink.request, on_reading, pulse)
