"""A client on a WebSocket: many turns on one socket, each through the one failover loop.

The handshake carries no model, so the account is chosen at the first frame, and again at each. The
transcript holds what was said, so that any turn can go to any account, over a socket or over HTTP.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import structlog
from aiohttp import WSMsgType, web
from attrs import define, field
from msgspec.structs import replace

from lb.adapters.ids import new_id, request_id
from lb.core import sse
from lb.core.body import Body
from lb.core.call import Call
from lb.core.error_names import spoken
from lb.core.errors import Blame, Problem, bad_request
from lb.core.formats.responses import NATIVE
from lb.core.rules.anchors import stale_anchor
from lb.core.tap import ENDED
from lb.core.transcript import Transcript, Turn, with_items
from lb.proxy.attempt import NO_PREWARM
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway
from lb.proxy.sinks import SocketSink

MOST_QUEUED = 16  # frames that may wait for the turn before them (OpenAI allows as many responses)
_log = structlog.get_logger()


class TurnSink(SocketSink):
    """A socket sink that also lets the transcript see what was answered."""

    def __init__(self, link: web.WebSocketResponse, request: web.Request, turn: Turn) -> None:
        super().__init__(link, request)
        self._turn = turn

    async def write(self, run: bytes) -> None:
        """The frames, as they came; finished items are kept."""
        if b"output_item.done" in run:
            for frame in sse.frames(run):
                self._turn.saw(sse.read(frame)[1])
        await super().write(run)


@define(eq=False)
class Conversation:
    """One client's socket.

    ``call_of`` prepares a frame's body as the HTTP door would, ``admit`` lets the call in within
    the client's limits, ``on_done`` hears how each turn ended.
    """

    gateway: Gateway
    request: web.Request
    link: web.WebSocketResponse
    call_of: Callable[[Body, str], Awaitable[Call]]
    admit: Callable[[Call], Delivery]
    on_done: Callable[[Delivery, Problem | None], None]
    lane: str = field(factory=lambda: f"ws/{new_id()}")
    transcript: Transcript = field(factory=Transcript)
    session: str = ""
    _frames: asyncio.Queue[str] = field(factory=lambda: asyncio.Queue(MOST_QUEUED))

    async def run(self) -> None:
        """Serve frames until the client leaves. A frame that comes early waits for its turn."""
        turns = asyncio.create_task(self._turns())
        turns.add_done_callback(self._left)
        self.gateway.on_drain.add(self._drain)
        try:
            async for message in self.link:
                if message.type is WSMsgType.TEXT:
                    await self._enqueue(message.data)
                elif message.type is WSMsgType.BINARY:
                    await self._error(bad_request("Send text frames; binary ones are not read."))
        finally:
            turns.cancel()
            await asyncio.gather(turns, return_exceptions=True)

    def _left(self, _: "asyncio.Task[None]") -> None:
        """The last turn is over, however it ended; the handler may be cancelled more than once."""
        self.gateway.on_drain.discard(self._drain)
        self.gateway.dispatch.tries.sockets.leave(self.lane)

    def _drain(self) -> None:
        """Wake the turns, should they wait for a frame: there will be none."""
        with suppress(asyncio.QueueFull):
            self._frames.put_nowait("")

    async def _enqueue(self, frame: str) -> None:
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            await self._error(
                Problem(
                    f"More than {MOST_QUEUED} requests wait on this socket; one at a time.",
                    status=429,
                    type="invalid_request_error",
                    code="websocket_stream_limit_reached",
                    blame=Blame.CLIENT,
                )
            )

    async def _turns(self) -> None:
        while True:
            frame = await self._frames.get()
            if self.gateway.draining:
                await self.link.close(code=1012, message=b"the server restarts")
                return
            try:
                await self._turn(frame)
            except Problem as problem:
                await self._error(problem)
            except ConnectionError:
                return
            except Exception:  # noqa: BLE001  # nothing leaves here as a traceback
                _log.exception("unexpected", path=self.request.path)
                await self._error(Problem("Something went wrong here; the log has the details."))

    async def _turn(self, frame: str) -> None:
        """One ``response.create``. Raises: Problem while nothing of the answer has been sent."""
        body = Body.parse(frame.encode("utf-8", "surrogatepass"))
        if body.get("type") != "response.create":
            raise bad_request("Send frames of type 'response.create'.", "type")
        body.drop("type", told=False)
        previous_id = body.get("previous_response_id") or ""
        turn = self.transcript.turn(body, previous_id)
        if turn is None:
            raise stale_anchor()
        call = await self._call(body, previous_id, turn)
        if body.get("generate") is False:
            await self._warm(call, turn)
        else:
            await self._answer(call, turn)

    async def _call(self, body: Body, previous_id: str, turn: Turn) -> Call:
        whole = with_items(body, turn.asked) if previous_id else body
        call = await self.call_of(whole, request_id(self.gateway.dispatch.clock.now()))
        session = self._session_of(call.ask.session)
        others = tuple((twin, replace(ask, session=session)) for twin, ask in call.others)
        ask = replace(call.ask, session=session)
        call = replace(call, ask=ask, others=others, lane=self.lane, stream=True)
        if not previous_id or not _goes_on(call):
            return call
        body.drop("gateway", told=False)
        for name in _PREPARED:  # they may be of this house by now
            if name in call.body:
                body.put(name, call.body.raw(name))
        return replace(call, increment=body, previous_id=previous_id)

    def _session_of(self, told: str) -> str:
        """Its own word, else one for as long as the socket lasts: its turns belong together."""
        if told.startswith("session:"):
            return told
        self.session = self.session or told or f"session:{self.lane}"
        return self.session

    async def _warm(self, call: Call, turn: Turn) -> None:
        """A prewarm goes to a socket or nowhere, and fails only by the client's own fault."""
        dispatch = self.gateway.dispatch
        found = dispatch.pool.find(call.ask, dispatch.clock.now(), dispatch.rng)
        if found is not None and dispatch.tries.over_socket(call, found[0].account):
            try:
                return await self._answer(call, turn)
            except Problem as problem:
                if problem.blame is Blame.CLIENT and problem.code != NO_PREWARM:
                    raise
        response_id = f"resp_lb_{new_id()}"
        sink = TurnSink(self.link, self.request, turn)
        for number, (name, status) in enumerate(_WARM):
            response = {"id": response_id, "object": "response", "status": status, "output": []}
            event = {"type": name, "sequence_number": number, "response": response}
            await sink.write(sse.write(name, msgspec.json.encode(event)))
        self.transcript.keep(turn, response_id)
        return None

    async def _answer(self, call: Call, turn: Turn) -> None:
        delivery = self.admit(call)
        self.gateway.deliveries.add(delivery)
        told: Problem | None = None
        try:
            await delivery.relayed(TurnSink(self.link, self.request, turn))
        except Problem as problem:
            told = problem
            raise
        finally:
            self.gateway.deliveries.discard(delivery)
            self.on_done(delivery, told)
        tap = delivery.opened.tap if delivery.opened else None
        if tap is not None and tap.phase is ENDED and tap.outcome == "completed":
            self.transcript.keep(turn, tap.response_id)

    async def _error(self, problem: Problem) -> None:
        """An error frame. Codex ignores one without a status and waits five minutes."""
        spoken(problem, self.gateway.config.server.error_dialect)
        if not self.link.closed:
            await self.link.send_str(problem.socket_frame())


_PREPARED = ("model", "prompt_cache_key", "reasoning")
"""Fields of a turn that are not what the client wrote, once it is prepared."""


def _goes_on(call: Call) -> bool:
    """Whether what the client said last is all the upstream lacks: the rest went as it came.

    Where the gateway hides, prunes or plans, each turn is prepared as a whole and goes as a whole.
    """
    return call.voice is NATIVE and not any(name.startswith(GATEWAY) for name in call.body.changed)


GATEWAY = "gateway."
_WARM = (("response.created", "in_progress"), ("response.completed", "completed"))
