"""Who may serve and who does: filter, then choose; a place is reserved at once."""

from random import Random

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lb.core.account import Ask
from lb.core.events import (
    Blocked,
    Doubted,
    Exhausted,
    Refreshing,
    Refused,
    Succeeded,
    Throttled,
)
from lb.core.health import State
from lb.core.pool import Wait
from lb.core.slot import CANARY_S, PROBE_S, SERVES, Slot, Verdict
from lb.core.strategies import STRATEGIES
from tests.core.happenings import ASK, HOUR, MODEL, NOW, events, picked, pool_of

NAMES = ("a", "b", "c")
SPENT = Exhausted("a", NOW, "usage_limit_reached", NOW + HOUR)


class AnyPool(RuleBasedStateMachine):
    """Anything happens to a pool of three; its laws hold after every step."""

    @initialize(
        strategy=st.sampled_from(sorted(STRATEGIES)),
        caps=st.tuples(*[st.integers(1, 3)] * 3),
        priorities=st.tuples(*[st.integers(0, 1)] * 3),
    )
    def build(self, strategy: str, caps: tuple[int, ...], priorities: tuple[int, ...]) -> None:
        each = {
            name: {"max_in_flight": cap, "priority": priority}
            for name, cap, priority in zip(NAMES, caps, priorities, strict=True)
        }
        self.pool = pool_of(*NAMES, strategy=strategy, each=each)
        self.now = NOW
        self.taken: list[Slot] = []
        self.rng = Random(7)

    @rule(story=st.lists(events(NAMES, first=0, last=30), max_size=4))
    def learn(self, story: list[Doubted]) -> None:
        for event in story:
            self.pool.learn(evolve(event, at=self.now))

    @rule(seconds=st.sampled_from([0.0, 0.3, 40.0, 400.0, 7200.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(session=st.sampled_from(["", "one", "two"]), tried=st.sets(st.sampled_from(NAMES)))
    def pick(self, session: str, tried: set[str]) -> None:
        ask = Ask(MODEL, session=session)
        slots = list(self.pool.slots.values())
        before = {slot.id: (slot.judge(ask, self.now), slot.canary_at) for slot in slots}
        found = self.pool.pick(ask, self.now, self.rng, tried)
        serving = [name for name in NAMES if before[name][0] in SERVES and name not in tried]
        assert (found is None) == (not serving), "gave up while somebody could serve"
        if found is None:
            return
        slot, verdict, _ = found
        self.taken.append(slot)
        judged, canary_at = before[slot.id]
        assert slot.id not in tried
        is_canary = judged is Verdict.EXHAUSTED and canary_at <= self.now
        assert judged is verdict or is_canary, "an ineligible account was picked"
        group = slot.account.priority
        rivals = [n for n in serving if self.pool.slots[n].account.priority <= group]
        assert rivals, "a canary flies only beside somebody who can serve"
        assert min(self.pool.slots[n].account.priority for n in serving) == group
        if verdict is Verdict.SECOND:
            peers = [n for n in serving if self.pool.slots[n].account.priority == group]
            assert all(before[n][0] is Verdict.SECOND for n in peers), "a ready one was passed over"

    @rule(number=st.integers(0, 50))
    def release(self, number: int) -> None:
        if self.taken:
            self.pool.release(self.taken.pop(number % len(self.taken)))

    @invariant()
    def places_add_up(self) -> None:
        if hasattr(self, "pool"):
            for slot in self.pool.slots.values():
                assert slot.in_flight == sum(each is slot for each in self.taken)
                assert 0 <= slot.in_flight <= slot.account.max_in_flight
                assert 1 <= slot.limit <= slot.account.max_in_flight


TestAnyPool = AnyPool.TestCase


def test_a_pick_reserves_its_place_at_once() -> None:
    pool = pool_of(*NAMES, max_in_flight=2)
    assert sorted(picked(pool) or "" for _ in range(6)) == ["a", "a", "b", "b", "c", "c"]
    assert picked(pool) is None
    assert pool.wait(ASK, NOW) == Wait(None, busy=True)
    pool.release(pool.slots["b"])
    assert picked(pool) == "b"


def test_a_place_given_back_twice_is_counted_once() -> None:
    pool = pool_of("a")
    pool.release(pool.slots["a"])
    assert pool.slots["a"].in_flight == 0


def test_the_next_priority_serves_only_when_none_of_the_first_can() -> None:
    pool = pool_of(*NAMES, max_in_flight=1, each={"a": {"priority": 5}, "c": {"priority": 1}})
    assert [picked(pool) for _ in range(4)] == ["b", "c", "a", None]


def test_a_doubtful_account_of_the_first_group_comes_before_the_next_group() -> None:
    pool = pool_of("a", "b", each={"b": {"priority": 1}})
    pool.learn(Doubted("a", NOW, "503"))
    assert picked(pool) == "a"


def test_the_doubtful_serve_only_when_nobody_is_ready() -> None:
    pool = pool_of("a", "b", max_in_flight=1)
    pool.learn(Doubted("a", NOW, "503"))
    assert [picked(pool), picked(pool)] == ["b", "a"]


def test_doubt_passes_with_time() -> None:
    pool = pool_of("a")
    pool.learn(Doubted("a", NOW, "503"))
    slot = pool.slots["a"]
    assert slot.judge(ASK, NOW) is Verdict.SECOND
    assert slot.judge(ASK, slot.health.until) is Verdict.READY


def test_a_half_open_account_is_tried_by_one_request_at_a_time() -> None:
    pool = pool_of("a")
    pool.learn(Throttled("a", NOW, "429", NOW + 10))
    later = NOW + 10
    assert picked(pool, now=NOW + 9.9) is None
    assert [picked(pool, now=later), picked(pool, now=later)] == ["a", None]
    assert pool.wait(ASK, later) == Wait(None, busy=True)
    pool.learn(Succeeded("a", later))
    assert [picked(pool, now=later), picked(pool, now=later)] == ["a", None], "it starts slowly"


def test_a_probe_that_proved_nothing_makes_room_for_the_next() -> None:
    pool = pool_of("a")
    pool.learn(Throttled("a", NOW, "429", NOW + 10))
    assert picked(pool, now=NOW + 10) == "a"
    pool.release(pool.slots["a"])
    assert picked(pool, now=NOW + 10) == "a"


def test_a_probe_that_never_ends_blocks_for_a_minute_only() -> None:
    pool = pool_of("a")
    pool.learn(Throttled("a", NOW, "429", NOW + 10))
    assert picked(pool, now=NOW + 10) == "a"
    assert picked(pool, now=NOW + 10 + PROBE_S - 0.1) is None
    assert picked(pool, now=NOW + 10 + PROBE_S) == "a"


def test_a_refresh_that_never_reported_back_ends_with_the_first_good_answer() -> None:
    pool = pool_of("a")
    pool.learn(Refreshing("a", NOW))
    assert picked(pool) is None
    assert picked(pool, now=NOW + 60) == "a"
    pool.learn(Succeeded("a", NOW + 60))
    assert pool.slots["a"].health.state is State.READY


def test_a_probe_never_passes_the_cap_of_the_account() -> None:
    pool = pool_of("a", max_in_flight=2)
    assert [picked(pool), picked(pool)] == ["a", "a"]
    pool.learn(Throttled("a", NOW, "429", NOW + 10))
    assert pool.slots["a"].judge(ASK, NOW + 10) is Verdict.BUSY


def test_a_canary_asks_the_exhausted_now_and_then_while_others_can_serve() -> None:
    pool = pool_of("a", "b")
    pool.learn(SPENT)
    assert [picked(pool, now=NOW + s) for s in (0, CANARY_S - 1)] == ["b", "b"]
    assert [picked(pool, now=NOW + CANARY_S + s) for s in (0, 1)] == ["a", "b"]
    assert pool.slots["a"].health.state is State.EXHAUSTED


def test_no_canary_flies_while_nobody_else_is_ready() -> None:
    pool = pool_of("a", "b")
    pool.learn(SPENT)
    assert picked(pool, now=NOW + CANARY_S, tried=("b",)) is None
    pool.learn(Doubted("b", NOW + CANARY_S, "503"))
    assert picked(pool, now=NOW + CANARY_S) == "b"


def test_a_canary_that_is_answered_brings_the_account_back() -> None:
    pool = pool_of("a", "b")
    pool.learn(SPENT)
    assert picked(pool, now=NOW + CANARY_S) == "a"
    assert pool.learn(Succeeded("a", NOW + CANARY_S))
    assert pool.slots["a"].health.state is State.READY


def test_a_burst_halves_what_may_be_in_flight_and_answers_win_it_back() -> None:
    pool = pool_of("a", max_in_flight=16)
    slot = pool.slots["a"]
    for _ in range(16):
        picked(pool)
    for number in range(16):  # all of them hear of the same burst
        pool.release(slot)
        pool.learn(Throttled("a", NOW + number / 1000, "429", NOW + 1))
    assert slot.limit == 7.5
    pool.learn(Succeeded("a", NOW + 2))
    assert slot.limit == pytest.approx(7.5 + 1 / 7.5)
    for _ in range(500):
        pool.learn(Succeeded("a", NOW + 2))
    assert slot.limit == 16


def test_no_burst_takes_the_last_place() -> None:
    pool = pool_of("a")
    for number in range(10):
        pool.learn(Throttled("a", NOW + number * HOUR, "429", NOW + number * HOUR + 1))
    assert pool.slots["a"].limit == 1


def test_a_block_is_for_one_model_and_for_its_time() -> None:
    pool = pool_of("a")
    slot = pool.slots["a"]
    assert pool.learn(Blocked("a", NOW, MODEL, NOW + 600, "model_not_found"))
    assert slot.judge(ASK, NOW) is Verdict.BLOCKED
    assert slot.judge(Ask("gpt-4.1"), NOW) is Verdict.READY
    assert pool.wait(ASK, NOW) == Wait(NOW + 600, busy=False)
    assert slot.judge(ASK, NOW + 600) is Verdict.READY
    assert slot.health.state is State.READY


def test_waiting_looks_forward_to_the_soonest_of_those_not_tried() -> None:
    pool = pool_of(*NAMES)
    pool.learn(Throttled("a", NOW, "429", NOW + 3))
    pool.learn(Throttled("b", NOW, "429", NOW + 2))
    pool.learn(Refused("c", NOW, "deactivated"))
    assert pool.wait(ASK, NOW) == Wait(NOW + 2, busy=False)
    assert pool.wait(ASK, NOW, ("b",)) == Wait(NOW + 3, busy=False)
    assert pool.wait(ASK, NOW, ("a", "b")) == Wait(None, busy=False)


def test_somebody_who_came_back_while_we_looked_is_worth_another_look() -> None:
    pool = pool_of("a")
    pool.learn(Throttled("a", NOW, "429", NOW + 3))
    assert pool.wait(ASK, NOW + 3) == Wait(NOW + 3, busy=True)


def test_an_account_without_the_model_or_a_field_is_never_asked() -> None:
    pool = pool_of("a", "b", each={"a": {"models": ("gpt-4*",)}, "b": {"fields": {"x": "reject"}}})
    needs = Ask(MODEL, needs=frozenset({"x"}))
    assert [s.judge(needs, NOW) for s in pool.enabled()] == [Verdict.MODEL, Verdict.FIELD]
    assert picked(pool, needs) is None
    assert picked(pool) == "b"
