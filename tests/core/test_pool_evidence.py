"""What windows, fresh readings and unreachable hosts make of a pool."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lb.core.events import Exhausted, Measured
from lb.core.health import State
from lb.core.slot import Verdict
from lb.core.windows import FIVE_HOURS_S, Window
from tests.core.happenings import ASK, HOUR, NOW, picked, pool_of

SPENT = Exhausted("a", NOW, "usage_limit_reached", NOW + HOUR)


def test_a_full_window_makes_an_account_second_choice_until_its_reset() -> None:
    pool = pool_of("a", "b", max_in_flight=1)
    pool.learn(Measured("a", NOW, (Window("5h", 1.0, NOW + 60, FIVE_HOURS_S, NOW),)))
    assert [picked(pool), picked(pool)] == ["b", "a"]
    assert pool.slots["a"].health.state is State.READY
    pool.release(pool.slots["a"])
    assert pool.slots["a"].judge(ASK, NOW + 60) is Verdict.READY


@pytest.mark.parametrize(
    ("used", "span_s", "at", "back"),
    [
        (0.4, FIVE_HOURS_S, NOW + 1, True),
        (1.0, FIVE_HOURS_S, NOW + 1, False),
        (0.4, 60.0, NOW + 1, False),
        (0.4, FIVE_HOURS_S, NOW, False),
    ],
    ids=["quota is back", "still full", "only a minute's window", "read before the limit struck"],
)
def test_a_fresh_reading_restores_an_exhausted_account(
    *, used: float, span_s: float, at: float, back: bool
) -> None:
    pool = pool_of("a")
    pool.learn(SPENT)
    changed = pool.learn(Measured("a", at, (Window("w", used, NOW + HOUR, span_s, at),)))
    assert changed is back
    assert (pool.slots["a"].health.state is State.READY) is back


def test_a_host_that_is_down_marks_no_account_but_makes_all_of_them_second_choice() -> None:
    pool = pool_of("a", "b", "c", each={"b": {"proxy": "http://p"}})
    pool.update(evolve(s.account, base_url="https://one.test/v1") for s in pool.slots.values())
    slots = pool.slots
    assert slots["a"].origin is slots["c"].origin
    assert slots["a"].origin is not slots["b"].origin
    slots["a"].origin.failed(NOW, 1.0)
    assert [s.judge(ASK, NOW) for s in slots.values()] == [
        Verdict.SECOND,
        Verdict.READY,
        Verdict.SECOND,
    ]
    assert {s.health.state for s in slots.values()} == {State.READY}
    slots["c"].origin.answered()
    assert slots["a"].judge(ASK, NOW) is Verdict.READY


@given(st.integers(1, 100), st.floats(0, 1))
def test_an_origin_backs_off_by_no_more_than_half_a_minute(failures: int, jitter: float) -> None:
    origin = pool_of("a").slots["a"].origin
    for _ in range(failures):
        origin.failed(NOW, jitter)
    assert NOW <= origin.until <= NOW + min(30.0, 0.1 * 2.0**failures) * jitter + 0.001
