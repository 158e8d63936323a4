"""After the client has left: read on, so that the upstream's own count is booked, up to a bound.

A cut answer is billed all the same and its usage never told; a plan may prefer to know
(``on_disconnect = "drain"``). Nobody waits for this; the account's place is held until it ends.
"""

import asyncio
from collections.abc import Coroutine

from attrs import define, field
from msgspec.structs import replace

from lb.core.errors import Problem
from lb.core.tap import ENDED
from lb.proxy.attempt import Opened
from lb.proxy.hunt import Hunt

LOOK_S = 0.05  # how often an answer that has not begun is looked at


@define(eq=False)
class Drain:
    """Reads on for one request: at most ``most`` tokens, counted as deltas, from when it began."""

    hunt: Hunt
    most: int
    _before: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        """No account is tried any more from now on."""
        self.hunt.call = replace(self.hunt.call, deadline=0.0)
        self._before = self._seen()

    def _seen(self) -> int:
        tap = self.hunt.attempts[-1].tap if self.hunt.attempts else None
        return tap.deltas if tap is not None else 0

    @property
    def _enough(self) -> bool:
        return self._seen() - self._before >= self.most

    async def begun(self, opening: "asyncio.Task[Opened]") -> Opened | None:
        """The answer that was being waited for; None when none comes, or only a longer one."""
        try:
            while not opening.done() and not self._enough:
                await asyncio.wait({opening}, timeout=LOOK_S)
        finally:
            opening.cancel()
            await asyncio.wait({opening})
        if opening.cancelled() or opening.exception() is not None:
            return None
        return opening.result()

    async def rest(self, opened: Opened) -> Problem | None:
        """Read to the end of the answer, or as far as the bound; the Problem that broke it."""
        try:
            while opened.stream and opened.tap.phase is not ENDED and not self._enough:
                await opened.stream.next()
        except Problem as problem:
            return problem
        return None


@define(eq=False)
class Behind:
    """Work that goes on after its request; a server that stops waits for it, then cuts it."""

    tasks: set[asyncio.Task[None]] = field(factory=set)

    def go_on(self, work: Coroutine[object, object, None]) -> None:
        """Do ``work`` behind the requests."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def cut(self) -> None:
        """End it all now."""
        for task in self.tasks:
            task.cancel()
