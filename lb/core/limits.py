"""How much of its plan each client key has used: reserved before a request, settled after it.

A request counts at once; its tokens and its cost are held by an estimate while it is in flight and
replaced by the real ones when it ends. Days and budgets charge the period in which a request was
admitted, so that the ledger's rows, summed, give the same after a restart; the sliding minute
charges tokens when they are known. Nothing here waits, so what is asked and reserved is one step:
however many ask at once, no limit on requests is ever passed by one.
"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

from attrs import define, field, frozen
from msgspec import Struct

from lb.core.plans import Plan
from lb.core.spans import Minute, Period, Periods

SOON_S: Final = 1.0
"""When to come back where only requests in flight are in the way: they end any moment."""


@frozen
class Over:
    """A limit that a request would pass.

    ``limit`` its name in the plan, ``most`` what it allows, ``used`` what is used of it and
    ``held`` by requests in flight; ``retry_after_s`` None: waiting does not help.
    """

    limit: str
    most: int
    used: int
    held: int
    retry_after_s: float | None


@frozen
class Spending:
    """What a key has used since some instant, by the ledger's rows."""

    key: str
    requests: int
    tokens: int
    cost_uusd: int


@define(eq=False)
class Meter:
    """What one key has used of its plan."""

    plan: Plan = field(factory=Plan)
    in_flight: int = 0
    held_tokens: int = 0
    held_uusd: int = 0
    requests: Minute = field(factory=Minute)
    tokens: Minute = field(factory=Minute)
    periods: Periods = field(factory=Periods)

    def admit(self, tokens: int, uusd: int, now: float) -> "Reservation | Over":
        """A place for a request of about ``tokens`` and ``uusd``; or the limit it would pass.

        A request larger than a limit on tokens may have all of it. Of several limits the one that
        takes longest is told.
        """
        plan = self.plan
        tokens = min(tokens, plan.tpm or tokens, plan.tpd or tokens)
        if plan.has_limits or plan.is_metered or plan.max_parallel is not None:
            overs = [*self._requests_over(plan, now), *self._tokens_over(plan, tokens, now)]
            overs += self._money_over(plan, now)
            if overs:
                return max(overs, key=_patience)
        self.in_flight += 1
        self.held_tokens += tokens
        self.held_uusd += uusd
        self.requests.add(1, now)
        self.periods.let_in(now)
        return Reservation(self, now, tokens, uusd)

    def spent(self, per: str, now: float) -> Period:
        """What was used in the current period."""
        return self.periods.of(per, now)

    def room(self, now: float) -> float:
        """How many requests, one after the other, their limits still let in now."""
        plan, left = self.plan, inf
        if plan.rpm is not None:
            left = plan.rpm - self.requests.used(now)
        if plan.rpd is not None:
            left = min(left, plan.rpd - self.spent("day", now).requests)
        return left

    def _requests_over(self, plan: Plan, now: float) -> Iterable[Over]:
        if plan.max_parallel is not None and self.in_flight >= plan.max_parallel:
            yield Over("max_parallel", plan.max_parallel, self.in_flight, 0, SOON_S)
        if plan.rpm is not None and (used := self.requests.used(now)) >= plan.rpm:
            wait_s = self.requests.falls_to(plan.rpm - 1, now) - now
            yield Over("rpm", plan.rpm, used, 0, wait_s)
        if plan.rpd is not None:
            day = self.spent("day", now)
            if day.requests >= plan.rpd:
                yield Over("rpd", plan.rpd, day.requests, 0, day.ends_at - now)

    def _tokens_over(self, plan: Plan, tokens: int, now: float) -> Iterable[Over]:
        wanted = self.held_tokens + tokens
        if plan.tpm is not None and (used := self.tokens.used(now)) + wanted > plan.tpm:
            wait_s = max(SOON_S, self.tokens.falls_to(plan.tpm - tokens, now) - now)
            yield Over("tpm", plan.tpm, used, self.held_tokens, wait_s)
        if plan.tpd is not None:
            day = self.spent("day", now)
            if day.tokens + wanted > plan.tpd:
                alone = day.tokens + tokens > plan.tpd
                wait_s = day.ends_at - now if alone else SOON_S
                yield Over("tpd", plan.tpd, day.tokens, self.held_tokens, wait_s)

    def _money_over(self, plan: Plan, now: float) -> Iterable[Over]:
        """Money is let through while some is left: the price of a request is known after it."""
        held = self.held_uusd
        if plan.balance_uusd is not None:
            used = self.spent("total", now).uusd
            if used + held >= plan.balance_uusd:
                wait_s = None if used >= plan.balance_uusd else SOON_S
                yield Over("balance", plan.balance_uusd, used, held, wait_s)
        if plan.budget is not None:
            period = self.spent(plan.budget.per, now)
            if period.uusd + held >= plan.budget.uusd:
                left_s = None if period.ends_at == inf else period.ends_at - now
                wait_s = left_s if period.uusd >= plan.budget.uusd else SOON_S
                yield Over("budget", plan.budget.uusd, period.uusd, held, wait_s)


def _patience(over: Over) -> float:
    return inf if over.retry_after_s is None else over.retry_after_s


class Reservation(Struct, eq=False, gc=False):
    """A request that was let in at ``at``, with what is held for it until it is settled."""

    meter: Meter
    at: float
    tokens: int
    uusd: int
    is_open: bool = True

    def settle(self, tokens: int, uusd: int, now: float) -> None:
        """It ended and used this much. Once only: what is settled twice counts once."""
        if not self.is_open:
            return
        self.is_open = False
        meter = self.meter
        meter.in_flight -= 1
        meter.held_tokens -= self.tokens
        meter.held_uusd -= self.uusd
        meter.tokens.add(tokens, now)
        meter.periods.add(0, tokens, uusd, self.at, now)


@define
class Limits:
    """The meters of all keys, by name. One whose key is gone stays: it may come back."""

    _meters: dict[str, Meter] = field(factory=dict)

    def take_up(self, plans: Mapping[str, Plan]) -> None:
        """Count by these plans from now on; what was used is kept."""
        for name, plan in plans.items():
            self.of(name).plan = plan

    def of(self, name: str) -> Meter:
        """The meter of a key."""
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[name] = Meter()
        return meter

    def restore(self, spending: Mapping[str, Iterable[Spending]], now: float) -> None:
        """Set what was used in the current day, week, month, and in total, from the store.

        Requests in flight have no row yet; they were counted when they were let in.
        """
        for per, rows in spending.items():
            for row in rows:
                meter = self.of(row.key)
                period = meter.spent(per, now)
                period.requests = row.requests + meter.in_flight
                period.tokens = row.tokens
                period.uusd = row.cost_uusd
