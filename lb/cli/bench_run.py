"""The requests of ``lb bench``, and what is told of them; imported when it runs."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import aiohttp
import click
import msgspec
from attrs import define, field

from lb.cli import tables
from lb.cli.common import show
from lb.core import sse
from lb.core.errors import Problem
from lb.core.tap import ENDED, HOLDS, Garbage, Tap

LONGEST_S: Final = 300.0  # one request, from its start to its end
PROMPT: Final = "Count from one to twenty in words, one a line, and say nothing else."
SHARES: Final = (0.5, 0.9, 0.99)
COLUMNS: Final = ("", "p50", "p90", "p99", "most")


@define
class Answered:
    """One request; times in seconds. ``error`` is empty when it went well."""

    first_s: float = 0.0
    total_s: float = 0.0
    events: int = 0
    overhead_ms: float | None = None
    account: str = ""
    error: str = ""


@define(eq=False)
class Run:
    """What came of it so far, so that an interrupted run has something to tell."""

    url: str
    model: str
    key: str
    requests: int
    answers: list[Answered] = field(factory=list)
    began: float = field(factory=time.monotonic)
    ended: float = 0.0
    asked: int = 0

    async def go(self, concurrency: int, tick: Callable[[], None]) -> None:
        """Ask ``requests`` times, ``concurrency`` at a time; ``tick`` after each."""
        timeout = aiohttp.ClientTimeout(total=LONGEST_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            askers = (self._ask_on(session, tick) for _ in range(min(concurrency, self.requests)))
            await asyncio.gather(*askers)

    async def _ask_on(self, session: aiohttp.ClientSession, tick: Callable[[], None]) -> None:
        while self.asked < self.requests:
            self.asked += 1
            self.answers.append(await self._ask(session))
            self.ended = time.monotonic()
            tick()

    async def _ask(self, session: aiohttp.ClientSession) -> Answered:
        answered = Answered()
        body = {"model": self.model, "input": PROMPT, "stream": True, "store": False}
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        began = time.monotonic()
        try:
            async with session.post(self.url, json=body, headers=headers) as answer:
                await _followed(answer, answered, began)
        except TimeoutError:
            answered.error = f"no end within {LONGEST_S:.0f} s"
        except (aiohttp.ClientError, OSError) as error:
            answered.error = f"{type(error).__name__}: {error}"[:120]
        answered.total_s = time.monotonic() - began
        return answered


async def _followed(answer: aiohttp.ClientResponse, answered: Answered, began: float) -> None:
    """Read the stream to its end. An answer that is no stream is an error, told by its code."""
    answered.account = answer.headers.get("x-lb-account", "")
    answered.overhead_ms = _number(answer.headers.get("x-lb-overhead-ms"))
    if answer.status != 200 or answer.content_type != "text/event-stream":
        answered.error = f"{answer.status} {_code_of(await answer.read())}".strip()
        return
    cutter, tap = sse.Cutter(), Tap()
    try:
        async for chunk in answer.content.iter_any():
            run = cutter.feed(chunk)
            answered.events += sum(not frame.startswith(b":") for frame in sse.frames(run))
            tap.look(run)
            if tap.phase is not HOLDS and not answered.first_s:
                answered.first_s = time.monotonic() - began
    except (Problem, Garbage):
        answered.error = "not a stream of events"
        return
    if tap.phase is not ENDED:
        answered.error = "cut before its end"
    elif tap.failure:
        answered.error = _code_of(tap.failure) or "response.failed"


def _code_of(body: bytes) -> str:
    """The code (or type) of an error, wherever OpenAI puts it; empty when there is none."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    if isinstance(told, dict) and isinstance(told.get("response"), dict):
        told = told["response"]
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict):
        error = told if isinstance(told, dict) else {}
    return str(error.get("code") or error.get("type") or "")[:80]


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def tell(run: Run) -> None:
    """Say what came of it, in a line and some tables."""
    good = [answered for answered in run.answers if not answered.error]
    bad = Counter(answered.error for answered in run.answers if answered.error)
    wall_s = max(run.ended - run.began, 1e-9)
    events = sum(answered.events for answered in good)
    click.echo(
        f"{run.url}, {run.model}: {len(good)} good, {bad.total()} failed in {wall_s:.1f} s;"
        f" {len(good) / wall_s:.1f} answers/s, {events / wall_s:,.0f} events/s."
    )
    if good:
        overhead = [a.overhead_ms for a in good if a.overhead_ms is not None]
        rows = [
            _row("to the first content, ms", [a.first_s * 1000 for a in good], "{:,.0f}"),
            _row("to the end, ms", [a.total_s * 1000 for a in good], "{:,.0f}"),
            _row("events a second, each stream", [_pace(a) for a in good], "{:,.0f}"),
        ]
        rows += [_row("of it lb's own, ms", overhead, "{:.2f}")] if overhead else []
        show(tables.plain(COLUMNS, rows))
    for name, counts in (("account", Counter(a.account for a in good)), ("failed with", bad)):
        if any(counts):
            show(tables.plain((name, "answers"), counts.most_common()))


def _pace(answered: Answered) -> float:
    """Events a second from the first content on."""
    return answered.events / max(answered.total_s - answered.first_s, 1e-3)


def _row(name: str, values: Iterable[float], form: str) -> Sequence[str]:
    """The name, the percentiles, the largest."""
    ordered = sorted(values)
    cells = (ordered[int((len(ordered) - 1) * share)] for share in (*SHARES, 1.0))
    return (name, *(form.format(cell) for cell in cells))
