"""Usage windows: how much of a quota is used, and when it starts anew."""

from collections.abc import Iterable
from math import inf

from attrs import frozen

FIVE_HOURS_S = 5 * 3600.0
WEEK_S = 7 * 86400.0


@frozen
class Window:
    """One usage window of an account.

    ``name`` identifies it within the account ("5h", "week", "tokens", "requests" ...); ``used`` is
    the share used, 0..1 (may pass 1); ``resets_at`` unix seconds, None when unknown; ``span_s`` its
    length in seconds, None when unknown; ``at`` when it was read.
    """

    name: str
    used: float
    resets_at: float | None = None
    span_s: float | None = None
    at: float = 0.0

    def used_at(self, now: float) -> float:
        """The share used, zero once the window has started anew."""
        if self.resets_at is not None and now >= self.resets_at:
            return 0.0
        return self.used


def name_of_span(span_s: float | None) -> str:
    """The name people use for a window of this length: the span tells, never its position."""
    if span_s is None:
        return "window"
    if abs(span_s - WEEK_S) < 3600:
        return "week"
    if span_s % 86400 == 0:
        return f"{span_s / 86400:.0f}d"
    if span_s % 3600 == 0:
        return f"{span_s / 3600:.0f}h"
    return f"{span_s / 60:.0f}m"


def merge(old: Iterable[Window], new: Iterable[Window]) -> tuple[Window, ...]:
    """The newest reading of each window, by name."""
    known = {window.name: window for window in old}
    known.update((window.name, window) for window in new)
    return tuple(known.values())


def room(windows: Iterable[Window], now: float) -> tuple[float, float]:
    """The headroom, and until when it is that (unix seconds): when the next window starts anew.

    Headroom is the share left in the tightest window, 0..1; 1 when nothing is known. The time is
    infinite when no reset is known.
    """
    least, until = 1.0, inf
    for window in windows:
        at = window.resets_at
        if at is not None:
            if now >= at:
                continue  # it started anew: all of it is left
            until = min(until, at)
        least = min(least, 1.0 - window.used)
    return max(0.0, least), until


def full_until(windows: Iterable[Window], now: float) -> float | None:
    """When the last of the full windows starts anew (unix seconds); None when none is full."""
    resets = [
        window.resets_at
        for window in windows
        if window.resets_at is not None and window.used_at(now) >= 1.0
    ]
    return max(resets, default=None)


def spend_before_reset(windows: Iterable[Window], now: float) -> float:
    """How freely an account may be spent: its quota left against the time left, 0..4.

    1 means it lasts exactly to the reset at an even pace; an account whose week ends in an hour
    with half of it unused scores 4, since what is not spent before the reset is gone; a full window
    scores 0. The tightest window decides; 1 when nothing is known.
    """
    return min((_spare(window, now) for window in windows), default=1.0)


def _spare(window: Window, now: float) -> float:
    left = max(0.0, 1.0 - window.used_at(now))
    if window.resets_at is None or not window.span_s or now >= window.resets_at:
        return left
    time_left = (window.resets_at - now) / window.span_s
    return min(4.0, left / max(time_left, 0.01))


def exhausts_at(window: Window, now: float) -> float | None:
    """When the window is empty at the present pace (unix seconds); None if not before its reset."""
    if window.resets_at is None or window.span_s is None or now >= window.resets_at:
        return None
    elapsed = now - (window.resets_at - window.span_s)
    if elapsed <= 0 or window.used <= 0:
        return None
    empty = now + (1.0 - window.used) / (window.used / elapsed)
    return empty if empty < window.resets_at else None
