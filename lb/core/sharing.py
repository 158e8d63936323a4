"""The pool, the owners of conversations and the limits of a worker that is not alone.

Each does what its namesake does, marks in ``Changes`` what the others must know, and takes up what
they tell. A server of one process has none of these, and pays nothing for them.

What is in flight elsewhere is known by worker, as it stood when that worker last told: so the
requests of one that dies are gone with it, and nothing leaks. What was used is added up.
"""

from collections.abc import Collection, Iterable, Mapping
from random import Random
from typing import Any

from attrs import define, field

from lb.core.account import Ask
from lb.core.affinity import PIN_S, STATE_S, Affinity, is_state, key_of
from lb.core.changes import Changes
from lb.core.limits import Limits, Meter, Over, Reservation
from lb.core.pool import Found, Pool
from lb.core.slot import Slot
from lb.core.spans import PERIODS
from lb.core.tidings import Holds, Used

SAME_S = 60.0  # an owner that is told again is told on only if it is remembered for so much longer
Hold = tuple[int, int, int]
NOTHING: Hold = (0, 0, 0)


@define(eq=False)
class SharedPool(Pool):
    """A pool whose accounts other workers ask, too: what is in flight there counts here."""

    changes: Changes = field(factory=Changes, kw_only=True)
    _elsewhere: dict[int, dict[str, int]] = field(factory=dict)

    def pick(
        self, ask: Ask, now: float, rng: Random, shunned: Collection[str] = ()
    ) -> Found | None:
        """As a pool does, and told."""
        found = super().pick(ask, now, rng, shunned)
        if found is not None:
            self.changes.moved(found[0])
        return found

    def release(self, slot: Slot) -> None:
        """As a pool does, and told."""
        super().release(slot)
        self.changes.moved(slot)

    def flies(self, worker: int, now: Mapping[str, int]) -> None:
        """How many requests another worker has in flight, by account."""
        self._elsewhere.setdefault(worker, {}).update(now)
        self._count(now)

    def lost(self, worker: int) -> None:
        """A worker is gone, and its requests with it."""
        self._count(self._elsewhere.pop(worker, {}))

    def _count(self, accounts: Iterable[str]) -> None:
        for account in accounts:
            slot = self.slots.get(account)
            if slot is not None:
                number = sum(told.get(account, 0) for told in self._elsewhere.values())
                slot.in_flight = max(0, slot.in_flight + number - slot.elsewhere)
                slot.elsewhere = number
                self._best.changed(slot)


@define
class SharedAffinity(Affinity):
    """Owners that every worker knows."""

    changes: Changes = field(factory=Changes, kw_only=True)

    def pin(self, client: str, names: Iterable[str], account: str, now: float) -> None:
        """As an affinity does, and told."""
        for name in names:
            key, until = key_of(client, name), now + (STATE_S if is_state(name) else PIN_S)
            known = self._pins.get(key)
            self._put(key, account, until)
            if known is None or known[0] != account or known[1] < until - SAME_S:
                self.changes.pinned(key, account, until)
        self._trim()

    def take_up(self, pins: Iterable[tuple[bytes, str, float]]) -> None:
        """What other workers know; of two owners the later one."""
        for key, account, until in pins:
            known = self._pins.get(key)
            if known is None or known[1] <= until:
                self._put(key, account, until)
        self._trim()

    def _put(self, key: bytes, account: str, until: float) -> None:
        self._pins[key] = (account, until)
        self._pins.move_to_end(key)

    def _trim(self) -> None:
        while len(self._pins) > self.most:
            self._pins.popitem(last=False)

    def told(self) -> list[tuple[bytes, str, float]]:
        """Every owner there is, the longest unseen first."""
        return [(key, account, until) for key, (account, until) in self._pins.items()]


@define(eq=False)
class SharedMeter(Meter):
    """What one key has used at all workers; ``own`` what it has in flight here."""

    name: str = ""
    changes: Changes = field(factory=Changes)
    own: Hold = NOTHING

    def admit(self, tokens: int, uusd: int, now: float) -> Reservation | Over:
        """As a meter does, and told; where there are limits, by all that others have let in."""
        limited = self.is_limited
        if limited:
            self.changes.look()
        found = super().admit(tokens, uusd, now)
        if isinstance(found, Over):
            return found
        self._hold(1, found.tokens, found.uusd)
        self.changes.used(self.name, now, 1, 0, 0)
        if limited:
            self.changes.lay()
        return SharedReservation(self, now, found.tokens, found.uusd)

    def settled(self, place: Reservation, tokens: int, uusd: int) -> None:
        """A request of this worker is over: told."""
        self._hold(-1, -place.tokens, -place.uusd)
        self.changes.used(self.name, place.at, 0, tokens, uusd)
        if self.is_limited:
            self.changes.lay()

    @property
    def is_limited(self) -> bool:
        """Whether what others let in decides what may be let in here."""
        plan = self.plan
        return plan.has_limits or plan.max_parallel is not None or plan.is_metered

    def _hold(self, requests: int, tokens: int, uusd: int) -> None:
        before = self.own
        self.own = (before[0] + requests, before[1] + tokens, before[2] + uusd)
        self.changes.held(self)

    def take_up(self, used: Used, now: float) -> None:
        """Another worker let a request in, or ended one."""
        if used.requests:
            self.requests.add(used.requests, now)
        if used.tokens:
            self.tokens.add(used.tokens, now)
        self.periods.add(used.requests, used.tokens, used.uusd, used.at, now)

    def elsewhere(self, before: Hold, after: Hold) -> None:
        """What another worker has in flight is no longer ``before`` but ``after``."""
        self.in_flight += after[0] - before[0]
        self.held_tokens += after[1] - before[1]
        self.held_uusd += after[2] - before[2]

    def told(self, now: float) -> dict[str, Any]:
        """What was used, for a worker that starts."""
        periods = {per: self.spent(per, now) for per in PERIODS}
        return {
            "requests": self.requests.parts(now),
            "tokens": self.tokens.parts(now),
            "periods": {
                per: (each.begins_at, each.requests, each.tokens, each.uusd)
                for per, each in periods.items()
            },
        }

    def at_least(self, told: Mapping[str, Any], now: float) -> None:
        """No less was used than another worker knows of; what both know counts once."""
        self.requests.at_least(told["requests"], now)
        self.tokens.at_least(told["tokens"], now)
        for per, (begins_at, *numbers) in told["periods"].items():
            period = self.spent(per, now)
            if period.begins_at == begins_at:
                known = (period.requests, period.tokens, period.uusd)
                period.requests, period.tokens, period.uusd = map(max, known, numbers)


class SharedReservation(Reservation, eq=False, gc=False):
    """A place whose end is told."""

    def settle(self, tokens: int, uusd: int, now: float) -> None:
        """As a reservation does, and told."""
        if self.is_open and isinstance(self.meter, SharedMeter):
            self.meter.settled(self, tokens, uusd)
        super().settle(tokens, uusd, now)


@define
class SharedLimits(Limits):
    """The meters of all keys, over all workers."""

    changes: Changes = field(factory=Changes, kw_only=True)
    _elsewhere: dict[int, dict[str, tuple[int, Hold]]] = field(factory=dict)

    def of(self, name: str) -> SharedMeter:
        """The meter of a key."""
        meter = self._meters.get(name)
        if not isinstance(meter, SharedMeter):
            meter = self._meters[name] = SharedMeter(name=name, changes=self.changes)
        return meter

    def holds(self, worker: int, told: Holds) -> None:
        """What keys have in flight at another worker; of two words on a key the later counts."""
        known = self._elsewhere.setdefault(worker, {})
        for key, hold in told.now.items():
            number, before = known.get(key, (0, NOTHING))
            if told.number >= number:
                self.of(key).elsewhere(before, hold)
                known[key] = (told.number, hold)

    def lost(self, worker: int) -> None:
        """A worker is gone, and what was in flight there with it."""
        for key, (_, hold) in self._elsewhere.pop(worker, {}).items():
            self.of(key).elsewhere(hold, NOTHING)

    def own(self) -> Holds:
        """What keys have in flight here."""
        meters = (self.of(name) for name in self._meters)
        now = {meter.name: meter.own for meter in meters if meter.own != NOTHING}
        return Holds(self.changes.number, now)

    def told(self, now: float) -> dict[str, dict[str, Any]]:
        """What every key has used, for a worker that starts."""
        return {name: self.of(name).told(now) for name in self._meters}
