"""A slot: an account and all that is known of it now; and whether it may serve a request."""

from enum import Enum

from attrs import define, field, frozen

from lb.core.account import Account, Ask
from lb.core.events import Blocked
from lb.core.health import DOUBTFUL, OUT_UNTIL, READY, WELL, Health, State
from lb.core.load import Load
from lb.core.windows import Window
from lb.core.windows import room as room_of

CANARY_S = 300.0  # an exhausted account is asked again this often at most, while others can serve
CANARY_SHARE = 20  # ... and about this often within its exhaustion
ORIGIN_BACKOFF_S = 0.1
LONGEST_ORIGIN_BACKOFF_S = 30.0
PROBE_S = (
    60.0  # a half-open account answers one request at a time; one that never ends counts no longer
)


class Verdict(Enum):
    """Whether a slot may serve a request now, and if not, why."""

    READY = "eligible"
    SECOND = "second choice"
    BUSY = "all its places are taken"
    COOLING = "cooling"
    EXHAUSTED = "exhausted"
    REFRESHING = "refreshing its token"
    PROBING = "half open: one request is trying it"
    REFUSED = "refused"
    PAUSED = "paused"
    BLOCKED = "does not have the model for now"
    MODEL = "its models do not include this one"
    FIELD = "does not take a field of the request"
    KIND = "its kind has no such endpoint"
    OWNER = "another account holds the state the request names"
    KEY = "the client's key may not use it"
    TRIED = "tried already"
    ONLY = "not among the accounts the request allows"

    __hash__ = object.__hash__  # as State's


ELIGIBLE, SECOND = Verdict.READY, Verdict.SECOND
SERVES = frozenset({ELIGIBLE, SECOND})
ANY_MOMENT = SERVES | {Verdict.BUSY, Verdict.PROBING, Verdict.REFRESHING}
"""Verdicts that may be over at any moment, however long they may last at the most."""
NEVER = frozenset(
    {Verdict.MODEL, Verdict.FIELD, Verdict.KIND, Verdict.OWNER, Verdict.KEY, Verdict.ONLY}
)
"""Verdicts of what the request is, not of how the account fares: waiting does not help."""

_OF_STATE = {
    State.COOLING: Verdict.COOLING,
    State.EXHAUSTED: Verdict.EXHAUSTED,
    State.REFRESHING: Verdict.REFRESHING,
    State.REFUSED: Verdict.REFUSED,
    State.PAUSED: Verdict.PAUSED,
}


@define
class Origin:
    """The host behind some accounts. Its faults (DNS, TLS, connect) mark none of them.

    ``until`` unix seconds: until then its accounts are second choice.
    """

    until: float = 0.0
    streak: int = 0

    def failed(self, now: float, jitter: float) -> None:
        """It could not be reached; backs off from ORIGIN_BACKOFF_S, doubling, full jitter."""
        self.streak = min(self.streak + 1, 20)
        wait_s = min(LONGEST_ORIGIN_BACKOFF_S, ORIGIN_BACKOFF_S * 2.0**self.streak)
        self.until = now + wait_s * jitter

    def answered(self) -> None:
        """It was reached."""
        self.until, self.streak = 0.0, 0


@frozen
class Mishap:
    """The last thing that went wrong with an account."""

    at: float
    reason: str


@define
class _Room:
    """The headroom of some windows, as it is from ``since`` until the next of them starts anew."""

    windows: tuple[Window, ...]
    share: float
    since: float
    until: float


@define
class Counts:
    """Attempts since start."""

    requests: int = 0
    succeeded: int = 0
    failed: int = 0


@define(eq=False)
class Slot:
    """``limit`` is how many may be in flight at present (AIMD, at most the account's own cap)."""

    account: Account
    health: Health = WELL
    origin: Origin = field(factory=Origin)
    windows: tuple[Window, ...] = ()
    load: Load = field(factory=Load)
    in_flight: int = 0
    elsewhere: int = 0  # of those in flight, how many are at other workers
    limit: float = 0.0
    blocks: dict[str, Blocked] = field(factory=dict)
    counts: Counts = field(factory=Counts)
    mishap: Mishap | None = None
    picked: int = 0  # the pool's count of picks when this one was last picked
    probe_until: float = 0.0
    canary_at: float = 0.0
    measured_at: float = 0.0
    _room: "_Room | None" = None

    id: str = field(init=False)  # the account's; an account that changes keeps it

    def __attrs_post_init__(self) -> None:
        """A new slot may use all the places the account allows."""
        self.id = self.account.id
        self.limit = self.limit or float(self.account.max_in_flight)

    @property
    def own(self) -> int:
        """How many of those in flight are this process's."""
        return self.in_flight - self.elsewhere

    def judge(self, ask: Ask, now: float) -> Verdict:
        """Whether this slot may serve ``ask`` at ``now``; eligibility only, never choice."""
        never = self._never(ask)
        if never is not None:
            return never
        block = self.blocks.get(ask.model)
        if block is not None and now < block.until:
            return Verdict.BLOCKED
        state = self.health.state
        if state is not READY and state is not DOUBTFUL:
            return self._half_open(state, now)
        if self.in_flight >= self.limit:
            return Verdict.BUSY
        if state is DOUBTFUL and now < self.health.until:
            return SECOND
        if now < self.origin.until:
            return SECOND
        if self.windows and self.headroom(now) <= 0.0:
            return SECOND
        return ELIGIBLE

    def headroom(self, now: float) -> float:
        """The share left in its tightest window, 0..1; 1 when nothing is known."""
        return self._room_at(now).share

    def resets_at(self, now: float) -> float:
        """When the next of its windows starts anew (unix seconds); infinite when none is known."""
        return self._room_at(now).until

    def _room_at(self, now: float) -> "_Room":
        """What the windows say, read once for each reading and each reset: every pick asks."""
        room = self._room
        if room is None or room.windows is not self.windows or not room.since <= now < room.until:
            share, until = room_of(self.windows, now)
            room = self._room = _Room(self.windows, share, now, until)
        return room

    def _never(self, ask: Ask) -> Verdict | None:
        """Why this account is not for such a request, however it fares; None when it is."""
        account = self.account
        if (ask.accounts or ask.labels) and not ask.may_use(account):
            return Verdict.KEY
        if ask.only and not account.fulfils(ask.only):
            return Verdict.ONLY
        if account.models and not account.serves(ask.model):
            return Verdict.MODEL
        if ask.kinds and account.kind not in ask.kinds:
            return Verdict.KIND
        return None if account.takes(ask.needs) else Verdict.FIELD

    def _half_open(self, state: State, now: float) -> Verdict:
        if state not in OUT_UNTIL or now < self.health.until:
            return _OF_STATE[state]
        if now < self.probe_until:
            return Verdict.PROBING
        return ELIGIBLE if self.has_room() else Verdict.BUSY

    def has_room(self) -> bool:
        """Whether the account's own cap leaves room for a probe, whatever the limit is now."""
        return self.in_flight < self.account.max_in_flight

    def back_at(self, verdict: Verdict, ask: Ask) -> float | None:
        """When a slot so judged may serve again (unix seconds); None when no time can be told."""
        if verdict in (Verdict.COOLING, Verdict.EXHAUSTED, Verdict.REFRESHING):
            return self.health.until
        if verdict is Verdict.BLOCKED:
            return self.blocks[ask.model].until
        return None

    def take(self, now: float, sequence: int) -> None:
        """Reserve a place at once, so that two picks never see the same gap."""
        self.in_flight += 1
        self.counts.requests += 1
        self.picked = sequence
        if self.health.state in OUT_UNTIL:
            self.probe_until = now + PROBE_S

    def give_back(self) -> None:
        """The request left, however it ended."""
        self.in_flight = max(0, self.in_flight - 1)
        self.probe_until = 0.0

    def slow_down(self) -> None:
        """A burst limit struck: half as many in flight, at least one (multiplicative decrease)."""
        self.limit = max(1.0, min(self.limit, float(self.in_flight)) / 2)

    def speed_up(self) -> None:
        """An answer came: one more in flight for each round of them (additive increase)."""
        cap = float(self.account.max_in_flight)
        if self.limit < cap:
            self.limit = min(cap, self.limit + 1.0 / max(1.0, self.limit))

    def wants_canary(self, now: float) -> bool:
        """Whether an exhausted account is due to be asked again."""
        return self.canary_at <= now and self.has_room()

    def plan_canary(self, now: float) -> None:
        """When to ask an exhausted account again before its reset, in case it came early."""
        self.canary_at = now + max(CANARY_S, (self.health.until - now) / CANARY_SHARE)


def in_order(groups: list[list[Slot]], ask: Ask) -> list[list[Slot]]:
    """The groups, cut anew so that the accounts ``ask`` prefers come first."""
    if not ask.order:
        return groups
    ranks = range(len(ask.order) + 1)
    cut = [
        [slot for slot in group if ask.rank(slot.account) == rank]
        for rank in ranks
        for group in groups
    ]
    return [group for group in cut if group]
