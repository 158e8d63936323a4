"""The gateway: the live parts one server is made of, for the doors and for upkeep."""

import asyncio
from collections.abc import Callable
from random import Random

from attrs import define, field

from lb.adapters.clock import Clock
from lb.adapters.shared import Shared
from lb.adapters.shared.alone import Alone
from lb.config import Config
from lb.core.call import Call
from lb.core.errors import Problem
from lb.core.models import Reader
from lb.core.pool import Pool
from lb.core.prices import Prices
from lb.proxy.afterwards import Afterwards
from lb.proxy.catalog import Catalog
from lb.proxy.deliver import Delivery
from lb.proxy.dispatch import Dispatch
from lb.proxy.drain import Behind
from lb.proxy.family import Family
from lb.proxy.history import Histories
from lb.proxy.hunt import Trace
from lb.proxy.keys import Keys
from lb.proxy.memo import Memo
from lb.proxy.memory import Memory
from lb.proxy.timelines import Timelines

Ended = Callable[[Delivery | None, int, Problem | None, float], None]
"""Hears of each request once it is over: its delivery (None: it was never let in), status, problem,
and how long it took (seconds)."""

PINS_S = 5.0  # a full store of pins takes 5 ms to count


@define(eq=False)
class Gateway:
    """What a request meets. ``config`` changes on reload; ``draining`` once no more is let in."""

    config: Config
    pool: Pool
    dispatch: Dispatch
    catalog: Catalog
    clock: Clock
    rng: Random
    keys: Keys
    memory: Memory
    started_at: float
    problems: list[str] = field(factory=list)  # of the last reload, when it was refused
    draining: bool = False
    deliveries: set[Delivery] = field(factory=set)
    behind: Behind = field(factory=Behind)
    lag_s: float = 0.0
    asides: Memo = field(factory=Memo)
    on_drain: set[Callable[[], None]] = field(factory=set)  # how each socket hears of it
    on_ended: list[Ended] = field(factory=list)
    afterwards: Afterwards = field(factory=Afterwards)
    tracer: Callable[[Call, float], Trace] | None = None
    histories: Histories = field(factory=Histories)
    timelines: Timelines = field(factory=Timelines)
    others: Shared = field(factory=Alone)
    family: Family | None = None  # where there are other workers
    _reader: Reader | None = None
    _pins: tuple[float, dict[str, int]] = (0.0, {})

    def drain(self) -> None:
        """Let nobody in any more; sockets between two turns are closed now."""
        self.draining = True
        for hear in list(self.on_drain):
            hear()

    @property
    def prices(self) -> Prices:
        """What tokens cost now."""
        return self.dispatch.books.prices

    async def finished(self, timeout_s: float) -> None:
        """Until every delivery is through, or ``timeout_s`` seconds have passed."""
        tasks = {delivery.task for delivery in self.deliveries if delivery.task is not None}
        if tasks := tasks | self.behind.tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def cut(self, problem: Problem) -> None:
        """End every delivery now, each with ``problem`` as its last word."""
        for delivery in list(self.deliveries):
            delivery.stop(problem)
        self.behind.cut()

    def reader(self) -> Reader:
        """Who reads the names of models, by the config and the accounts of now."""
        if self._reader is None or self._reader.catalog is not self.config.models:
            self._reader = Reader(self.config.models, self.catalog.knows, self._called)
        return self._reader

    def _called(self, name: str) -> bool:
        return any(name in slot.account.names for slot in self.pool.enabled())

    def delivery(self, call: Call, received_at: float) -> Delivery:
        """The way back for one request that came at ``received_at`` (unix seconds)."""
        server = self.config.server
        delivery = Delivery(
            self.dispatch,
            call,
            self.dispatch.hunt(call, received_at),
            received_at,
            server.keepalive_s,
            self.behind,
            asyncio.current_task(),
            tell_account=server.tell_account,
            error_dialect=server.error_dialect,
        )
        if self.tracer is not None:
            delivery.hunt.trace = self.tracer(call, received_at)
        return delivery

    def pins(self, now: float) -> dict[str, int]:
        """How many conversations each account holds; counted anew every few seconds at most."""
        if not self._pins[0] <= now < self._pins[0] + PINS_S:
            self._pins = (now, self.pool.affinity.count_by_account(now))
        return self._pins[1]
