"""Who is next when a place comes free: a fair queue without a herd.

Each change wakes the first waiter; it looks, and passes the word on. So every waiter looks at most
once a change, in order of arrival, and a place nobody ahead can use reaches the one who can. Who
looked in vain takes up the place in the queue it had, by its ticket.
"""

import asyncio
from bisect import insort
from collections.abc import Collection
from types import TracebackType
from typing import Self

from attrs import define

from lb.core.account import Ask


@define(eq=False)
class Waiter:
    """One request that waits for an account; a context manager: in the queue while inside.

    ``tried`` are accounts it will not look at; ``looked`` whether it did since the last change.
    """

    queue: "Queue"
    ask: Ask
    tried: Collection[str]
    ticket: int
    looked: bool = True
    round: int = 0
    woken: asyncio.Event | None = None

    def __enter__(self) -> Self:
        """Take the place in the queue that the ticket says."""
        self.woken = asyncio.Event()
        self.round = self.queue.round if self.looked else self.queue.round - 1
        self.queue.enter(self)
        return self

    def wants(self, model: str, account: str) -> bool:
        """Whether ``account``, free for ``model``, is what it waits for."""
        return self.ask.model == model and not self.ask.bound and account not in self.tried

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


def _ticket(waiter: Waiter) -> int:
    return waiter.ticket


class Queue:
    """The waiters, in order of arrival."""

    def __init__(self) -> None:
        self.waiters: list[Waiter] = []
        self.round = 0
        self._tickets = 0

    def __len__(self) -> int:
        return len(self.waiters)

    def ticket(self) -> int:
        """The next place in the order of arrival, from 1."""
        self._tickets += 1
        return self._tickets

    def enter(self, waiter: Waiter) -> None:
        """Put ``waiter`` where its ticket says."""
        insort(self.waiters, waiter, key=_ticket)

    def wanted(self, model: str, account: str) -> bool:
        """Whether somebody waits for ``account``, which is free for ``model``."""
        return any(waiter.wants(model, account) for waiter in self.waiters)

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
