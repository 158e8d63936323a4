"""What upstreams tell about time and quota: durations, dates, usage windows.

Everything here may come from a hostile or broken upstream, so every number is checked: what is no
number is unknown (None), and no time is earlier than now or later than ``FARTHEST_S`` ahead.
"""

import math
import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from attrs import evolve

from lb.core.errors import LONGEST_EXHAUSTION_S
from lb.core.windows import Window, name_of_span

FARTHEST_S: Final = LONGEST_EXHAUSTION_S
LONGEST_TOLD: Final = 100  # characters of a number or a duration
LONGEST_SPAN_S: Final = 366 * 86400.0
FULLEST: Final = 10.0  # a window can be overdrawn; ten times over is noise
MILLISECONDS: Final = 1e11  # a unix time beyond the year 5138 is told in milliseconds
DIMENSIONS: Final = ("requests", "tokens", "project-tokens")  # of x-ratelimit-*
POSITIONS: Final = ("primary", "secondary")  # of x-codex-*; says nothing of the span
CREDITS: Final = ("x-codex-credits-has-credits", "x-codex-credits-unlimited")

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = (
    r"(\d{1,12}(?:\.\d{0,12})?)\s*"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
)
_PARTS: Final = re.compile(_PART, re.ASCII | re.IGNORECASE)
_SPAN: Final = rf"(?:{_PART}[\s,]*(?:and\s+)?)+"
_DURATION: Final = re.compile(_SPAN, re.ASCII | re.IGNORECASE)
_PLAIN: Final = re.compile(r"[+-]?\d{1,20}(\.\d{0,20})?(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_AGAIN: Final = re.compile(
    rf"\b(?:try again|retry(?: your request)?|wait)\s+(?:in|after|for)?\s*(?P<span>{_SPAN})",
    re.ASCII | re.IGNORECASE,
)


def number(value: object) -> float | None:
    """A finite number, told as one or as text; None for anything else."""
    if isinstance(value, str):
        value = _plain(value) if len(value) <= LONGEST_TOLD else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        told = float(value)
    except OverflowError:
        return None
    return told if math.isfinite(told) else None


@lru_cache(maxsize=4096)
def _plain(text: str) -> float | None:
    text = text.strip()
    return float(text) if _PLAIN.fullmatch(text) else None


def bounded(seconds: float | None) -> float | None:
    """A wait of no less than 0 s and no more than ``FARTHEST_S``."""
    return None if seconds is None else max(0.0, min(seconds, FARTHEST_S))


def duration(text: str) -> float | None:
    """Seconds, from ``6m0s``, ``12ms``, ``1m26.4s``, ``7h12m``, ``20 seconds``, or plain ``1``.

    The same ones come again and again, with every answer; no honest one is long.
    """
    return _duration(text) if len(text) <= LONGEST_TOLD else None


@lru_cache(maxsize=4096)
def _duration(text: str) -> float | None:
    text = text.strip()
    if (plain := number(text)) is not None:
        return bounded(plain)
    return bounded(_sum(text)) if _DURATION.fullmatch(text) else None


def said(text: str) -> float | None:
    """Seconds, from prose: "Please try again in 1.2s", "retry after 6 seconds"."""
    found = _AGAIN.search(text)
    return bounded(_sum(found["span"])) if found else None


def _sum(text: str) -> float:
    return sum(float(amount) * _unit_s(unit.lower()) for amount, unit in _PARTS.findall(text))


def _unit_s(unit: str) -> float:
    return _SECONDS["ms" if unit.startswith(("ms", "mil")) else unit[0]]


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds, by ``retry-after-ms``, else ``Retry-After`` (seconds, or an HTTP date).

    A date is read against the answer's own ``Date``, so a clock that is off does no harm
    (RFC 9110, 10.2.3).
    """
    milliseconds = number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return bounded(milliseconds / 1000)
    told = headers.get("retry-after", "")
    if not told:
        return None
    if (seconds := number(told)) is not None:
        return bounded(seconds)
    then = _date(told)
    if then is None:
        return None
    sent = _date(headers.get("date", ""))
    return bounded(then - (now if sent is None else sent))


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def moment(at: object, after_s: object, now: float) -> float | None:
    """Unix seconds, from a time (seconds or milliseconds) or else a wait in seconds.

    A time that is past says less than a wait: the two clocks differ.
    """
    told, wait_s = number(at), number(after_s)
    if told is not None and told > MILLISECONDS:
        told /= 1000
    if told is None or (told <= now and wait_s is not None):
        told = None if wait_s is None else now + wait_s
    return None if told is None else max(now, min(told, now + FARTHEST_S))


def resets(error: Mapping[str, Any], now: float) -> float | None:
    """Unix seconds, from ``resets_at`` / ``resets_in_seconds`` of an error object."""
    return moment(error.get("resets_at"), error.get("resets_in_seconds"), now)


def windows_of_headers(headers: Mapping[str, str], now: float) -> tuple[Window, ...]:
    """The windows told by ``x-ratelimit-*`` and ``x-codex-*`` headers (names lower-case)."""
    limits = (
        _dimension(name, headers, now)
        for name in DIMENSIONS
        if f"x-ratelimit-remaining-{name}" in headers
    )
    codex = codex_windows(headers, now) if _tells_of_codex(headers) else ()
    return (*(window for window in limits if window is not None), *codex)


def _tells_of_codex(headers: Mapping[str, str]) -> bool:
    return any(f"x-codex-{position}-used-percent" in headers for position in POSITIONS)


def _dimension(name: str, headers: Mapping[str, str], now: float) -> Window | None:
    """One ``x-ratelimit-*-<name>``; -1 and absent mean unknown (azure sends -1)."""
    remaining = number(headers.get(f"x-ratelimit-remaining-{name}", ""))
    limit = number(headers.get(f"x-ratelimit-limit-{name}", ""))
    if remaining is None or remaining < 0 or (limit is not None and limit <= 0):
        return None
    if limit is None and remaining > 0:
        return None
    used = 1.0 - remaining / limit if limit else 1.0
    reset_s = duration(headers.get(f"x-ratelimit-reset-{name}", ""))
    resets_at = None if reset_s is None else now + reset_s
    return Window(name, max(0.0, used), resets_at, None, now)


def codex_windows(headers: Mapping[str, str], now: float) -> tuple[Window, ...]:
    """The windows told by ``x-codex-{primary,secondary}-*`` headers."""
    told = (
        {
            "used_percent": headers.get(f"x-codex-{position}-used-percent"),
            "window_minutes": headers.get(f"x-codex-{position}-window-minutes"),
            "reset_at": headers.get(f"x-codex-{position}-reset-at"),
            "reset_after_seconds": headers.get(f"x-codex-{position}-reset-after-seconds"),
        }
        for position in POSITIONS
    )
    return _named(told, now)


def has_credits(headers: Mapping[str, str]) -> bool:
    """Whether the account may go on when its windows are full."""
    return any(headers.get(name, "").strip().lower() == "true" for name in CREDITS)


def windows_of_event(event: bytes, now: float) -> tuple[Window, ...]:
    """The windows in a ``codex.rate_limits`` event (its JSON); empty for any other event."""
    told = json_object(event)
    limits = told.get("rate_limits")
    if told.get("type") != "codex.rate_limits" or not isinstance(limits, dict):
        return ()
    return _named((limits.get(position) for position in POSITIONS), now)


def windows_of_usage(body: bytes, now: float) -> tuple[Window, ...]:
    """The windows in an answer of ``/wham/usage``.

    ``used_percent`` is a whole number and lags: where upstream says that the limit is reached and
    no window is full, the fullest one is. ``additional_rate_limits`` bound single features, not the
    account, and are left out.
    """
    limit = json_object(body).get("rate_limit")
    if not isinstance(limit, dict):
        return ()
    windows = _named((limit.get(f"{position}_window") for position in POSITIONS), now)
    if limit.get("limit_reached") is not True or not windows:
        return windows
    fullest = max(windows, key=lambda window: window.used)
    full = evolve(fullest, used=max(1.0, fullest.used))
    return tuple(full if window is fullest else window for window in windows)


def _named(told: Iterable[object], now: float) -> tuple[Window, ...]:
    """Windows by name; of two with one name the fuller counts."""
    known: dict[str, Window] = {}
    for reading in told:
        window = _codex_window(reading, now)
        if window is not None and (
            window.name not in known or known[window.name].used < window.used
        ):
            known[window.name] = window
    return tuple(known.values())


def _codex_window(reading: object, now: float) -> Window | None:
    if not isinstance(reading, Mapping):
        return None
    percent = number(reading.get("used_percent"))
    if percent is None:
        return None
    minutes = number(reading.get("window_minutes"))
    span_s = number(reading.get("limit_window_seconds")) if minutes is None else minutes * 60
    if span_s is not None and not 0 < span_s <= LONGEST_SPAN_S:
        span_s = None
    resets_at = moment(reading.get("reset_at"), reading.get("reset_after_seconds"), now)
    used = max(0.0, min(percent / 100, FULLEST))
    return Window(name_of_span(span_s), used, resets_at, span_s, now)


def json_object(text: bytes) -> dict[str, Any]:
    """The JSON object in ``text``; empty when there is none."""
    try:
        told = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
