"""What time it is: the one clock of the house."""

import time
from collections.abc import Callable
from functools import partial


def _number() -> int | None:
    """A clock that never jumps and, where the system has one, does not stop while it sleeps.

    Cooldowns and usage windows end at wall times: after a laptop's night they must be over.
    Linux' CLOCK_MONOTONIC stands still then, its CLOCK_BOOTTIME does not.
    """
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        number: int | None = getattr(time, name, None)
        if number is not None:
            return number
    return None


def _ticks() -> Callable[[], float]:
    number = _number()
    return time.monotonic if number is None else partial(time.clock_gettime, number)


class Clock:
    """The wall at start, and monotonic from there: a corrected wall clock moves no cooldown."""

    __slots__ = ("_start", "_ticks")

    def __init__(self) -> None:
        self._ticks = _ticks()
        self._start = time.time() - self._ticks()

    def now(self) -> float:
        """Unix seconds; never goes back."""
        return self._start + self._ticks()

    def monotonic(self) -> float:
        """Seconds from anywhere, for durations."""
        return time.monotonic()
