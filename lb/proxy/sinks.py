"""Where an answer goes: an HTTP event stream, or a WebSocket. One delivery serves both."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from aiohttp import HttpVersion11, web

from lb.core import sse
from lb.core.errors import Problem
from lb.core.formats.responses import NATIVE
from lb.core.formats.voice import Encoder, Voice
from lb.core.tap import Tap
from lb.proxy.replies import Reply

STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}
TURN_STATE = "x-codex-turn-state"
_KEEPALIVE = '{"type":"keepalive"}'


class Sink(Protocol):
    """What takes an answer's frames."""

    @property
    def started(self) -> bool:
        """Once a failure can no longer be told as a status."""
        ...

    async def start(self, headers: Mapping[str, str]) -> None:
        """The head of the answer, before its first frame."""
        ...

    async def write(self, run: bytes) -> None:
        """A run of whole frames; returns once the client has room for more."""
        ...

    async def keepalive(self) -> None:
        """A sign of life, never inside a frame."""
        ...

    async def fail(self, problem: Problem, tap: Tap | None) -> None:
        """The last frame of an answer that cannot go on, under its own id and number."""
        ...

    async def end(self, last_run: bytes = b"") -> None:
        """Nothing more comes after ``last_run``."""
        ...

    def abort(self) -> None:
        """Cut a client that does not read."""
        ...


def last_frame(problem: Problem, tap: Tap | None) -> bytes:
    """``response.failed`` for an answer that cannot go on."""
    if tap is None:
        return problem.frame()
    return problem.frame(tap.response_id, tap.next_sequence_number())


class StreamSink:
    """An HTTP answer of server-sent events. Its first keep-alive sends the head (status 200)."""

    def __init__(self, request: web.Request, headers: Mapping[str, str], *, codex: bool) -> None:
        self.request = request
        self.response = Reply({**STREAM_HEADERS, **headers})
        self._keepalive = sse.KEEPALIVE_EVENT if codex else sse.COMMENT
        self.started = False

    async def start(self, headers: Mapping[str, str]) -> None:
        """The head, which leaves with the first run, unless a keep-alive had to send it."""
        if not self.started:
            self.started = True
            self.response.told.update(headers)
            await self.response.prepare(self.request)

    async def write(self, run: bytes) -> None:
        """Byte for byte."""
        await self.response.write(run)

    @property
    def spliceable(self) -> bool:
        """Whether the body is chunked, so that frames may be written to the transport itself."""
        return self.request.version >= HttpVersion11

    async def keepalive(self) -> None:
        """A comment; for Codex an event, since it counts nothing else as life."""
        await self.start({})
        await self.response.write(self._keepalive)

    async def fail(self, problem: Problem, tap: Tap | None) -> None:
        """``response.failed``."""
        await self.response.write(last_frame(problem, tap))
        await self.end()

    async def end(self, last_run: bytes = b"") -> None:
        """End the body."""
        await self.response.write_eof(last_run)

    def abort(self) -> None:
        """Drop the connection."""
        if self.request.transport is not None:
            self.request.transport.abort()


class SocketSink:
    """A WebSocket: each event is one text frame of its JSON. Keep-alives commit to nothing."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket = socket
        self._request = request
        self._lock = asyncio.Lock()
        self.started = False

    async def start(self, headers: Mapping[str, str]) -> None:
        """Codex hears of the turn state in an event; no other header has a place here."""
        self.started = True
        if state := headers.get(TURN_STATE):
            told = sse.dumps({"type": "response.metadata", "headers": {TURN_STATE: state}})
            await self._send(told)

    async def write(self, run: bytes) -> None:
        """The data of each frame, as it came."""
        for frame in sse.frames(run):
            data = sse.read(frame)[1]
            if data and data != b"[DONE]":
                await self._send(data.decode("utf-8", "replace"))

    async def keepalive(self) -> None:
        """A text frame: Codex counts no ping as life."""
        await self._send(_KEEPALIVE)

    async def fail(self, problem: Problem, tap: Tap | None) -> None:
        """``response.failed``: an error frame would make the client drop what it has."""
        await self.write(last_frame(problem, tap))

    async def end(self, last_run: bytes = b"") -> None:
        """The socket stays for the next turn."""
        await self.write(last_run)

    def abort(self) -> None:
        """Drop the connection."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _send(self, text: str) -> None:
        async with self._lock:
            await self._socket.send_str(text)


class VoicedSink:
    """Another sink, its client answered in a way of its own: the slow way, run by run."""

    def __init__(self, sink: Sink, encoder: Encoder) -> None:
        self._sink = sink
        self._encoder = encoder

    @property
    def started(self) -> bool:
        """As the other one."""
        return self._sink.started

    async def start(self, headers: Mapping[str, str]) -> None:
        """As the other one."""
        await self._sink.start(headers)

    async def write(self, run: bytes) -> None:
        """What the run is in the client's words; may be nothing yet."""
        if told := self._encoder.feed(run):
            await self._sink.write(told)

    async def keepalive(self) -> None:
        """As the other one."""
        await self._sink.keepalive()

    async def fail(self, problem: Problem, tap: Tap | None) -> None:
        """The last word, in the client's own."""
        tap = tap or Tap()
        number = tap.next_sequence_number()
        await self._sink.end(self._encoder.failed(problem, tap.response_id, number))

    async def end(self, last_run: bytes = b"") -> None:
        """The end, in the client's words."""
        await self._sink.end(self._encoder.feed(last_run))

    def abort(self) -> None:
        """As the other one."""
        self._sink.abort()


def voiced(sink: Sink, voice: Voice) -> Sink:
    """The sink for answers told in ``voice``; ``sink`` itself where nothing is to be altered."""
    return sink if voice is NATIVE else VoicedSink(sink, voice.encoder())
