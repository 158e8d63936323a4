"""The machine of an account's health: what each state makes of each event, and its laws."""

from functools import reduce

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lb.core import health as machine
from lb.core.events import (
    VOCABULARY,
    Doubted,
    Event,
    Exhausted,
    Paused,
    Refreshing,
    Refused,
    Restored,
    Resumed,
    Succeeded,
    Throttled,
)
from lb.core.health import OUT_UNTIL, WELL, Health, State, step
from lb.core.memory import event_of_data, event_to_data
from tests.core.happenings import HOUR, MODEL, NOW, events, pool_of

EXPECTED = {
    # succeeded, doubted, throttled, exhausted, refreshing, refused, restored, paused, resumed
    "ready":      "ready doubtful cooling exhausted refreshing refused -     paused -",
    "doubtful":   "ready doubtful cooling exhausted refreshing refused ready paused -",
    "cooling":    "ready doubtful cooling exhausted refreshing refused ready paused -",
    "exhausted":  "ready doubtful cooling exhausted refreshing refused ready paused -",
    "refreshing": "ready doubtful cooling exhausted refreshing refused ready paused -",
    "refused":    "-     -        -       -         -          refused ready paused -",
    "paused":     "-     -        -       -         -          -       -     -      ready",
}  # fmt: skip
COLUMNS = (
    Succeeded,
    Doubted,
    Throttled,
    Exhausted,
    Refreshing,
    Refused,
    Restored,
    Paused,
    Resumed,
)
OUTS = [state for state in State if state in OUT_UNTIL]
LATER = NOW + 10 * HOUR  # when every state that ends by itself is over
CASES = [
    (State(before), kind, None if after == "-" else State(after))
    for before, row in EXPECTED.items()
    for kind, after in zip(COLUMNS, row.split(), strict=True)
]


def _event(kind: type[Event], at: float) -> Event:
    if kind in (Doubted, Throttled, Refused):
        return kind("a", at, "why")
    return Exhausted("a", at, "why", at + HOUR) if kind is Exhausted else kind("a", at)


def _in(state: State) -> Health:
    until = NOW + HOUR if state in OUT_UNTIL or state is State.DOUBTFUL else 0.0
    return Health(state, until, NOW, "why", 1 if state is State.DOUBTFUL else 0)


@pytest.mark.parametrize(("before", "kind", "after"), CASES)
def test_the_table_says_where_an_event_leads(
    before: State, kind: type[Event], after: State | None
) -> None:
    assert machine.TRANSITIONS[before].get(kind) is after
    told = step(_in(before), _event(kind, LATER))
    assert told.state is (after or before)
    if after is None:
        assert told == _in(before), "an event that is not listed changes nothing"


def test_the_table_names_every_state_and_no_event_beyond_the_vocabulary() -> None:
    assert set(machine.TRANSITIONS) == set(State)
    for row in machine.TRANSITIONS.values():
        assert set(row) <= set(VOCABULARY.values())


@pytest.mark.parametrize("kind", [k for k in VOCABULARY.values() if k not in COLUMNS])
@pytest.mark.parametrize("state", State)
def test_readings_blocks_and_bills_say_nothing_of_health(state: State, kind: type[Event]) -> None:
    assert not any(kind in row for row in machine.TRANSITIONS.values())


@given(st.lists(events()))
def test_only_restored_or_an_operator_unlocks_refused(story: list[Event]) -> None:
    locked = step(WELL, Refused("a", NOW, "deactivated"))
    deaf = [e for e in story if not isinstance(e, (Restored, Paused))]
    assert reduce(step, deaf, locked).state is State.REFUSED


@given(st.lists(events()))
def test_only_resumed_ends_a_pause(story: list[Event]) -> None:
    deaf = [e for e in story if not isinstance(e, Resumed)]
    assert reduce(step, deaf, step(WELL, Paused("a", NOW))).state is State.PAUSED


@pytest.mark.parametrize("state", OUTS)
def test_an_answer_asked_for_before_the_limit_struck_proves_nothing(state: State) -> None:
    out = _in(state)
    assert step(out, Succeeded("a", NOW - 1)) == out
    assert step(out, Succeeded("a", NOW)) == out
    assert step(out, Succeeded("a", NOW + 0.001)).state is State.READY


@pytest.mark.parametrize("state", OUTS)
def test_a_soft_fault_does_not_shorten_a_firmer_absence(state: State) -> None:
    out = _in(state)
    assert step(out, Doubted("a", out.until - 0.001, "503")) == out
    assert step(out, Doubted("a", out.until, "503")).state is State.DOUBTFUL


def test_a_burst_does_not_shorten_an_exhaustion() -> None:
    spent = _in(State.EXHAUSTED)
    assert step(spent, Throttled("a", NOW + 1, "burst", NOW + 2)) == spent
    assert step(spent, Throttled("a", spent.until, "burst")).state is State.COOLING


def test_a_success_leaves_a_well_account_the_very_same() -> None:
    assert step(WELL, Succeeded("a", NOW)) is WELL


@given(st.floats(0, 1), st.integers(0, 40))
def test_doubt_doubles_up_to_half_a_minute_with_full_jitter(jitter: float, streak: int) -> None:
    told = step(evolve(WELL, streak=streak), Doubted("a", NOW, "503", jitter))
    longest = min(machine.LONGEST_DOUBT_S, machine.DOUBT_S * 2.0 ** min(streak, 10))
    assert told.until == pytest.approx(NOW + longest * jitter)
    assert told.streak == streak + 1


@given(st.floats(0, 1), st.integers(0, 40))
def test_a_burst_that_names_no_time_doubles_up_to_a_minute(jitter: float, streak: int) -> None:
    told = step(evolve(WELL, streak=streak), Throttled("a", NOW, "429", None, jitter))
    shortest = min(machine.LONGEST_BURST_S, machine.BURST_S * 2.0 ** min(streak, 10))
    assert NOW + shortest <= told.until <= NOW + shortest * 1.25 + 0.001


@pytest.mark.parametrize("told_s", [0.1, 20, 600])
def test_a_burst_that_names_its_time_is_taken_at_its_word(told_s: float) -> None:
    assert step(WELL, Throttled("a", NOW, "429", NOW + told_s)).until == NOW + told_s


def test_an_upstream_that_keeps_saying_at_once_is_asked_ever_less_often() -> None:
    health, now, waits = WELL, NOW, []
    for _ in range(8):
        health = step(health, Throttled("a", now, "429", now))
        waits.append(round(health.until - now, 3))
        now = health.until
    assert waits == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0]


@pytest.mark.parametrize("kind", [Doubted, Throttled])
def test_an_incident_seen_by_many_requests_counts_once(kind: type[Event]) -> None:
    once = step(WELL, _event(kind, NOW))
    many = reduce(step, [_event(kind, NOW + n / 1000) for n in range(50)], once)
    assert many.streak == once.streak == 1
    assert many.until == once.until
    assert step(many, _event(kind, many.until)).streak == 2


def test_a_later_word_about_the_same_burst_can_only_lengthen_it() -> None:
    cooling = step(WELL, Throttled("a", NOW, "429", NOW + 10))
    assert step(cooling, Throttled("a", NOW + 1, "429", NOW + 5)).until == NOW + 10
    assert step(cooling, Throttled("a", NOW + 1, "429", NOW + 15)).until == NOW + 15


def test_one_success_clears_the_streak() -> None:
    health = WELL
    for number in range(5):
        health = step(health, Doubted("a", NOW + number * HOUR, "503"))
    assert health.streak == 5
    assert step(health, Succeeded("a", NOW)) == evolve(WELL, since=NOW)


def test_a_state_knows_since_when_it_lasts() -> None:
    health = step(WELL, Throttled("a", NOW, "429", NOW + 1))
    again = step(health, Throttled("a", NOW + 2, "429", NOW + 3))
    assert (health.since, again.since) == (NOW, NOW)


def test_reasons_are_cut_to_what_a_table_shows() -> None:
    assert len(step(WELL, Refused("a", NOW, "x" * 5000)).reason) == 200


@given(st.lists(events(), max_size=30))
def test_the_same_story_gives_the_same_health(story: list[Event]) -> None:
    assert reduce(step, story, WELL) == reduce(step, story, WELL)


@given(st.lists(events(("a", "b")), max_size=30))
def test_a_replay_from_the_journal_rebuilds_the_same_pool(story: list[Event]) -> None:
    live, replayed = pool_of("a", "b"), pool_of("a", "b")
    for event in story:
        live.learn(event)
        back = event_of_data(event_to_data(event))
        assert back == event
        replayed.learn(back)
    for name, slot in live.slots.items():
        twin = replayed.slots[name]
        assert (twin.health, twin.windows, twin.blocks) == (slot.health, slot.windows, slot.blocks)
        assert (twin.limit, twin.counts, twin.mishap) == (slot.limit, slot.counts, slot.mishap)


@given(st.lists(events(), max_size=30))
def test_a_replay_of_only_what_changed_something_rebuilds_the_same_health(
    story: list[Event],
) -> None:
    live, replayed = pool_of("a"), pool_of("a")
    for event in story:
        if live.learn(event):
            replayed.learn(event)
    assert replayed.slots["a"].health == live.slots["a"].health
    assert replayed.slots["a"].blocks.get(MODEL) == live.slots["a"].blocks.get(MODEL)


@given(st.lists(events(), max_size=30))
def test_what_ends_by_itself_says_when_and_what_does_not_names_no_time(story: list[Event]) -> None:
    health = reduce(step, story, WELL)
    if health.state in (State.READY, State.REFUSED, State.PAUSED):
        assert health.until == 0.0
    else:
        assert health.until > 0.0
