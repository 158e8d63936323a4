"""What time it is: the one clock of the house."""

import time
from collections.abc import Callable


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


def _ticks() -> tuple[Callable[..., float], tuple[int, ...]]:
    """What is asked, and with what: a partial of both would cost each look half as much again."""
    number = _number()
    return (time.monotonic, ()) if number is None else (time.clock_gettime, (number,))


class Clock:
    """The wall at start, and monotonic from there: a corrected wall clock moves no cooldown."""

    __slots__ = ("_start", "_ticks", "_which")

    def __init__(self) -> None:
        self._ticks, self._which = _ticks()
        self._start = time.time() - self._ticks(*self._which)

    def now(self) -> float:
        """Unix seconds; never goes back."""
        return self._start + self._ticks(*self._which)

    def monotonic(self) -> float:
        """Seconds from anywhere, for durations."""
        return time.monotonic()
