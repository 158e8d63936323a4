"""When a person is told: the state of the pool in, messages out; each once, and once when over.

A condition that holds for its ``hold_s`` becomes a message; one that has been gone for ``REST_S``
ends in another. So a pool that flaps is told of once. No clock: ``now`` (unix seconds) comes in.
"""

from collections.abc import Callable, Iterator, Mapping

from attrs import define, field, frozen

from lb.core.health import OUT_UNTIL, State
from lb.core.nobody import clock_time

REST_S = 30.0  # a condition is over once it has been gone for this long
LEAST_REQUESTS = 20  # in five minutes; fewer prove no error share
BUDGET_STEPS = (1.0, 0.8)  # shares of a budget worth a message
NEEDS_LOGIN = "needs login"  # what a refusal says that a new login ends
LONGEST_REASON = 300  # characters


@frozen
class Standing:
    """An enabled account: its state, why, and until when (unix seconds, 0: open)."""

    account: str
    state: State
    reason: str = ""
    until: float = 0.0

    def may_serve(self, now: float) -> bool:
        """Whether it serves, or may be tried again."""
        if self.state in OUT_UNTIL:
            return now >= self.until
        return self.state in (State.READY, State.DOUBTFUL)


@frozen
class Facts:
    """What is known at one moment.

    ``requests`` and ``failed`` are of the last five minutes, no client's own fault among the
    failed; ``budgets`` the share used of each budget, by name; ``store_away`` why, "": it is there.
    """

    accounts: tuple[Standing, ...] = ()
    requests: int = 0
    failed: int = 0
    budgets: Mapping[str, float] = field(factory=dict)
    store_away: str = ""


@frozen
class Limits:
    """When it is worth a message; 0 means never."""

    min_ready: int = 1
    error_share: float = 0.25


@frozen
class Condition:
    """Something a person should know; ``key`` tells it apart from every other."""

    key: str
    rule: str
    title: str
    text: str
    over: str
    account: str = ""
    hold_s: float = 0.0


@frozen
class Message:
    """A condition that holds since ``since``, or is ``over``; ``at`` in unix seconds."""

    condition: Condition
    over: bool
    since: float
    at: float

    @property
    def title(self) -> str:
        """One line."""
        return self.condition.over if self.over else self.condition.title

    @property
    def text(self) -> str:
        """What to know beyond the title; "" when that is all."""
        if not self.over:
            return self.condition.text
        minutes = (self.at - self.since) / 60
        lasted = f"{minutes:.0f} min" if minutes >= 1 else f"{minutes * 60:.0f} s"
        return f"It lasted {lasted}."


@define
class _Known:
    condition: Condition
    since: float
    seen_at: float
    told: bool = False


@define(eq=False)
class Alerts:
    """What has been told. ``step`` it whenever there are new facts."""

    _known: dict[str, _Known] = field(factory=dict)

    def step(self, facts: Facts, limits: Limits, now: float) -> list[Message]:
        """The messages that are due."""
        due: list[Message] = []
        for condition in conditions(facts, limits, now):
            known = self._known.setdefault(condition.key, _Known(condition, now, now))
            known.condition, known.seen_at = condition, now
            if not known.told and now - known.since >= condition.hold_s:
                known.told = True
                due.append(Message(condition, over=False, since=known.since, at=now))
        for key, known in list(self._known.items()):
            if known.seen_at == now or (known.told and now - known.seen_at < REST_S):
                continue
            del self._known[key]
            if known.told:
                due.append(Message(known.condition, over=True, since=known.since, at=now))
        return due


def conditions(facts: Facts, limits: Limits, now: float) -> Iterator[Condition]:
    """What holds now, by every rule."""
    for rule in RULES:
        yield from rule(facts, limits, now)


def _refused(facts: Facts, _: Limits, __: float) -> Iterator[Condition]:
    for each in facts.accounts:
        if each.state is not State.REFUSED:
            continue
        name, reason = each.account, each.reason[:LONGEST_REASON]
        if NEEDS_LOGIN in reason:
            title, over = f"Account {name} needs login", f"Account {name} needs no login any more"
            yield Condition(f"needs_login:{name}", "needs_login", title, reason, over, name)
        else:
            title, over = f"Account {name} is refused", f"Account {name} is not refused any more"
            yield Condition(f"refused:{name}", "account_refused", title, reason, over, name)


def _exhausted(facts: Facts, _: Limits, now: float) -> Iterator[Condition]:
    usable = _usable(facts)
    if not _all_exhausted(facts, now):
        return
    until = clock_time(min(each.until for each in usable), now)
    title = f"Every account has spent its quota until {until}"
    text = f"{len(usable)} accounts: " + ", ".join(sorted(each.account for each in usable)[:20])
    yield Condition("exhausted", "pool_exhausted", title, text, "The pool has quota again")


def _few_ready(facts: Facts, limits: Limits, now: float) -> Iterator[Condition]:
    ready = sum(each.may_serve(now) for each in facts.accounts)
    if ready >= limits.min_ready or not facts.accounts or _all_exhausted(facts, now):
        return
    title = f"{ready} of {len(facts.accounts)} accounts can serve, fewer than {limits.min_ready}"
    out = (each for each in facts.accounts if not each.may_serve(now))
    text = ", ".join(f"{each.account}: {each.state.value}" for each in list(out)[:20])
    over = f"{limits.min_ready} or more accounts can serve again"
    yield Condition("few_ready", "few_ready", title, text, over, hold_s=10.0)


def _errors(facts: Facts, limits: Limits, _: float) -> Iterator[Condition]:
    if not limits.error_share or facts.requests < LEAST_REQUESTS:
        return
    share = facts.failed / facts.requests
    if share > limits.error_share:
        title = f"{share:.0%} of the requests of five minutes failed"
        text = f"{facts.failed} of {facts.requests}, more than {limits.error_share:.0%}."
        over = "Fewer requests fail again"
        yield Condition("errors", "error_share", title, text, over, hold_s=10.0)


def _budgets(facts: Facts, _: Limits, __: float) -> Iterator[Condition]:
    for name, share in facts.budgets.items():
        for step in BUDGET_STEPS:
            if share >= step:
                title = f"{name} is used up" if step == 1.0 else f"{name} is used to {step:.0%}"
                over = f"{name} is below {step:.0%} again"
                yield Condition(f"budget:{name}:{step}", "budget", title, f"{share:.0%} now.", over)


def _store(facts: Facts, _: Limits, __: float) -> Iterator[Condition]:
    if facts.store_away:
        title = "The store is away; facts wait in the journal"
        text, over = facts.store_away[:LONGEST_REASON], "The store is back"
        yield Condition("store", "store_away", title, text, over, hold_s=5.0)


def _usable(facts: Facts) -> list[Standing]:
    """The accounts nobody has taken out."""
    out = (State.PAUSED, State.REFUSED)
    return [each for each in facts.accounts if each.state not in out]


def _all_exhausted(facts: Facts, now: float) -> bool:
    usable = _usable(facts)
    return bool(usable) and all(
        each.state is State.EXHAUSTED and now < each.until for each in usable
    )


RULES: tuple[Callable[[Facts, Limits, float], Iterator[Condition]], ...] = (
    _refused,
    _exhausted,
    _few_ready,
    _errors,
    _budgets,
    _store,
)


@define(eq=False)
class Sliding:
    """Requests and failures of the last five minutes, in ten-second parts."""

    _parts: dict[int, list[int]] = field(factory=dict)

    def count(self, now: float, *, failed: int, requests: int = 1) -> None:
        """One request is over, or several, of which some ``failed``."""
        number = int(now // PART_S)
        part = self._parts.get(number)
        if part is None:
            part = self._parts[number] = [0, 0]
            for old in [each for each in self._parts if each <= number - PARTS]:
                del self._parts[old]
        part[0] += requests
        part[1] += failed

    def sums(self, now: float) -> tuple[int, int]:
        """(requests, failed)."""
        first = int(now // PART_S) - PARTS
        recent = [part for number, part in self._parts.items() if number > first]
        return sum(part[0] for part in recent), sum(part[1] for part in recent)


PART_S = 10.0
PARTS = 30
