"""Two workers that tell each other what they do are one: in limits, in places, in owners."""

from random import Random

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from lb.core.account import Account
from lb.core.affinity import PIN_S
from lb.core.changes import Changes
from lb.core.events import Throttled
from lb.core.limits import Limits, Over, Reservation
from lb.core.plans import Plan
from lb.core.sharing import SAME_S, SharedAffinity, SharedLimits, SharedPool
from lb.core.spans import PERIODS
from lb.core.strategies import STRATEGIES
from lb.core.tidings import (
    Ended,
    Flights,
    Happened,
    Holds,
    Messages,
    Pinned,
    Tiding,
    Used,
    message_of,
)
from tests.core.happenings import ASK, NOW

PLAN = Plan(rpm=5, rpd=8, tpm=400, tpd=900, max_parallel=3)


@define(eq=False)
class Worker:
    """One of two: its parts, and what it hears."""

    number: int
    changes: Changes = field(factory=Changes)
    limits: SharedLimits = field(init=False)
    pool: SharedPool = field(init=False)
    affinity: SharedAffinity = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.limits = SharedLimits(changes=self.changes)
        self.limits.take_up({"k": PLAN})
        self.affinity = SharedAffinity(changes=self.changes)
        strategy = STRATEGIES["least_loaded"]
        self.pool = SharedPool(strategy, affinity=self.affinity, changes=self.changes)
        self.pool.update(Account(n, "openai", "https://x.test", max_in_flight=2) for n in "ab")

    def tell(self, other: "Worker", now: float) -> None:
        (heard,) = Messages().feed(message_of(self.changes.taken()))
        for tiding in heard:
            other.hear(self.number, tiding, now)

    def hear(self, worker: int, tiding: Tiding, now: float) -> None:
        match tiding:
            case Used():
                self.limits.of(tiding.key).take_up(tiding, now)
            case Holds():
                self.limits.holds(worker, tiding)
            case Flights():
                self.pool.flies(worker, tiding.now)
            case Pinned():
                self.affinity.take_up(tiding.pins)

    def lose(self, worker: int) -> None:
        self.limits.lost(worker)
        self.pool.lost(worker)


def pair() -> tuple[Worker, Worker]:
    return Worker(0), Worker(1)


acts = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["admit", "settle", "wait"]),
        st.integers(0, 300),
        st.floats(0, 40),
    ),
    max_size=40,
)


@given(acts)
def test_two_workers_that_hear_each_other_let_in_what_one_would(
    told: list[tuple[int, str, int, float]],
) -> None:
    workers, alone = pair(), Limits()
    alone.take_up({"k": PLAN})
    places: list[tuple[Reservation, Reservation]] = []
    now = NOW
    for who, act, amount, wait_s in told:
        if act == "wait":
            now += wait_s
        elif act == "settle" and places:
            for place in places.pop(0):
                place.settle(amount, amount * 3, now)
        elif act == "admit":
            found = workers[who].limits.of("k").admit(amount, 1, now)
            wanted = alone.of("k").admit(amount, 1, now)
            assert isinstance(found, Over) == isinstance(wanted, Over)
            if isinstance(found, Reservation) and isinstance(wanted, Reservation):
                places.append((found, wanted))
        workers[0].tell(workers[1], now)
        workers[1].tell(workers[0], now)
        for worker in workers:
            mine, one = worker.limits.of("k"), alone.of("k")
            assert mine.in_flight == one.in_flight
            assert (mine.held_tokens, mine.held_uusd) == (one.held_tokens, one.held_uusd)
            assert mine.requests.used(now) == one.requests.used(now)
            assert mine.tokens.used(now) == one.tokens.used(now)
            for per in PERIODS:
                day, same = mine.spent(per, now), one.spent(per, now)
                assert (day.requests, day.tokens) == (same.requests, same.tokens)
                assert day.uusd == same.uusd


@given(acts)
def test_one_that_starts_later_knows_what_was_used_and_hearing_it_twice_changes_nothing(
    told: list[tuple[int, str, int, float]],
) -> None:
    old, young = pair()
    now = NOW
    for _, act, amount, wait_s in told:
        now += wait_s / 4
        if act == "admit":
            place = old.limits.of("k").admit(amount, 1, now)
            if isinstance(place, Reservation):
                place.settle(amount, amount, now)
    for _ in range(2):
        for name, used in old.limits.told(now).items():
            young.limits.of(name).at_least(used, now)
    mine, theirs = young.limits.of("k"), old.limits.of("k")
    assert mine.requests.parts(now) == theirs.requests.parts(now)
    assert mine.tokens.used(now) == theirs.tokens.used(now)
    assert young.limits.told(now) == old.limits.told(now)


def test_what_a_dead_worker_had_in_flight_is_free_again() -> None:
    one, other = pair()
    for _ in range(2):
        assert isinstance(one.limits.of("k").admit(10, 5, NOW), Reservation)
        assert one.pool.pick(ASK, NOW, Random(1)) is not None
    one.tell(other, NOW)
    assert other.limits.of("k").in_flight == 2
    assert [slot.in_flight for slot in other.pool.slots.values()] == [1, 1]
    other.lose(0)
    meter = other.limits.of("k")
    assert (meter.in_flight, meter.held_tokens, meter.held_uusd) == (0, 0, 0)
    assert [slot.in_flight for slot in other.pool.slots.values()] == [0, 0]
    assert meter.requests.used(NOW) == 2, "what it used it has used"


@given(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=40))
def test_no_account_has_more_in_flight_than_it_may_over_both(
    told: list[tuple[int, bool]],
) -> None:
    workers = pair()
    mine: tuple[list[str], list[str]] = ([], [])
    for who, asks in told:
        if asks:
            found = workers[who].pool.pick(ASK, NOW, Random(1))
            if found is not None:
                mine[who].append(found[0].id)
        elif mine[who]:
            workers[who].pool.release(workers[who].pool.slots[mine[who].pop()])
        workers[who].tell(workers[1 - who], NOW)
        for account in "ab":
            flying = mine[0].count(account) + mine[1].count(account)
            assert flying <= 2
            assert [worker.pool.slots[account].in_flight for worker in workers] == [flying] * 2
            assert [worker.pool.slots[account].own for worker in workers] == [
                each.count(account) for each in mine
            ]


def test_an_account_that_went_and_came_back_counts_anew() -> None:
    one, other = pair()
    one.pool.pick(ASK, NOW, Random(1))
    one.tell(other, NOW)
    other.pool.update([Account("b", "openai", "https://x.test")])
    other.pool.update([Account(name, "openai", "https://x.test") for name in "ab"])
    one.pool.release(one.pool.slots["a"])
    one.tell(other, NOW)
    assert [slot.in_flight for slot in other.pool.slots.values()] == [0, 0]


def test_an_owner_is_told_once_until_it_is_worth_telling_again() -> None:
    one, other = pair()
    for later_s in (0.0, 1.0, SAME_S / 2):
        one.affinity.pin("c", ("session:x",), "a", NOW + later_s)
    assert len(one.changes.taken()) == 1
    one.affinity.pin("c", ("session:x",), "a", NOW + SAME_S / 2)
    assert one.changes.taken() == []
    one.affinity.pin("c", ("session:x",), "a", NOW + 2 * SAME_S)
    one.affinity.pin("c", ("session:y",), "b", NOW)
    one.tell(other, NOW)
    assert other.affinity.owner("c", ("session:x",), NOW + PIN_S + SAME_S) == "a"
    assert other.affinity.owner("c", ("session:y",), NOW) == "b"
    assert other.affinity.owner("d", ("session:y",), NOW) is None
    assert other.changes.taken() == [], "what is heard is not told on"


def test_of_two_owners_the_later_counts() -> None:
    one, other = pair()
    one.affinity.pin("c", ("session:x",), "a", NOW)
    other.affinity.pin("c", ("session:x",), "b", NOW + 1)
    one.tell(other, NOW)
    other.tell(one, NOW)
    assert one.affinity.owner("c", ("session:x",), NOW) == "b"
    assert other.affinity.owner("c", ("session:x",), NOW) == "b"


def test_owners_are_told_before_all_else_and_everything_once() -> None:
    nudges: list[bool] = []
    changes = Changes(lambda *, soon: nudges.append(soon))
    worker = Worker(0, changes)
    worker.pool.pick(ASK, NOW, Random(1))
    worker.limits.of("k").admit(1, 1, NOW)
    changes.ended(failed=True)
    assert nudges == [False], "one nudge for however much"
    changes.happened(Throttled("a", NOW, "429"))
    worker.affinity.pin("c", ("resp:1",), "a", NOW)
    assert nudges == [False, True], "what changes a standing does not wait"
    told = changes.taken()
    kinds = [type(each) for each in told]
    assert kinds == [Pinned, Holds, Used, Happened, Flights, Ended]
    assert changes.taken() == []


def test_what_is_pressing_is_laid_down_once_and_the_rest_waits() -> None:
    one, other = pair()
    laid: list[Tiding] = []

    def look() -> None:
        while laid:
            other.hear(0, laid.pop(0), NOW)

    one.changes.lay = lambda: laid.extend(one.changes.pressing())
    other.changes.look = look
    for _ in range(PLAN.max_parallel or 0):
        assert isinstance(one.limits.of("k").admit(1, 1, NOW), Reservation)
    assert isinstance(other.limits.of("k").admit(1, 1, NOW), Over), "it looked first"
    assert [type(each) for each in one.changes.taken()] == []


def test_what_is_held_counts_as_it_was_last_however_late_it_is_heard() -> None:
    one, other = pair()
    place = one.limits.of("k").admit(10, 5, NOW)
    early = one.changes.pressing()
    assert isinstance(place, Reservation)
    place.settle(10, 5, NOW)
    for tiding in (*one.changes.pressing(), *early):
        other.hear(0, tiding, NOW)
    assert other.limits.of("k").in_flight == 0
    assert other.limits.of("k").requests.used(NOW) == 1
