"""Deliver an answer to the client: relay the stream, or hand over the whole.

The one place that writes to the client before and after content. Until the first content a stream
costs the client nothing but keep-alives; after it, whatever breaks ends in a frame, never in
silence, never in a repeat.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

from msgspec import Struct

from lb.core.call import Call
from lb.core.error_names import spoken
from lb.core.errors import Blame, Problem
from lb.core.ledger import Outcome
from lb.core.tap import ENDED
from lb.core.upstreams.dialect import RESPONSES
from lb.proxy.attempt import Opened
from lb.proxy.booking import End, ended_by, ended_with
from lb.proxy.dispatch import Dispatch
from lb.proxy.drain import Behind, Drain
from lb.proxy.hunt import Hunt
from lb.proxy.pulse import Pulse
from lb.proxy.readings import measured
from lb.proxy.replies import Reply
from lb.proxy.said import headers_of
from lb.proxy.sinks import Sink, voiced
from lb.proxy.splice import spliced

T = TypeVar("T")


class Delivery(Struct, eq=False):
    """One request on its way back, and what is said of it in the log. Times in unix seconds.

    ``on_settled`` hears once, however it ends, how many tokens it used, what they cost
    (uusd, 0 where nobody knows), and when;
    ``limits`` are the headers that tell what is left of the client's, where it has any.
    """

    dispatch: Dispatch
    call: Call
    hunt: Hunt
    received_at: float
    keepalive_s: float
    behind: Behind
    task: asyncio.Task[object] | None
    tell_account: bool = True
    error_dialect: str = "openai"
    opened: Opened | None = None
    outcome: str = ""
    first_byte_at: float = 0.0
    overhead_s: float = 0.0  # our own share of the time until then: no upstream's, no waiting
    stopped: Problem | None = None
    on_settled: Callable[[int, int, float], None] | None = None
    limits: Callable[[float], Mapping[str, str]] | None = None
    _drains: bool = False

    def stop(self, problem: Problem) -> None:
        """End it now, and say why: the server goes away."""
        self.stopped = problem
        if self.task is not None:
            self.task.cancel()

    async def whole(self) -> Reply:
        """The answer in one piece. Raises: Problem when there is none."""
        try:
            opened = self.opened = await self._open()
            self.outcome = opened.tap.outcome
            self._begins()
            self._book(ended_with(opened.tap))
            content_type, body = "application/json", opened.head
            if self.call.path == RESPONSES:
                body = self.call.voice.whole(body, opened.tap.seen)
            else:
                content_type = opened.answer.headers.get("content-type", content_type)
            headers = headers_of(self, opened)
            headers["Content-Type"] = content_type
            return Reply(headers, body)
        except Problem as problem:
            self._book(ended_by(problem, len(self.hunt.attempts)))
            raise
        finally:
            await self._settle()

    async def relayed(self, sink: Sink) -> None:
        """The answer as a stream. Raises: Problem while a status can still be told."""
        sink = voiced(sink, self.call.voice)
        pulse = Pulse(sink, self.keepalive_s)
        try:
            with pulse:
                await self._relay(sink, pulse)
        finally:
            await self._settle()

    async def _relay(self, sink: Sink, pulse: Pulse) -> None:
        try:
            opened = self.opened = await self._open()
        except Problem as problem:
            self._book(ended_by(problem, len(self.hunt.attempts)))
            await pulse.settled()
            if not sink.started:
                raise
            self.outcome = problem.code or "failed"
            await sink.fail(spoken(problem, self.error_dialect), None)
            return
        self._forget_request()
        await pulse.settled()
        self._begins()
        await sink.start(headers_of(self, opened))
        try:
            last_run = await self._unless_stopped(self._runs(opened, sink, pulse))
        except Problem as problem:
            self._blame(opened, problem)
            self.outcome = problem.code or "failed"
            self._book(ended_by(problem, len(self.hunt.attempts)))
            await sink.fail(spoken(problem, self.error_dialect), opened.tap)
        else:
            self._learn_failure(opened)
            self.outcome = opened.tap.outcome
            self._book(ended_with(opened.tap))
            await sink.end(last_run)

    def _begins(self) -> None:
        """The first byte is about to leave."""
        now, hunt = self.dispatch.clock.now(), self.hunt
        self.first_byte_at = now
        self.overhead_s = max(0.0, now - self.received_at - hunt.upstream_s - hunt.waited_s)

    def _forget_request(self) -> None:
        """Content has begun, so the request is not sent again: forget what it said.

        A stream may stand for minutes, and a body is megabytes. One that came over a WebSocket is
        part of a conversation, which remembers it.
        """
        if not self.call.lane:
            for call in (self.call, self.hunt.call):
                call.body.let_go()
                call.others = ()

    def _open(self) -> Awaitable[Opened]:
        """An account that has begun to answer. Raises: Problem."""
        if self.call.drain_tokens:
            return self._open_and_drain()
        return self._unless_stopped(self.dispatch.opened(self.hunt))

    async def _open_and_drain(self) -> Opened:
        """The same, of a client whose plan wants an answer read on that it does not wait for."""
        opening = asyncio.create_task(self.dispatch.opened(self.hunt))
        try:
            return await self._unless_stopped(asyncio.shield(opening))
        except Problem:
            opening.cancel()
            await asyncio.wait({opening})
            raise
        except asyncio.CancelledError:
            self._drains = True
            self.behind.go_on(self._drain(opening))
            raise

    async def _drain(self, opening: "asyncio.Task[Opened] | None") -> None:
        """The client has left and its plan wants to know what that costs: read on, then book."""
        self.outcome = "client_gone"
        drain = Drain(self.hunt, self.call.drain_tokens)
        try:
            if opening is not None:
                self.opened = await drain.begun(opening)
            if self.opened is not None and (problem := await drain.rest(self.opened)):
                self._blame(self.opened, problem)
        finally:
            self._book("client_gone")
            if self.opened is not None:
                await self._let_go(self.opened)

    async def _unless_stopped(self, work: Awaitable[T]) -> T:
        """Do ``work``; a stop of the server's own becomes the Problem the client is told."""
        try:
            return await work
        except asyncio.CancelledError:
            if self.stopped is None or self.task is None:
                raise
            self.task.uncancel()
            raise self.stopped from None

    async def _runs(self, opened: Opened, sink: Sink, pulse: Pulse) -> bytes:
        """Relay the answer; gives back its end, which leaves together with the end of the body.

        Raises: Problem when it breaks off.
        """
        run, stream = measured(self.dispatch, opened, opened.head), opened.stream
        opened.head = b""
        if stream is None or stream.ended:
            return run
        await self._write(sink, pulse, run)
        run = b""  # a stream may stand for long
        splice = spliced(stream, sink, partial(measured, self.dispatch, opened), pulse)
        if splice is not None:
            await splice.run()
            return splice.last_run
        while True:
            run = measured(self.dispatch, opened, await stream.next())
            if stream.ended:
                return run
            await self._write(sink, pulse, run)

    async def _write(self, sink: Sink, pulse: Pulse, run: bytes) -> None:
        pulse.writing()
        await sink.write(run)
        pulse.wrote()

    def _learn_failure(self, opened: Opened) -> None:
        """An answer that ended in a failure of its own: the client has it, the pool learns."""
        if opened.tap.failure:
            now = self.dispatch.clock.now()
            self._blame(opened, opened.attempt.kind.blame_event(opened.tap.failure, now))

    def _blame(self, opened: Opened, problem: Problem) -> None:
        clock, slot = self.dispatch.clock, opened.attempt.slot
        opened.attempt.outcome = problem.code or problem.type
        problem.model = problem.model or self.hunt.call.ask.model
        event = problem.event(slot.id, clock.now(), self.dispatch.rng.random())
        if event is not None and problem.blame is not Blame.TOKEN:
            self.dispatch.learn(event)

    def _book(self, outcome: Outcome) -> None:
        """Write the one row of this request, before the client sees its end; once only."""
        if self.hunt.booking.settled is not None:
            return
        attempts = self.hunt.attempts
        last = self.opened.attempt if self.opened else attempts[-1] if attempts else None
        now = self.dispatch.clock.now()
        end = End(outcome, now, self.hunt.waited_s, self.first_byte_at)
        settled = self.hunt.booking.settle(end, last, answers=self.opened is not None)
        if self.on_settled is not None:
            used = settled.tokens
            self.on_settled(used.input + used.output, settled.cost_uusd or 0, now)
        if self.opened is not None:
            self._pin(self.opened, now)

    async def _settle(self) -> None:
        """On leaving, however it ends: let go of upstream, give the place back, book the use."""
        opened, self.task = self.opened, None  # the task knows the answer, which knows us
        if self._drains:
            return
        if opened is None:
            self._book("client_gone")
        elif self._drains_on(opened):
            self.behind.go_on(self._drain(None))
        else:
            await self._let_go(opened)

    def _drains_on(self, opened: Opened) -> bool:
        """Whether an answer that nobody waits for any more is read on."""
        cut = self.hunt.booking.settled is None and opened.tap.phase is not ENDED
        return cut and self.call.drain_tokens > 0 and self.stopped is None

    async def _let_go(self, opened: Opened) -> None:
        if not self.outcome:
            self.outcome = opened.tap.outcome or "client_gone"
        if opened.tap.phase is not ENDED:
            opened.answer.close()
        self._book("client_gone")
        self.dispatch.release(opened.attempt.slot)
        if opened.lingers and not self.call.lane:  # who has its answer may leave with it
            self.behind.go_on(opened.close())
        else:
            await opened.close()

    def _pin(self, opened: Opened, now: float) -> None:
        """Remember who holds the state the answer left behind.

        Before the client sees the end: it may go on from it at once.
        """
        slot = opened.attempt.slot
        names = list(opened.tap.owned)
        if state := opened.answer.headers.get("x-codex-turn-state"):
            names.append(f"turn:{state}")
        self.dispatch.pool.affinity.pin(self.call.ask.client, names, slot.id, now)
        if self.dispatch.before_end is not None:
            self.dispatch.before_end(slot)
