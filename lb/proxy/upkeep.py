"""Between requests: keep what was learned, renew tokens, read usage windows, try the refused again.

Each chore is one coroutine function and one row in CHORES; one that fails is logged and tried anew.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from attrs import define, field

from lb.adapters.credentials import KEYLESS
from lb.adapters.stores import StoreAway
from lb.core import events
from lb.core.errors import Blame, Problem
from lb.core.health import State
from lb.core.slot import Slot
from lb.core.upstreams import KINDS
from lb.core.upstreams.signals import windows_of_usage
from lb.proxy.gateway import Gateway
from lb.proxy.memory import Memory

_log = structlog.get_logger()
PROBE_AFTER_S = (60.0, 600.0, 3600.0)  # a refused API key may have been refused by mistake
USAGE_EVERY_S = 60.0
FIRST_S = 0.5  # after start every chore is soon done once


@define(eq=False)
class Upkeep:
    """The chores of one gateway, running until ``stop``; of several workers one does most."""

    gateway: Gateway
    memory: Memory
    _tasks: list[asyncio.Task[None]] = field(factory=list)
    _probes: dict[str, int] = field(factory=dict)

    def start(self) -> None:
        """Begin all chores."""
        leads = self.memory.place.leads
        for every_s, chore in CHORES if leads else FOLLOWERS:
            self._tasks.append(asyncio.create_task(self._repeat(every_s, chore)))

    async def stop(self) -> None:
        """End all chores."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _repeat(self, every_s: float, chore: Callable[["Upkeep"], Awaitable[None]]) -> None:
        wait_s = min(every_s, FIRST_S)
        while True:
            await asyncio.sleep(wait_s)
            wait_s = every_s * (0.9 + 0.2 * self.gateway.rng.random())
            try:
                await chore(self)
            except Exception:  # noqa: BLE001  # the other chores, and the next time, go on
                _log.exception("chore_failed", chore=chore.__name__)

    async def flush(self) -> None:
        """Store what was learned."""
        await self.memory.flush()

    async def forget(self) -> None:
        """Let old rows of the ledger go: their sums stay."""
        try:
            await self.memory.forget(self.gateway.config.ledger.keep_days)
        except StoreAway:
            return  # said already, and tried again

    async def follow_keys(self) -> None:
        """Take up client keys that another process has changed in the store."""
        await self.gateway.keys.follow(self.memory.spent)

    async def measure_lag(self) -> None:
        """How late the event loop is."""
        loop = asyncio.get_running_loop()
        due = loop.time() + 0.05
        await asyncio.sleep(0.05)
        self.gateway.lag_s = max(0.0, loop.time() - due)

    async def renew_tokens(self) -> None:
        """Refresh access tokens before they expire; look again for a key that was missing."""
        credentials = self.gateway.dispatch.tries.credentials
        for slot in list(self.gateway.pool.enabled()):
            refused = slot.health.state is State.REFUSED
            keyless = refused and slot.health.reason.startswith(KEYLESS)
            if slot.account.auth_file is None or (refused and not keyless):
                continue
            try:
                if credentials.ready(slot.account) is None:
                    await credentials.secret(slot.account)
            except Problem as problem:
                known = keyless and problem.code == KEYLESS
                if problem.blame is Blame.TOKEN and not known:
                    self._learn_problem(slot, problem)
                continue
            if keyless:
                event = events.Restored(slot.id, self._now(), "its key is here")
                self.gateway.dispatch.learn(event)

    async def read_usage(self) -> None:
        """Poll the usage windows of accounts whose upstream tells them."""
        slots = [s for s in self.gateway.pool.enabled() if s.account.kind == "chatgpt"]
        await asyncio.gather(*(self._read_usage(slot) for slot in slots))

    async def _read_usage(self, slot: Slot) -> None:
        if slot.health.state in (State.REFUSED, State.PAUSED, State.REFRESHING):
            return
        try:
            windows = windows_of_usage(await self._fetch(slot, "/wham/usage"), self._now())
        except Problem as problem:
            _log.info("usage_not_read", account=slot.id, reason=problem.message)
            return
        if windows:
            self.gateway.dispatch.learn(events.Measured(slot.id, self._now(), windows))

    async def try_refused(self) -> None:
        """Ask accounts whose API key was refused for their models: a 200 proves them well."""
        now = self._now()
        for slot in list(self.gateway.pool.enabled()):
            if slot.health.state is not State.REFUSED or slot.account.api_key is None:
                self._probes.pop(slot.id, None)
                continue
            tried = self._probes.get(slot.id, 0)
            if tried >= len(PROBE_AFTER_S) or now < slot.health.since + PROBE_AFTER_S[tried]:
                continue
            self._probes[slot.id] = tried + 1
            try:
                await self._fetch(slot, KINDS[slot.account.kind].models_path)
            except Problem:
                continue
            self.gateway.dispatch.learn(events.Restored(slot.id, now, "its key works again"))

    async def sweep(self) -> None:
        """Close upstream connections that rest."""
        self.gateway.dispatch.tries.sockets.sweep()
        self.gateway.dispatch.tries.transport.wires.sweep()

    async def list_models(self) -> None:
        """Keep the catalog fresh."""
        await self.gateway.catalog.refresh()

    async def follow_models(self) -> None:
        """Take up the catalog that another worker keeps fresh."""
        await asyncio.to_thread(self.gateway.catalog.follow)

    async def _fetch(self, slot: Slot, path: str) -> bytes:
        return await self.gateway.dispatch.tries.fetch(slot.account, path)

    def _learn_problem(self, slot: Slot, problem: Problem) -> None:
        event = problem.event(slot.id, self._now(), self.gateway.rng.random())
        if event is not None:
            self.gateway.dispatch.learn(event)

    def _now(self) -> float:
        return self.gateway.clock.now()


CHORES: tuple[tuple[float, Callable[[Upkeep], Awaitable[None]]], ...] = (
    (0.5, Upkeep.flush),
    (1.0, Upkeep.measure_lag),
    (1.0, Upkeep.follow_keys),
    (15.0, Upkeep.renew_tokens),
    (USAGE_EVERY_S, Upkeep.read_usage),
    (20.0, Upkeep.try_refused),
    (60.0, Upkeep.list_models),
    (10.0, Upkeep.sweep),
    (3600.0, Upkeep.forget),
)
"""(seconds between, chore)"""
_EACH = (Upkeep.flush, Upkeep.measure_lag, Upkeep.follow_keys, Upkeep.sweep)
FOLLOWERS = (*(row for row in CHORES if row[1] in _EACH), (1.0, Upkeep.follow_models))
"""What a worker does that does not lead: the others' results come as events, or are in files."""
