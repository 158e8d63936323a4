"""What time it is: the one clock of the house."""

import time
from collections.abc import Callable
from functools import partial

LOOK_S = 0.5


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
    """The wall at start, and monotonic from there: a corrected wall clock moves no cooldown.

    A request asks twenty times, so the cheap clock answers; how long the system has slept, which
    only the other one knows, is looked up every LOOK_S.
    """

    __slots__ = ("_began", "_look_at", "_start", "_ticks")

    def __init__(self) -> None:
        self._ticks = _ticks()
        self._began = time.time() - self._ticks()
        self._start = self._look_at = 0.0
        self._look()

    def now(self) -> float:
        """Unix seconds; never goes back."""
        ticks = time.monotonic()
        if ticks >= self._look_at:
            self._look()
        return self._start + ticks

    def _look(self) -> None:
        """Time that passes between the two looks makes the difference smaller: it is made up."""
        ticks, cheap = self._ticks(), time.monotonic()
        self._start = max(self._start, self._began + ticks - cheap)
        self._look_at = cheap + LOOK_S

    def monotonic(self) -> float:
        """Seconds from anywhere, for durations."""
        return time.monotonic()
