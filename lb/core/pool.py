"""The pool: who may serve a request, who does, and what was learned of each account.

Filter first, then choose (law 7): ``Slot.judge`` says who may, a strategy says who does, and
affinity is a preference between the two. Every pick reserves its place at once.
"""

from collections.abc import Collection, Iterable, Sequence
from random import Random
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field, frozen

from lb.core.account import Account, Ask
from lb.core.affinity import Affinity
from lb.core.effects import EFFECTS, restores
from lb.core.events import (
    Blocked,
    Event,
    Measured,
    Restored,
    Succeeded,
    Throttled,
)
from lb.core.health import WELL, State, step
from lb.core.slot import ANY_MOMENT, ELIGIBLE, SECOND, SERVES, Origin, Slot, Verdict, in_order
from lb.core.strategies import Strategy
from lb.core.strategies.quick import QUICK, Group

LOOK_AT_ALL = 64  # one pick in so many looks at every account
DRAW_ABOVE = 4  # accounts; fewer are looked at all


Found = tuple[Slot, Verdict, str | None]
"""Who serves; READY or SECOND; the account the conversation belongs to, if any is known."""


@frozen
class Wait:
    """Nobody can serve just now.

    ``until`` when the soonest is back (unix seconds, None: unknown), ``busy`` whether one may be so
    at any moment.
    """

    until: float | None
    busy: bool


@define(eq=False)
class Pool:
    """The live pool. No clock, no chance: ``now`` (unix seconds) and ``rng`` are arguments.

    ``standings`` is what ``notes`` took of all accounts; None once something happened to one.
    """

    strategy: Strategy
    slots: dict[str, Slot] = field(factory=dict)
    affinity: Affinity = field(factory=Affinity)
    standings: tuple[tuple[Any, ...], ...] | None = None
    _groups: list[list[Slot]] = field(factory=list)
    _best: Group = field(factory=lambda: Group.of(()))  # of the first of the groups
    _picks: int = 0

    def update(self, accounts: Iterable[Account], strategy: Strategy | None = None) -> None:
        """Take up what the config says now; what is known of accounts that stay is kept.

        An account whose credential changed may serve again: a person has acted.
        """
        if strategy is not None:
            self.strategy = strategy
        slots: dict[str, Slot] = {}
        origins: dict[str, Origin] = {}
        for account in accounts:
            slot = self.slots.get(account.id) or Slot(account)
            if origin_of(slot.account) != origin_of(account):
                slot.origin = Origin()
            changed = slot.account.api_key != account.api_key or slot.account.kind != account.kind
            if changed and slot.health.state is State.REFUSED:
                slot.health = WELL
            if slot.account.max_in_flight != account.max_in_flight:
                slot.limit = float(account.max_in_flight)
            slot.account = account
            slot.origin = origins.setdefault(origin_of(account), slot.origin)
            slots[account.id] = slot
        self.slots = slots
        self.regroup()
        self.standings = None

    def regroup(self) -> None:
        """Order the enabled accounts into their priority groups."""
        groups: dict[int, list[Slot]] = {}
        for slot in self.slots.values():
            if slot.account.enabled:
                groups.setdefault(slot.account.priority, []).append(slot)
        self._groups = [groups[priority] for priority in sorted(groups)]
        self._best = Group.of(self._groups[0] if self._groups else ())

    def enabled(self) -> Iterable[Slot]:
        """The slots in use, in order of priority."""
        return (slot for group in self._groups for slot in group)

    def pick(
        self, ask: Ask, now: float, rng: Random, shunned: Collection[str] = ()
    ) -> Found | None:
        """The account that serves ``ask``, its place reserved; None when none may now.

        ``shunned`` are accounts tried already. Give the place back with ``release``.
        """
        found = self.find(ask, now, rng, shunned)
        if found is not None:
            slot = found[0]
            self._picks += 1
            if now < slot.health.until and slot.health.state is State.EXHAUSTED:
                slot.plan_canary(now)
            slot.take(now, self._picks)
            self._best.picked(slot)
            if slot.probe_until:
                self.standings = None
        return found

    def find(
        self, ask: Ask, now: float, rng: Random, shunned: Collection[str] = ()
    ) -> Found | None:
        """As ``pick``, but nothing is reserved."""
        home = self.home(ask, now)
        if (quick := self._quick(ask, now, rng, shunned, home)) is not None:
            return quick, ELIGIBLE, home
        for group in in_order(self._groups, ask):
            ready: list[Slot] = []
            second: list[Slot] = []
            canary: Slot | None = None
            for slot in group:
                if slot.account.id in shunned or (ask.bound and home and slot.id != home):
                    continue
                verdict = slot.judge(ask, now)
                if verdict is ELIGIBLE:
                    ready.append(slot)
                elif verdict is SECOND:
                    second.append(slot)
                elif verdict is Verdict.EXHAUSTED and slot.wants_canary(now):
                    canary = slot
            if not ready and not second:
                continue
            slot = _at_home(ready, second, home, ask) or self.strategy(
                ready or second, ask, now, rng
            )
            if canary is not None and ready and slot.id != home:
                slot = canary  # a refusal costs one failover, an early reset gains an account
            return slot, SECOND if slot in second else ELIGIBLE, home
        return None

    def _quick(
        self, ask: Ask, now: float, rng: Random, shunned: Collection[str], home: str | None
    ) -> Slot | None:
        """What a look at all would find, without it: a large pool costs what a small one does.

        The conversation's home if it is ready, else by the strategy's quick way; both in the first
        group. None: look at all. Now and then, too, since only that sees a canary that is due.
        """
        if not self._groups or shunned or ask.order or self._picks % LOOK_AT_ALL == 0:
            return None
        group = self._groups[0]
        if home is not None:
            slot = self.slots.get(home)
            if slot is None or slot.account.priority != group[0].account.priority:
                return None
            return slot if slot.account.enabled and self._ready(slot, ask, now) else None
        quick = QUICK.get(self.strategy)
        if ask.bound or len(group) < DRAW_ABOVE or quick is None:
            return None
        return quick(self._best, ask, now, rng, lambda slot: self._ready(slot, ask, now))

    def _ready(self, slot: Slot, ask: Ask, now: float) -> bool:
        return slot.judge(ask, now) is ELIGIBLE

    def home(self, ask: Ask, now: float) -> str | None:
        """The account the conversation belongs to, if any is known."""
        if not ask.anchors and not ask.session:
            return None
        names = (*ask.anchors, ask.session) if ask.session else ask.anchors
        return self.affinity.owner(ask.client, names, now)

    def wait(self, ask: Ask, now: float, shunned: Collection[str] = ()) -> Wait:
        """How long until someone may serve ``ask``, when ``pick`` gave nobody."""
        soonest: float | None = None
        busy = False
        home = self.home(ask, now) if ask.bound else None
        for slot in self.enabled():
            if slot.id in shunned or (home and slot.id != home):
                continue
            verdict = slot.judge(ask, now)
            if verdict in SERVES:
                return Wait(now, busy=True)  # it came back this very moment
            if verdict in ANY_MOMENT and (verdict is not Verdict.REFRESHING or not shunned):
                busy = True  # who may ask one again that failed does not wait for a renewal
            back = slot.back_at(verdict, ask)
            if back is not None and (soonest is None or back < soonest):
                soonest = back
        return Wait(soonest, busy)

    def release(self, slot: Slot) -> None:
        """Give a place back."""
        if slot.probe_until:
            self.standings = None
        slot.give_back()
        self._best.changed(slot)

    def changed(self, slot: Slot) -> None:
        """``slot`` was put back as it once stood."""
        self.standings = None
        self._best.changed(slot)

    def reached(self, slot: Slot) -> None:
        """The host behind an account has answered."""
        if slot.origin.streak:
            slot.origin.answered()
            self.standings = None

    def unreached(self, slot: Slot, now: float, jitter: float) -> None:
        """The host behind an account could not be reached; ``jitter`` in 0..1 is chance."""
        slot.origin.failed(now, jitter)
        self.standings = None

    def learn(self, event: Event) -> bool:
        """Take up what happened; whether the account's standing changed (and so is to be kept)."""
        if (slot := self.slots.get(event.account)) is None:
            return False
        before, limit = slot.health, slot.limit
        slot.health = step(before, event)
        changed = slot.health is not before and slot.health != before
        if (take_up := EFFECTS.get(type(event))) is not None:
            take_up(slot, event)
        if isinstance(event, Succeeded) and not changed and slot.limit == limit:
            return False  # as it was
        self.standings = None
        if isinstance(event, Throttled) and slot.health.streak > before.streak:
            slot.slow_down()  # once an incident, however many requests saw it
        if isinstance(event, Measured):
            self._best.changed(slot)
            if restores(slot, event):
                back = Restored(event.account, event.at, "its quota is back")
                slot.health = step(slot.health, back)
                return True
        return changed or isinstance(event, (Blocked, Restored))


def origin_of(account: Account) -> str:
    """Scheme, host and port an account is reached at: what is up or down together."""
    parts = urlsplit(account.base_url)
    return f"{parts.scheme}://{parts.netloc} {account.proxy or ''}"


def _at_home(
    ready: Sequence[Slot], second: Sequence[Slot], home: str | None, ask: Ask
) -> Slot | None:
    """The conversation's own account, if it may serve.

    A doubtful home loses to a ready stranger, unless it holds ciphertexts of the conversation.
    """
    if home is None:
        return None
    slots = [*ready, *second] if ask.anchors or not ready else ready
    return next((slot for slot in slots if slot.id == home), None)
