"""How busy an account is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.load import DECAY_S, FLOOR_S, Load
from tests.core.happenings import NOW


def test_a_peak_counts_at_once_and_fades() -> None:
    load = Load()
    load.saw(0.1, NOW)
    load.saw(5.0, NOW)
    assert load.latency_s == 5.0
    load.saw(0.1, NOW + DECAY_S)
    assert load.latency_s == pytest.approx(5.0 * 0.3679 + 0.1 * 0.6321, rel=0.01)


def test_many_quick_answers_within_a_moment_still_heal() -> None:
    load = Load()
    load.saw(5.0, NOW)
    for _ in range(50):
        load.saw(0.1, NOW)
    assert load.latency_s == pytest.approx(0.1, abs=0.05)


def test_an_account_never_asked_costs_as_little_as_the_fastest() -> None:
    asked = Load()
    asked.saw(0.001, NOW)
    assert Load().cost(0, NOW) == asked.cost(0, NOW) == FLOOR_S


def test_a_slow_account_that_nobody_asks_is_tried_again_soon() -> None:
    load = Load()
    load.saw(20.0, NOW)
    assert load.cost(0, NOW) == 20.0
    assert load.cost(0, NOW + 10 * DECAY_S) == FLOOR_S


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(0, 60)), min_size=1), st.integers(0, 1000))
def test_cost_grows_with_what_is_in_flight_and_stays_within_what_was_seen(
    seen: list[tuple[float, float]], in_flight: int
) -> None:
    load, now = Load(), NOW
    for latency_s, pause_s in seen:
        now += pause_s
        load.saw(latency_s, now)
    assert load.latency_s is not None
    lowest, highest = min(s for s, _ in seen), max(s for s, _ in seen)
    assert lowest - 1e-9 <= load.latency_s <= highest + 1e-9
    assert 0 < load.cost(in_flight, now) < load.cost(in_flight + 1, now)


def test_a_clock_that_stands_or_goes_back_breaks_nothing() -> None:
    load = Load()
    load.saw(1.0, NOW)
    load.saw(0.5, NOW - 5)
    assert 0.5 <= (load.latency_s or 0) <= 1.0
    assert load.cost(0, NOW - 10) <= 1.0
