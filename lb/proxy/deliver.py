"""Deliver an answer to the client: relay the stream, or hand over the whole.

The one place that writes to the client before and after content. Until the first content a stream
costs the client nothing but keep-alives; after it, whatever breaks ends in a frame, never in
silence, never in a repeat.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import TypeVar

from aiohttp import web
from attrs import define, field

from lb.core import events
from lb.core.call import Call
from lb.core.error_names import spoken
from lb.core.errors import Blame, Problem
from lb.core.events import Spent
from lb.core.formats import Encoder
from lb.core.tap import Phase, Tap
from lb.core.upstreams.signals import windows_of_event
from lb.proxy.attempt import Opened
from lb.proxy.dispatch import Dispatch, Hunt
from lb.proxy.pulse import Pulse

T = TypeVar("T")
_PASSED = ("x-codex-turn-state", "x-reasoning-included", "openai-processing-ms", "openai-version")
"""Headers of the upstream that a client may see; the account's own are not among them."""

STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


@define(eq=False)
class Delivery:
    """One request on its way back, and what is said of it in the log. Times in unix seconds."""

    dispatch: Dispatch
    call: Call
    received_at: float
    keepalive_s: float
    tell_account: bool = True
    error_dialect: str = "openai"
    hunt: Hunt = field(init=False)
    opened: Opened | None = None
    outcome: str = ""
    first_byte_at: float = 0.0
    stopped: Problem | None = None
    encoder: Encoder = field(init=False)
    task: asyncio.Task[object] | None = None

    def __attrs_post_init__(self) -> None:
        """The search for an account begins with the delivery."""
        self.hunt = self.dispatch.hunt(self.call)
        self.encoder = self.call.voice.encoder()
        self.task = asyncio.current_task()

    def stop(self, problem: Problem) -> None:
        """End it now, and say why: the server goes away."""
        self.stopped = problem
        if self.task is not None:
            self.task.cancel()

    async def whole(self) -> web.Response:
        """The answer in one piece. Raises: Problem when there is none."""
        try:
            opened = self.opened = await self._unless_stopped(self.dispatch.opened(self.hunt))
            self.outcome = opened.tap.outcome
            self.first_byte_at = self.dispatch.clock.now()
            headers = self._headers(opened)
            body = self.call.voice.whole(opened.head)
            return web.Response(body=body, headers=headers, content_type="application/json")
        finally:
            await self._settle()

    async def relayed(self, request: web.Request) -> web.StreamResponse:
        """The answer as a stream. Raises: Problem while nothing has been written."""
        response = web.StreamResponse(headers={**STREAM_HEADERS, **self._headers(None)})
        pulse = Pulse(request, response, self.keepalive_s, codex=self.call.codex)
        try:
            with pulse:
                await self._relay(request, response, pulse)
        finally:
            await self._settle()
        return response

    async def _relay(
        self, request: web.Request, response: web.StreamResponse, pulse: Pulse
    ) -> None:
        try:
            opened = self.opened = await self._unless_stopped(self.dispatch.opened(self.hunt))
        except Problem as problem:
            await pulse.settled()
            if not response.prepared:
                raise
            await self._end(response, problem)
            return
        await pulse.settled()
        if not response.prepared:
            response.headers.update(self._headers(opened))
            await response.prepare(request)
        self.first_byte_at = self.dispatch.clock.now()
        try:
            await self._unless_stopped(self._runs(opened, response, pulse))
        except Problem as problem:
            self._blame(opened, problem)
            await self._end(response, problem)
        else:
            self.outcome = opened.tap.outcome
            await response.write_eof()

    async def _unless_stopped(self, work: Coroutine[object, object, T]) -> T:
        """Do ``work``; a stop of the server's own becomes the Problem the client is told."""
        try:
            return await work
        except asyncio.CancelledError:
            if self.stopped is None or self.task is None:
                raise
            self.task.uncancel()
            raise self.stopped from None

    async def _runs(self, opened: Opened, response: web.StreamResponse, pulse: Pulse) -> None:
        run, stream = opened.head, opened.stream
        while run:
            if told := self.encoder.feed(run):
                pulse.writing()
                await response.write(told)
                pulse.wrote()
            if opened.tap.readings:
                self._measure(opened)
            run = await stream.next() if stream is not None else b""
        if opened.tap.failure:
            problem = opened.attempt.kind.blame_event(opened.tap.failure, self.dispatch.clock.now())
            self._blame(opened, problem)

    async def _end(self, response: web.StreamResponse, problem: Problem) -> None:
        """The last frame of a stream that cannot go on, under the answer's own id and number."""
        self.outcome = problem.code or "failed"
        tap = self.opened.tap if self.opened else Tap()
        frame = self.encoder.failed(
            spoken(problem, self.error_dialect), tap.response_id, tap.next_sequence_number()
        )
        await response.write(frame)
        await response.write_eof()

    def _blame(self, opened: Opened, problem: Problem) -> None:
        clock, slot = self.dispatch.clock, opened.attempt.slot
        opened.attempt.outcome = problem.code or problem.type
        problem.model = problem.model or self.hunt.call.ask.model
        event = problem.event(slot.id, clock.now(), self.dispatch.rng.random())
        if event is not None and problem.blame is not Blame.TOKEN:
            self.dispatch.learn(event)

    def _measure(self, opened: Opened) -> None:
        readings, opened.tap.readings = opened.tap.readings, []
        now, account = self.dispatch.clock.now(), opened.attempt.slot.id
        for reading in readings:
            if windows := windows_of_event(reading, now):
                self.dispatch.learn(events.Measured(account, now, windows))

    def _headers(self, opened: Opened | None) -> Mapping[str, str]:
        told = {"x-request-id": self.call.request_id}
        if opened is None:
            return told
        attempt, now = opened.attempt, self.dispatch.clock.now()
        told["x-lb-attempts"] = str(len(self.hunt.attempts))
        told["x-lb-overhead-ms"] = f"{self.overhead_s(now) * 1000:.2f}"
        if self.tell_account:
            told["x-lb-account"] = attempt.slot.id
        if attempt.upstream_request_id:
            told["x-upstream-request-id"] = attempt.upstream_request_id
        if attempt.changed:
            told["x-lb-changed"] = ",".join(attempt.changed)
        for name in _PASSED:
            if value := opened.answer.headers.get(name):
                told[name] = value
        return told

    def overhead_s(self, now: float) -> float:
        """Our own share of the time until ``now``: all but the upstream's and the waiting."""
        return max(0.0, now - self.received_at - self.hunt.upstream_s - self.hunt.waited_s)

    def told(self) -> dict[str, object]:
        """What the log says of it: who asked, who answered, how long it took, what it used."""
        hunt, opened = self.hunt, self.opened
        used = opened.tap.usage if opened else None
        told: dict[str, object] = {
            "client": self.call.ask.client,
            "model": hunt.call.ask.model,
            "stream": self.call.stream,
            "account": opened.attempt.slot.id if opened else None,
            "attempts": [
                {"account": a.slot.id, "id": a.request_id, "status": a.status, "outcome": a.outcome}
                for a in hunt.attempts
            ],
            "queue_ms": round(hunt.waited_s * 1000, 1),
            "upstream_ms": round(hunt.upstream_s * 1000, 1),
            "outcome": self.outcome,
        }
        if self.first_byte_at:
            told["ttfb_ms"] = round((self.first_byte_at - self.received_at) * 1000, 1)
            told["overhead_ms"] = round(self.overhead_s(self.first_byte_at) * 1000, 2)
        if used is not None:
            told["input_tokens"] = used.input_tokens
            told["cached_tokens"] = used.cached_tokens
            told["output_tokens"] = used.output_tokens
            told["reasoning_tokens"] = used.reasoning_tokens
        return told

    async def _settle(self) -> None:
        """On leaving, however it ends: let go of upstream, give the place back, book the use."""
        opened = self.opened
        if opened is None:
            return
        slot, ask = opened.attempt.slot, self.call.ask
        now = self.dispatch.clock.now()
        if not self.outcome:
            self.outcome = opened.tap.outcome or "client_gone"
        if opened.tap.phase is not Phase.ENDED:
            opened.answer.close()
        names = list(opened.tap.owned)
        if state := opened.answer.headers.get("x-codex-turn-state"):
            names.append(f"turn:{state}")
        self.dispatch.pool.affinity.pin(ask.client, names, slot.id, now)
        if opened.tap.usage is not None:
            used = opened.tap.usage
            self.dispatch.learn(
                Spent(
                    slot.id,
                    now,
                    used.input_tokens,
                    used.cached_tokens,
                    used.output_tokens,
                    used.reasoning_tokens,
                )
            )
        self.dispatch.release(slot)
        await opened.close()
