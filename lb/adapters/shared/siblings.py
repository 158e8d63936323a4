"""The workers of one server: each has a line to each other, over Unix sockets only they can reach.

Each listens in the folder where they meet and calls every other one. What is told goes out in
batches, ``EVERY_S`` apart at most, or at the end of the turn; a question's answer comes on the
other's line, behind all it told before. What is pressing is laid into a second line at once: its
reader does not wait on it, so that nobody is woken for each request, but looks when it has to know,
and with every batch. One that starts again is greeted by all at once; one that fell behind is cut
off, comes back, and asks for what it missed.
"""

import asyncio
import contextlib
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog

from lb.adapters.shared import ANSWER_S, Mind, Place
from lb.adapters.shared.ears import Ear
from lb.adapters.shared.lines import Line
from lb.core.tidings import (
    Answered,
    Aside,
    Asked,
    Greeting,
    Tiding,
    message_of,
)

EVERY_S = 0.005  # what is told waits so long for more
GREET_S = 2.0  # how long one that starts waits for those that are there already
CALL_S = 0.5  # a sibling that cannot be reached is called again after this
_log = structlog.get_logger()


class Siblings:
    """The way to the other workers."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lines: dict[int, Line] = {}
        self._asides: dict[int, Line] = {}
        self._gaps: set[int] = set()  # who was told less than all
        self._heard: dict[int, Ear] = {}
        self._laid: dict[int, Ear] = {}
        self._pids: dict[int, int] = {}
        self._ready: dict[int, bool] = {}
        self._serves = False
        self._laid_some = False
        self._mind: Mind | None = None
        self._server: asyncio.Server | None = None
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._asked: dict[int, tuple[int, asyncio.Future[Any]]] = {}
        self._numbers = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeted = asyncio.Event()

    # telling

    def nudge(self, *, soon: bool = False) -> None:
        """There is news."""
        loop = asyncio.get_running_loop()
        if soon:
            self._soon = self._soon or loop.call_soon(self.flush)
        elif self._later is None:
            self._later = loop.call_later(EVERY_S, self.flush)

    def flush(self) -> None:
        """Tell what there is."""
        for handle in (self._soon, self._later):
            if handle is not None:
                handle.cancel()
        self._soon = self._later = None
        tidings = self._mind.news() if self._mind is not None else []
        if tidings or self._laid_some:  # an empty message lets them look, too
            self._laid_some = False
            message = message_of(tidings)
            for worker in list(self._lines):
                self._say(worker, message)

    def lay(self) -> None:
        """Lay down what is pressing."""
        tidings = self._mind.pressing() if self._mind is not None else []
        if tidings:
            self._laid_some = True
            message = message_of(tidings)
            for worker, line in list(self._asides.items()):
                if not line.say(message):
                    self._gaps.add(worker)

    def look(self) -> None:
        """Take up what others have laid."""
        for ear in self._laid.values():
            ear.look()

    def _say(self, worker: int, message: bytes) -> bool:
        line = self._lines.get(worker)
        return line is not None and line.say(message)

    # asking

    async def ask(self, name: str, what: Any = None, timeout_s: float = ANSWER_S) -> list[Any]:
        """What the others answer in time, in their order."""
        asked = (self.ask_one(each, name, what, timeout_s) for each in sorted(self._lines))
        return [answer for answer in await asyncio.gather(*asked) if answer is not None]

    async def ask_one(
        self, worker: int, name: str, what: Any = None, timeout_s: float = ANSWER_S
    ) -> Any:
        """What one of them answers; None when it does not."""
        self.flush()
        self._numbers += 1
        number = self._numbers
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = (worker, future)
        try:
            if not self._say(worker, message_of([Asked(number, name, what)])):
                return None
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    async def _answer(self, worker: int, asked: Asked) -> None:
        assert self._mind is not None
        try:
            told = await self._mind.answer(asked.name, asked.what)
        except Exception:  # noqa: BLE001  # the other one gets no answer, and goes on without
            _log.exception("question_not_answered", question=asked.name)
            told = None
        self.flush()
        self._say(worker, message_of([Answered(asked.number, told)]))

    # coming and going

    async def start(self, mind: Mind) -> None:
        """Listen, call the others, wait until those that are there have called back."""
        self._mind = mind
        loop = asyncio.get_running_loop()
        path = self._path(self._place.number)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._server = await loop.create_unix_server(lambda: Ear(self), str(path), backlog=128)
        self._call()
        self.nudge()  # what has happened since this process began
        there = set(self._lines)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GREET_S):
                while not there <= self._heard.keys():
                    self._greeted.clear()
                    await self._greeted.wait()
        await mind.catch_up([worker for worker in sorted(self._heard) if self._ready.get(worker)])
        self._go(self._keep_calling())

    def ready(self) -> None:
        """From now on others may ask us for what they missed."""
        self._serves = True

    async def close(self) -> None:
        """Leave."""
        self.flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for ear in list(self._heard.values()):
            ear.close()
        for ear in list(self._laid.values()):
            ear.close()
        for line in (*self._lines.values(), *self._asides.values()):
            line.close()
        self._lines.clear()
        self._asides.clear()
        with contextlib.suppress(FileNotFoundError):
            self._path(self._place.number).unlink()

    def _path(self, worker: int) -> Path:
        return self._place.folder / f"{worker}.sock"

    async def _keep_calling(self) -> None:
        while True:
            await asyncio.sleep(CALL_S)
            self._call()

    def _call(self) -> None:
        for worker in range(self._place.count):
            if worker != self._place.number and worker not in self._lines:
                self._dial(worker)

    def _dial(self, worker: int) -> None:
        """A fresh line to a sibling, if it is there; it is told who we are, and all it must know.

        News that waits is left for the batch it waits for: what is told twice that way are states.
        """
        assert self._mind is not None
        for lines in (self._lines, self._asides):
            if (old := lines.pop(worker, None)) is not None:
                old.close()
        try:
            line = Line(self._path(worker), lambda lost: self._lost(worker, lost))
            aside = Line(self._path(worker), lambda _: None)  # it is lost with the other
        except OSError:
            return
        self._lines[worker], self._asides[worker] = line, aside
        aside.say(message_of([Aside(self._place.number, os.getpid())]))
        line.pid = self._pids.get(worker, 0)
        gap = worker in self._gaps
        self._gaps.discard(worker)
        greeting = Greeting(self._place.number, os.getpid(), self._serves, gap)
        self._say(worker, message_of([greeting, *self._mind.all_of_it()]))

    def _lost(self, worker: int, line: Line) -> None:
        if self._lines.get(worker) is line:
            del self._lines[worker]
            self._asides.pop(worker, line).close()
            self._gaps.add(worker)

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # hearing

    def heard(self, ear: "Ear", tiding: Tiding) -> None:
        """A sibling said something."""
        if isinstance(tiding, Greeting):
            self._greet(ear, tiding)
        elif isinstance(tiding, Aside):
            ear.worker = tiding.worker
            self._laid[tiding.worker] = ear
            ear.rest()
        elif ear.worker < 0 or self._mind is None:
            ear.close()
        elif isinstance(tiding, Answered):
            _, future = self._asked.get(tiding.number, (0, None))
            if future is not None and not future.done():
                future.set_result(tiding.what)
        elif isinstance(tiding, Asked):
            self._go(self._answer(ear.worker, tiding))
        else:
            self._mind.hear(ear.worker, tiding)

    def _greet(self, ear: "Ear", told: Greeting) -> None:
        worker = ear.worker = told.worker
        self.gone(worker, self._heard.get(worker))
        self._heard[worker], self._pids[worker] = ear, told.pid
        self._ready[worker] = told.ready
        line = self._lines.get(worker)
        if line is not None and line.pid in (0, told.pid):
            line.pid = told.pid
        else:
            self._dial(worker)
        self._greeted.set()
        if told.gap and told.ready and self._serves and self._mind is not None:
            self._go(self._mind.catch_up([worker]))

    def gone(self, worker: int, ear: "Ear | None") -> None:
        """Nothing more comes from there: what it had under way is over, as are our questions."""
        if ear is None or self._heard.get(worker) is not ear:
            return
        del self._heard[worker]
        ear.close()
        if (laid := self._laid.pop(worker, None)) is not None:
            laid.look()  # its last words may be there
            laid.close()
        for asked, future in self._asked.values():
            if asked == worker and not future.done():
                future.set_result(None)
        if self._mind is not None:
            self._mind.lost(worker)
