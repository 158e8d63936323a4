"""The health of an account: a state machine as a table of data (as h11 does it).

    TRANSITIONS[state][type of event] -> the next state; an event that is not listed changes nothing

Hard out (cooling, exhausted, refused) only on the upstream's own word; soft evidence only makes
an account second choice. ``step`` needs no clock and no chance: both ride on the event.
"""

from collections.abc import Callable
from enum import Enum

from attrs import evolve, frozen

from lb.core.events import (
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

DOUBT_S = 0.5  # first doubt; doubles, full jitter (AWS: exponential backoff and jitter)
LONGEST_DOUBT_S = 30.0
BURST_S = 1.0  # a 429 that names no time; most such accounts serve again within 3 s
LEAST_BURST_S = 0.02  # a 429 that says "at once"; doubles up to BURST_S while it keeps saying so
LONGEST_BURST_S = 60.0
REFRESH_S = 60.0  # a refresh that never reported back is over by then


class State(Enum):
    """Where an account stands."""

    READY = "ready"
    DOUBTFUL = "doubtful"
    COOLING = "cooling"
    EXHAUSTED = "exhausted"
    REFRESHING = "refreshing"
    REFUSED = "refused"
    PAUSED = "paused"

    __hash__ = object.__hash__  # by identity, as they are compared; Enum's own is a call of Python


READY, DOUBTFUL = State.READY, State.DOUBTFUL
"""By names of their own: Python 3.11 looks a member of an Enum up in a dozen steps."""


_ANY: dict[type[Event], State] = {
    Throttled: State.COOLING,
    Exhausted: State.EXHAUSTED,
    Refreshing: State.REFRESHING,
    Refused: State.REFUSED,
    Paused: State.PAUSED,
}
_PROBED: dict[type[Event], State] = {
    Succeeded: State.READY,
    Restored: State.READY,
    Doubted: State.DOUBTFUL,
}
TRANSITIONS: dict[State, dict[type[Event], State]] = {
    State.READY: {**_ANY, Succeeded: State.READY, Doubted: State.DOUBTFUL},
    State.DOUBTFUL: {
        **_ANY,
        Succeeded: State.READY,
        Restored: State.READY,
        Doubted: State.DOUBTFUL,
    },
    # answers that were under way when the limit struck prove nothing: only one that was asked for
    # since then (by a canary, or of a half-open account) clears it; soft faults, and bursts of an
    # exhausted account, count once it is half open, see `_succeeded`, `_doubted`, `_throttled`
    State.COOLING: {**_ANY, **_PROBED},
    State.EXHAUSTED: {**_ANY, **_PROBED},
    State.REFRESHING: {**_ANY, **_PROBED},
    State.REFUSED: {Paused: State.PAUSED, Refused: State.REFUSED, Restored: State.READY},
    State.PAUSED: {Resumed: State.READY},
}


@frozen
class Health:
    """What is known of an account's health.

    ``until`` unix seconds (0: no time), ``since`` when it entered the state, ``streak`` soft or
    burst faults in a row.
    """

    state: State = State.READY
    until: float = 0.0
    since: float = 0.0
    reason: str = ""
    streak: int = 0


WELL = Health()
"""An account nothing is known of."""


def step(health: Health, event: Event) -> Health:
    """The health after ``event``."""
    target = TRANSITIONS[health.state].get(type(event))
    if target is None:
        return health
    return _STEPS.get(type(event), _well)(health, target, event)


def _well(health: Health, state: State, event: Event) -> Health:
    return _enter(health, state, event, 0.0, "", 0)


def _succeeded(health: Health, state: State, event: Event) -> Health:
    if health.state in OUT_UNTIL and event.at <= health.since:
        return health  # it was asked for before the limit struck
    if health.state is READY and not health.streak:
        return health
    return _well(health, state, event)


def _doubted(health: Health, state: State, event: Event) -> Health:
    assert isinstance(event, Doubted)
    if health.state is not State.READY and event.at < health.until:
        return health  # one incident, seen by several requests; or out on firmer evidence
    wait_s = min(LONGEST_DOUBT_S, DOUBT_S * 2.0 ** min(health.streak, 10)) * event.jitter
    return _enter(health, state, event, event.at + wait_s, event.reason, health.streak + 1)


def _throttled(health: Health, state: State, event: Event) -> Health:
    assert isinstance(event, Throttled)
    if health.state is State.COOLING and event.at < health.until:
        return evolve(health, until=max(health.until, event.until or 0.0))
    if health.state is State.EXHAUSTED and event.at < health.until:
        return health  # the quota is the longer wait
    doubled = 2.0 ** min(health.streak, 10)
    if event.until is not None:
        until = max(event.until, event.at + min(BURST_S, LEAST_BURST_S * doubled))
    else:
        wait_s = min(LONGEST_BURST_S, BURST_S * doubled)
        until = event.at + wait_s * (1.0 + event.jitter / 4)
    return _enter(health, state, event, until, event.reason, health.streak + 1)


def _exhausted(health: Health, state: State, event: Event) -> Health:
    assert isinstance(event, Exhausted)
    return _enter(health, state, event, event.until, event.reason, 0)


def _refreshing(health: Health, state: State, event: Event) -> Health:
    return _enter(health, state, event, event.at + REFRESH_S, "refreshing its token", 0)


def _refused(health: Health, state: State, event: Event) -> Health:
    assert isinstance(event, Refused)
    return _enter(health, state, event, 0.0, event.reason, 0)


def _paused(health: Health, state: State, event: Event) -> Health:
    return _enter(health, state, event, 0.0, "paused by an operator", 0)


_STEPS: dict[type[Event], Callable[[Health, State, Event], Health]] = {
    Succeeded: _succeeded,
    Doubted: _doubted,
    Throttled: _throttled,
    Exhausted: _exhausted,
    Refreshing: _refreshing,
    Refused: _refused,
    Paused: _paused,
}

OUT_UNTIL = frozenset({State.COOLING, State.EXHAUSTED, State.REFRESHING})
"""States that end by themselves at ``until``; from then on the account is half open."""


def _enter(
    health: Health, state: State, event: Event, until: float, reason: str, streak: int
) -> Health:
    since = health.since if state is health.state else event.at
    return evolve(health, state=state, until=until, since=since, reason=reason[:200], streak=streak)
