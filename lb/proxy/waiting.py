"""Who is next when a place comes free: a fair queue without a herd.

Each change wakes the first waiter; it looks, and passes the word on. So every waiter looks at most
once a change, in order of arrival, and a place nobody ahead can use reaches the one who can.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from attrs import define


@define(eq=False)
class Waiter:
    """One request that waits for an account; a context manager: in the queue while inside."""

    queue: "Queue"
    model: str
    round: int = 0
    woken: asyncio.Event | None = None

    def __enter__(self) -> Self:
        """Take the place at the end of the queue."""
        self.woken = asyncio.Event()
        self.round = self.queue.round
        self.queue.waiters.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Leave, and let the next one look."""
        self.queue.waiters.remove(self)
        self.queue.pass_on()

    async def wait(self, timeout_s: float) -> None:
        """Until something changed, or ``timeout_s`` seconds passed."""
        assert self.woken is not None  # inside the context only
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self.woken.wait()
        except TimeoutError:
            pass
        self.woken.clear()


class Queue:
    """The waiters, in order of arrival."""

    def __init__(self) -> None:
        self.waiters: deque[Waiter] = deque()
        self.round = 0

    def __len__(self) -> int:
        return len(self.waiters)

    def ahead(self, model: str) -> bool:
        """Whether somebody waits for the same model already."""
        return any(waiter.model == model for waiter in self.waiters)

    def wake(self) -> None:
        """Something changed: a place came free, an account came back."""
        if self.waiters:
            self.round += 1
            self.pass_on()

    def pass_on(self) -> None:
        """Let the first one that has not looked since the last change look."""
        for waiter in self.waiters:
            if waiter.round < self.round and waiter.woken is not None:
                waiter.round = self.round
                waiter.woken.set()
                return
