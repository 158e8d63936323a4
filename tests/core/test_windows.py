"""Usage windows: what is left, and how freely it may be spent."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.windows import (
    FIVE_HOURS_S,
    WEEK_S,
    Window,
    exhausts_at,
    full_until,
    merge,
    name_of_span,
    room,
    spend_before_reset,
)
from tests.core.happenings import HOUR, NOW

WINDOW = st.builds(
    Window,
    st.sampled_from(["5h", "week"]),
    st.floats(0, 2),
    st.none() | st.floats(NOW - WEEK_S, NOW + WEEK_S),
    st.none() | st.floats(0, WEEK_S),
)


def window(used: float, left_s: float | None = HOUR, span_s: float | None = FIVE_HOURS_S) -> Window:
    return Window("w", used, None if left_s is None else NOW + left_s, span_s, NOW)


def test_a_window_is_empty_again_from_its_reset() -> None:
    assert window(0.9).used_at(NOW + HOUR - 1) == 0.9
    assert window(0.9).used_at(NOW + HOUR) == 0.0
    assert window(0.9, None).used_at(NOW + WEEK_S) == 0.9


@pytest.mark.parametrize(
    ("span_s", "name"),
    [
        (FIVE_HOURS_S, "5h"),
        (WEEK_S, "week"),
        (WEEK_S - 60, "week"),
        (30 * 86400, "30d"),
        (86400, "1d"),
        (60, "1m"),
        (900, "15m"),
        (None, "window"),
    ],
)
def test_the_span_names_a_window(span_s: float | None, name: str) -> None:
    assert name_of_span(span_s) == name


def test_the_newest_reading_of_each_window_counts() -> None:
    old = (Window("5h", 0.1), Window("week", 0.2))
    assert merge(old, [Window("5h", 0.7)]) == (Window("5h", 0.7), Window("week", 0.2))
    assert merge((), ()) == ()


def test_headroom_is_what_the_tightest_window_leaves() -> None:
    assert room([window(0.2), window(0.9)], NOW)[0] == pytest.approx(0.1)
    assert room([], NOW) == (1.0, inf)
    assert room([window(1.4)], NOW)[0] == 0.0


def test_a_full_account_is_back_when_the_last_full_window_starts_anew() -> None:
    windows = [window(1.0, HOUR), window(1.2, 2 * HOUR), window(0.5, 3 * HOUR)]
    assert full_until(windows, NOW) == NOW + 2 * HOUR
    assert full_until(windows, NOW + 2 * HOUR) is None
    assert full_until([window(1.0, None)], NOW) is None


@pytest.mark.parametrize(
    ("windows", "free"),
    [
        ([], 1.0),
        ([window(0.5, WEEK_S / 2, WEEK_S)], 1.0),
        ([window(0.5, HOUR, WEEK_S)], 4.0),
        ([window(0.9, WEEK_S / 2, WEEK_S)], 0.2),
        ([window(1.0, HOUR, WEEK_S)], 0.0),
        ([window(0.4, None)], 0.6),
        ([window(0.4, HOUR, None)], 0.6),
        ([window(0.9, -1, WEEK_S)], 1.0),
        ([window(0.5, HOUR, WEEK_S), window(0.9, WEEK_S / 2, WEEK_S)], 0.2),
    ],
)
def test_quota_is_spent_at_the_pace_that_leaves_none_to_be_lost(
    windows: list[Window], free: float
) -> None:
    assert spend_before_reset(windows, NOW) == pytest.approx(free)


def test_an_exhaustion_ahead_of_the_reset_is_foreseen() -> None:
    half_time = window(0.75, FIVE_HOURS_S / 2)
    assert exhausts_at(half_time, NOW) == pytest.approx(NOW + FIVE_HOURS_S / 6)
    assert exhausts_at(window(0.25, FIVE_HOURS_S / 2), NOW) is None
    assert exhausts_at(window(0.0), NOW) is None
    assert exhausts_at(window(0.9, None), NOW) is None
    assert exhausts_at(window(0.9, -1), NOW) is None


@given(st.lists(WINDOW, max_size=4), st.floats(NOW - WEEK_S, NOW + WEEK_S))
def test_whatever_was_read_the_numbers_stay_in_bounds(windows: list[Window], now: float) -> None:
    share, until = room(windows, now)
    assert share == max(0.0, min((1.0 - w.used_at(now) for w in windows), default=1.0))
    assert until > now
    assert 0.0 <= spend_before_reset(windows, now) <= 4.0
    assert (full_until(windows, now) or now + 1) > now
    for each in windows:
        assert (exhausts_at(each, now) or now) >= now or each.used > 1
