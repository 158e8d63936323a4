"""What a function of a key gives, remembered: a dict that asks for what it does not have.

Where a request asks a dozen times, ``functools.lru_cache`` costs twice such a look, for an
order of use that nobody needs: the few keys that come all the time are soon back.
"""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def _any(_: object) -> bool:
    return True


class Remembered(dict[K, V]):
    """``remembered[key]`` is ``make(key)``; at ``most`` keys, which others choose, it starts over.

    What ``make`` raises is not remembered, nor what comes of a key that does not ``fit``: one that
    is long, since it is kept.
    """

    __slots__ = ("fits", "make", "most")

    def __init__(self, make: Callable[[K], V], most: int, fits: Callable[[K], bool] = _any) -> None:
        super().__init__()
        self.make = make
        self.most = most
        self.fits = fits

    def __missing__(self, key: K) -> V:
        """Make it."""
        value = self.make(key)
        if self.fits(key):
            if len(self) >= self.most:
                self.clear()
            self[key] = value
        return value


def shorter_than(size: int) -> Callable[[str | bytes], bool]:
    """Whether a key fits that has less than ``size`` characters or bytes."""
    return lambda key: len(key) < size
