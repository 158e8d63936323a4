"""The limiter against a model of itself that remembers everything, with a held clock."""

from math import inf

import pytest
from attrs import asdict, define
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lb.core.limits import Limits, Meter, Over, Reservation, Spending
from lb.core.plans import Budget, Plan
from lb.core.spans import DAY_S, MINUTE_S, PERIODS, Minute, Period, Periods, bounds

START = 1_760_000_000.25
TINY = Plan(rpm=3, rpd=9, tpm=60, tpd=150, max_parallel=2, budget=Budget(100, "day"))


@define
class Ended:
    """A request the model remembers: when it was let in, when it ended and what it used."""

    at: float
    held: int
    held_uusd: int
    ended_at: float = inf
    tokens: int = 0
    uusd: int = 0


class Limited(RuleBasedStateMachine):
    """Admits, settles and waits at random; nothing a plan promises is ever broken."""

    def __init__(self) -> None:
        super().__init__()
        self.meter = Meter(TINY)
        self.now = START
        self.known: list[tuple[Ended, Reservation]] = []

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.5, 1.0, 7.3, 59.9, 60.0, 61.0, 3600.0, 86400.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(tokens=st.integers(0, 100), uusd=st.integers(0, 40))
    def ask(self, tokens: int, uusd: int) -> None:
        before = self._requests(MINUTE_S)
        found = self.meter.admit(tokens, uusd, self.now)
        if isinstance(found, Over):
            self._is_true(found, tokens)
            return
        assert before < 3, "no 60 seconds hold more than rpm"
        self.known.append((Ended(self.now, found.tokens, uusd), found))

    def _is_true(self, over: Over, tokens: int) -> None:
        """What is refused would pass the limit named, by the model's own count."""
        flying, day = self._flying(), bounds("day", self.now)[0]
        held = sum(each.held for each in flying)
        wanted = min(tokens, 60)
        assert {
            "max_parallel": len(flying) >= 2,
            "rpm": self._requests(MINUTE_S + 1) >= 3,
            "rpd": sum(each.at >= day for each, _ in self.known) >= 9,
            "tpm": self._tokens(MINUTE_S + 1) + held + wanted > 60,
            "tpd": self._of_day("tokens") + held + wanted > 150,
            "budget": self._of_day("uusd") + sum(each.held_uusd for each in flying) >= 100,
        }[over.limit]
        assert over.retry_after_s is not None
        assert over.retry_after_s > 0

    @precondition(lambda self: self._flying())
    @rule(data=st.data(), tokens=st.integers(0, 90), uusd=st.integers(0, 60), twice=st.booleans())
    def settle(self, data: st.DataObject, tokens: int, uusd: int, *, twice: bool) -> None:
        flying = [pair for pair in self.known if pair[0].ended_at == inf]
        each, reservation = data.draw(st.sampled_from(flying))
        for _ in range(1 + twice):
            reservation.settle(tokens, uusd, self.now)
        each.ended_at, each.tokens, each.uusd = self.now, tokens, uusd

    @invariant()
    def what_is_counted_is_what_was(self) -> None:
        flying = self._flying()
        assert self.meter.in_flight == len(flying) <= 2
        assert self.meter.held_tokens == sum(each.held for each in flying)
        assert self.meter.held_uusd == sum(each.held_uusd for each in flying)
        assert self._requests(MINUTE_S) <= self.meter.requests.used(self.now)
        assert self.meter.requests.used(self.now) <= self._requests(MINUTE_S + 1)
        assert self._tokens(MINUTE_S) <= self.meter.tokens.used(self.now)
        assert self.meter.tokens.used(self.now) <= self._tokens(MINUTE_S + 1)
        day = self.meter.spent("day", self.now)
        assert (day.tokens, day.uusd) == (self._of_day("tokens"), self._of_day("uusd"))
        assert day.requests == sum(each.at >= day.begins_at for each, _ in self.known) <= 9
        assert self.meter.spent("total", self.now).uusd == sum(e.uusd for e, _ in self.known)

    def _flying(self) -> list[Ended]:
        return [each for each, _ in self.known if each.ended_at == inf]

    def _requests(self, seconds: float) -> int:
        return sum(each.at > self.now - seconds for each, _ in self.known)

    def _tokens(self, seconds: float) -> int:
        ended = (each for each, _ in self.known if each.ended_at != inf)
        return sum(each.tokens for each in ended if each.ended_at > self.now - seconds)

    def _of_day(self, what: str) -> int:
        begin = bounds("day", self.now)[0]
        return sum(getattr(each, what) for each, _ in self.known if each.at >= begin)


TestLimited = Limited.TestCase
TestLimited.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(
    st.lists(st.tuples(st.floats(0, 90), st.integers(0, 5)), max_size=40),
    st.integers(0, 30),
)
def test_a_minute_says_when_it_falls(steps: list[tuple[float, int]], most: int) -> None:
    minute, now = Minute(), START
    for wait_s, amount in steps:
        now += wait_s
        minute.add(amount, now)
    at = minute.falls_to(most, now)
    assert at >= now
    assert at <= now + MINUTE_S + 1
    if minute.used(now) > most:
        assert minute.used(at - 0.001) > most
    assert minute.used(at) <= most
    again = Minute()
    again.add(0, now)
    assert again.empty_at(now) == now


@given(st.lists(st.tuples(st.floats(0, 90), st.integers(0, 5)), max_size=40))
def test_a_minute_says_when_it_is_empty(steps: list[tuple[float, int]]) -> None:
    minute, now = Minute(), START
    for wait_s, amount in steps:
        now += wait_s
        minute.add(amount, now)
    assert minute.empty_at(now) == minute.falls_to(0, now)


def test_exactly_so_many_get_in_however_many_ask() -> None:
    meter = Meter(Plan(rpm=50))
    found = [meter.admit(0, 0, START) for _ in range(200)]
    assert sum(isinstance(each, Reservation) for each in found) == 50
    over = found[-1]
    assert isinstance(over, Over)
    assert over.limit == "rpm"
    assert 59 < (over.retry_after_s or 0) <= 61
    assert isinstance(meter.admit(0, 0, START + (over.retry_after_s or 0)), Reservation)


def test_a_request_larger_than_the_limit_waits_for_all_of_it() -> None:
    meter = Meter(Plan(tpm=100))
    first = meter.admit(5_000, 0, START)
    assert isinstance(first, Reservation)
    assert isinstance(meter.admit(1, 0, START), Over)
    first.settle(40, 0, START + 1)
    assert isinstance(meter.admit(61, 0, START + 1), Over)
    assert isinstance(meter.admit(60, 0, START + 1), Reservation)


def test_of_several_limits_the_one_that_takes_longest_is_told() -> None:
    meter = Meter(Plan(rpm=1, rpd=1, balance_uusd=10))
    found = meter.admit(0, 0, START)
    assert isinstance(found, Reservation)
    over = meter.admit(0, 0, START)
    assert isinstance(over, Over)
    assert over.limit == "rpd"
    found.settle(0, 11, START)
    over = meter.admit(0, 0, START)
    assert isinstance(over, Over)
    assert (over.limit, over.retry_after_s) == ("balance", None)


@pytest.mark.parametrize("per", ["day", "week", "month", "total"])
def test_a_budget_overshoots_by_what_is_in_flight_at_most(per: str) -> None:
    meter, spent, now = Meter(Plan(budget=Budget(1_000, per))), 0, START
    flying: list[Reservation] = []
    while isinstance(found := meter.admit(10, 90, now), Reservation):
        flying.append(found)
    assert len(flying) == 12  # the last one began while something was left
    for each in flying:
        each.settle(10, 100, now)
        spent += 100
    assert spent <= 1_000 + 2 * 100
    assert isinstance(meter.admit(10, 90, now), Over)
    later = bounds(per, now)[1]
    assert isinstance(meter.admit(10, 90, later if per != "total" else now), Over) is (
        per == "total"
    )


def test_what_ends_after_its_day_is_charged_to_its_day() -> None:
    meter, midnight = Meter(Plan(tpd=100)), bounds("day", START)[1]
    found = meter.admit(50, 0, midnight - 1)
    assert isinstance(found, Reservation)
    found.settle(80, 7, midnight + 1)
    assert meter.spent("day", midnight + 1).tokens == 0
    assert meter.spent("total", midnight + 1).uusd == 7


def test_a_restart_gives_the_days_and_the_money_back() -> None:
    limits = Limits()
    limits.take_up({"alice": Plan(rpd=5, balance_uusd=500)})
    flying = limits.of("alice").admit(1, 1, START)
    day = [Spending("alice", 3, 300, 40), Spending("gone", 1, 1, 1)]
    limits.restore({"day": day, "total": [Spending("alice", 30, 3_000, 499)]}, START)
    meter = limits.of("alice")
    assert isinstance(flying, Reservation)
    assert meter.spent("day", START).requests == 4
    assert meter.spent("total", START).uusd == 499
    flying.settle(1, 1, START)
    over = meter.admit(1, 1, START)
    assert isinstance(over, Over)
    assert over.limit == "balance"
    assert meter.plan.rpd == 5


def test_new_plans_keep_what_was_used() -> None:
    limits = Limits()
    limits.take_up({"alice": Plan(rpm=2)})
    for _ in range(2):
        assert isinstance(limits.of("alice").admit(0, 0, START), Reservation)
    limits.take_up({"alice": Plan(rpm=3)})
    assert isinstance(limits.of("alice").admit(0, 0, START), Reservation)
    assert isinstance(limits.of("alice").admit(0, 0, START), Over)


@pytest.mark.parametrize(
    ("per", "at", "begin", "end"),
    [
        ("day", 1_700_000_000.0, 1_699_920_000.0, 1_700_006_400.0),
        ("week", 1_700_000_000.0, 1_699_833_600.0, 1_700_438_400.0),  # Mon 13 Nov 2023
        ("week", 1_699_833_600.0, 1_699_833_600.0, 1_700_438_400.0),
        ("month", 1_700_000_000.0, 1_698_796_800.0, 1_701_388_800.0),
        ("month", 1_703_980_800.0, 1_701_388_800.0, 1_704_067_200.0),  # the last day of 2023
        ("total", 1_700_000_000.0, 0.0, inf),
    ],
)
def test_periods_are_those_of_the_calendar(per: str, at: float, begin: float, end: float) -> None:
    assert bounds(per, at) == (begin, end)
    assert DAY_S == 24 * 3600


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.0, 3600.0, 86400.0, 8 * 86400.0, 40 * 86400.0]),  # later
            st.sampled_from([0.0, 1.0, 90_000.0, 3_000_000.0]),  # ago
            st.sampled_from(["let in", "used", *PERIODS]),
        ),
        max_size=20,
    )
)
def test_what_is_counted_once_is_in_every_period_it_falls_in(
    steps: list[tuple[float, float, str]],
) -> None:
    now, counted, each = START, Periods(), [Period(per) for per in PERIODS]
    for number, (later_s, ago_s, what) in enumerate(steps, 1):
        now += later_s
        at = now if what == "let in" else now - ago_s
        if what == "let in":
            counted.let_in(now)
        elif what == "used":
            counted.add(number, 10 * number, 100 * number, at, now)
        else:
            counted.of(what, now)
            continue
        for period in each:
            if period.roll(now).begins_at <= at:
                more = (1, 0, 0) if what == "let in" else (number, 10 * number, 100 * number)
                period.add(*more)
    for period in each:
        assert asdict(counted.of(period.per, now)) == asdict(period.roll(now))
