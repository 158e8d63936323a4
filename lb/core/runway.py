"""How long the pool's quota lasts at the present pace: what all spend, taken from what all have."""

from collections.abc import Iterable

from attrs import frozen

from lb.core.health import State
from lb.core.slot import Slot
from lb.core.windows import Window

LONG_S = 3600.0  # shorter windows say how fast one may go, not how far
HORIZON_S = 14 * 86400.0
_AWAY = frozenset({State.REFUSED, State.PAUSED})


@frozen
class Runway:
    """``empty_at`` unix seconds, None: no end in sight; ``unmetered`` accounts know of none."""

    empty_at: float | None
    metered: int
    unmetered: int


def runway(slots: Iterable[Slot], now: float) -> Runway:
    """When the last quota of the pool is spent, should nothing change.

    A fluid model: the pace of every account's tightest window together empties what is left in
    them together, since the pool moves load to whoever has quota; a reset fills one up again. An
    account without windows has no end that is known.
    """
    tight, unmetered = [], 0
    for slot in slots:
        if slot.health.state in _AWAY or not slot.account.enabled:
            continue
        window = _tightest(slot, now)
        if window is None:
            unmetered += 1
        else:
            tight.append((window, slot.account.weight))
    empty_at = None if unmetered or not tight else _empty_at(tight, now)
    return Runway(empty_at, len(tight), unmetered)


def _tightest(slot: Slot, now: float) -> Window | None:
    long = [w for w in slot.windows if w.span_s is not None and w.span_s >= LONG_S and w.resets_at]
    return max(long, key=lambda window: window.used_at(now), default=None)


def _empty_at(tight: list[tuple[Window, float]], now: float) -> float | None:
    left = sum(weight * max(0.0, 1.0 - window.used_at(now)) for window, weight in tight)
    pace = sum(weight * _pace(window, now) for window, weight in tight)
    if pace <= 0.0:
        return now if left <= 0.0 else None
    at, room = now, sum(weight for _, weight in tight)
    for resets_at, gained in _resets(tight, now):
        spent = pace * (resets_at - at)
        if spent >= left:
            return at + left / pace
        left, at = min(room, left - spent + gained), resets_at
    end = at + left / pace
    return end if end <= now + HORIZON_S else None


def _pace(window: Window, now: float) -> float:
    """The share of a window spent a second since it began."""
    if window.resets_at is None or window.span_s is None or now >= window.resets_at:
        return 0.0
    elapsed = now - (window.resets_at - window.span_s)
    return window.used / elapsed if elapsed > 0 else 0.0


def _resets(tight: list[tuple[Window, float]], now: float) -> list[tuple[float, float]]:
    """(when, what it gives back), in order."""
    found = []
    for window, weight in tight:
        at, span_s = window.resets_at or now, window.span_s or HORIZON_S
        while at <= now:
            at += span_s
        gained = weight * min(1.0, window.used_at(now) + _pace(window, now) * (at - now))
        while at <= now + HORIZON_S:
            found.append((at, gained))
            at, gained = at + span_s, weight
    return sorted(found)
