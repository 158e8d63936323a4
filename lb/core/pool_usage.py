"""The pool as one account: its usage windows, as a Codex client shows them.

Each window is the mean over the accounts that have one of that name; it starts anew when the first
of them does. Only plan windows count (an hour and longer): per-minute ones are no bar to look at.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from lb.core.health import State
from lb.core.slot import Slot
from lb.core.windows import Window

_PLAN_WINDOW_S = 3600.0
_PLAN = "team"
"""What the pool calls itself: Codex then speaks of an admin, not of an upgrade."""


def pooled(slots: Iterable[Slot], now: float) -> list[Window]:
    """The windows of the pool, shortest first; an exhausted account counts as full."""
    readings: dict[str, list[Window]] = {}
    for slot in slots:
        full = slot.health.state is State.EXHAUSTED and now < slot.health.until
        for window in slot.windows:
            if window.span_s is None or window.span_s < _PLAN_WINDOW_S:
                continue
            used = window.used_at(now)
            if full and window.resets_at == slot.health.until:
                used = 1.0
            seen = Window(window.name, min(1.0, used), window.resets_at, window.span_s)
            readings.setdefault(window.name, []).append(seen)
    return sorted(map(_one, readings.values()), key=lambda window: window.span_s or 0.0)


def _one(windows: list[Window]) -> Window:
    used = sum(window.used for window in windows) / len(windows)
    resets = [window.resets_at for window in windows if window.resets_at is not None]
    return Window(windows[0].name, used, min(resets, default=None), windows[0].span_s)


def usage_body(windows: list[Window], now: float) -> dict[str, Any]:
    """What ``/wham/usage`` answers for the pool."""
    full = any(window.used >= 1.0 for window in windows)
    first, second = _first_and_last(windows)
    return {
        "plan_type": _PLAN,
        "rate_limit": {
            "allowed": not full,
            "limit_reached": full,
            "primary_window": _usage_window(first, now),
            "secondary_window": _usage_window(second, now),
        },
        "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
        "additional_rate_limits": None,
    }


def _first_and_last(windows: list[Window]) -> tuple[Window | None, Window | None]:
    if not windows:
        return None, None
    return windows[0], windows[-1] if len(windows) > 1 else None


def _usage_window(window: Window | None, now: float) -> dict[str, Any] | None:
    if window is None:
        return None
    resets_at = window.resets_at or now + (window.span_s or 0.0)
    return {
        "used_percent": round(window.used * 100),
        "limit_window_seconds": round(window.span_s or 0.0),
        "reset_after_seconds": max(0, round(resets_at - now)),
        "reset_at": round(resets_at),
    }


def rate_limits_event(windows: list[Window], now: float) -> bytes:
    """The JSON of a ``codex.rate_limits`` event that speaks of the pool."""
    first, second = _first_and_last(windows)
    event = {
        "type": "codex.rate_limits",
        "plan_type": _PLAN,
        "rate_limits": {
            "primary": _event_window(first, now),
            "secondary": _event_window(second, now),
        },
        "credits": None,
    }
    return msgspec.json.encode(event)


def _event_window(window: Window | None, now: float) -> dict[str, Any] | None:
    if window is None:
        return None
    return {
        "used_percent": round(window.used * 100),
        "window_minutes": round((window.span_s or 0.0) / 60),
        "reset_at": round(window.resets_at or now + (window.span_s or 0.0)),
    }


def rate_limit_headers(windows: list[Window], now: float) -> dict[str, str]:
    """The ``x-codex-*`` headers that speak of the pool."""
    told: dict[str, str] = {}
    for position, window in zip(("primary", "secondary"), _first_and_last(windows), strict=True):
        values = _event_window(window, now)
        if values is not None:
            told[f"x-codex-{position}-used-percent"] = str(values["used_percent"])
            told[f"x-codex-{position}-window-minutes"] = str(values["window_minutes"])
            told[f"x-codex-{position}-reset-at"] = str(values["reset_at"])
    return told
