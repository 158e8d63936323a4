"""What outlives a restart: an absence is never lengthened, and what cannot be read is forgotten."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.events import Event, Exhausted, Succeeded, Throttled
from lb.core.health import WELL, State
from lb.core.memory import event_of_data, restore, standing
from lb.core.slot import Slot
from tests.core.happenings import HOUR, NOW, events, pool_of


def _after(story: list[Event]) -> Slot:
    pool = pool_of("a", max_in_flight=8)
    for event in story:
        pool.learn(event)
    return pool.slots["a"]


def _saved(slot: Slot, now: float) -> Any:
    return msgspec.json.decode(msgspec.json.encode(standing(slot, now)))


def _again(saved: Any, now: float) -> Slot:
    slot = pool_of("a", max_in_flight=8).slots["a"]
    restore(slot, saved, now)
    return slot


@given(st.lists(events(), max_size=12))
def test_an_account_comes_back_as_it_stood(story: list[Event]) -> None:
    slot = _after(story)
    now = NOW + HOUR
    again = _again(_saved(slot, now), now)
    assert again.health.state is slot.health.state
    assert again.health.until == pytest.approx(slot.health.until)
    assert (again.health.streak, again.health.reason) == (slot.health.streak, slot.health.reason)
    assert (again.windows, again.limit) == (slot.windows, slot.limit)
    assert set(again.blocks) == set(slot.blocks)


@given(st.lists(events(), max_size=12), st.floats(-1e6, 1e6))
def test_a_clock_that_jumped_meanwhile_lengthens_no_absence(
    story: list[Event], jump_s: float
) -> None:
    slot = _after(story)
    saved_at = NOW + HOUR
    again = _again(_saved(slot, saved_at), saved_at + jump_s)
    left = max(0.0, slot.health.until - saved_at)
    assert again.health.until - (saved_at + jump_s) <= left + 0.01
    for block in again.blocks.values():
        told = max(0.0, slot.blocks[block.model].until - saved_at)
        assert block.until - (saved_at + jump_s) <= told + 0.01


def test_an_answer_proves_an_account_well_even_when_the_clock_went_back() -> None:
    slot = _after([Throttled("a", NOW, "429", NOW + 10)])
    yesterday = NOW - 86400
    pool = pool_of("a")
    restore(pool.slots["a"], _saved(slot, NOW), yesterday)
    pool.learn(Succeeded("a", yesterday + 10))
    assert pool.slots["a"].health.state is State.READY


@pytest.mark.parametrize("broken", [{}, {"saved_at": "x"}, {"health": 5}, {"windows": [1]}])
def test_what_cannot_be_read_is_forgotten(broken: dict[str, Any]) -> None:
    saved = _saved(_after([Exhausted("a", NOW, "spent", NOW + HOUR)]), NOW)
    again = _again(broken and {**saved, **broken}, NOW)
    assert again.health == WELL


def test_a_saved_limit_never_passes_a_cap_that_was_lowered() -> None:
    saved = _saved(_after([]), NOW)
    pool = pool_of("a", max_in_flight=2)
    restore(pool.slots["a"], saved, NOW)
    assert pool.slots["a"].limit == 2


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"event": "invented", "account": "a", "at": 1.0},
        {"event": "exhausted", "account": "a", "at": 1.0},
        {"event": "exhausted", "account": "a", "at": "soon", "until": [], "reason": ""},
    ],
)
def test_an_event_this_version_does_not_know_is_none(data: dict[str, Any]) -> None:
    assert event_of_data(data) is None
