"""What a function of a key gives, remembered: a dict that asks for what it does not have.

Where a request asks a dozen times, ``functools.lru_cache`` costs twice such a look, for an
order of use that nobody needs: the few keys that come all the time are soon back.
"""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """``remembered[key]`` is ``make(key)``; at ``most`` keys, which others choose, it starts over.

    What ``make`` raises is not remembered.
    """

    __slots__ = ("make", "most")

    def __init__(self, make: Callable[[K], V], most: int) -> None:
        super().__init__()
        self.make = make
        self.most = most

    def __missing__(self, key: K) -> V:
        """Make it."""
        if len(self) >= self.most:
            self.clear()
        value = self[key] = self.make(key)
        return value
