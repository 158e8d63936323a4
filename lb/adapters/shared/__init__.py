"""What the processes of one pool share: each tells facts, hears those of the others, and may ask.

    alone.py      one process: there is nobody to tell                       (default)
    siblings.py   workers of one server, on one machine: Unix sockets in ``data_dir``

A new way (replicas on several machines) is one file and one row in SCHEMES. What is told, and what
it means, is no matter of theirs: see ``core.tidings`` and ``proxy.family``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from lb.core.tidings import Tiding

ANSWER_S = 1.0
"""How long the others may take to answer what an operator asks."""


@frozen
class Place:
    """Which of how many workers this process is. ``folder`` is where they meet.

    ``lock`` is the lock of ``data_dir`` that the supervisor holds for all of them (a descriptor).
    """

    number: int = 0
    count: int = 1
    folder: Path = Path()
    lock: int | None = None

    @property
    def leads(self) -> bool:
        """Whether what is to be done once, and not by each, is done here."""
        return self.number == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1


ALONE = Place()


class Mind(Protocol):
    """Who knows what is to be told, and what to make of what is heard."""

    def news(self) -> list[Tiding]:
        """What is to be told since this was last asked."""

    def pressing(self) -> list[Tiding]:
        """Of the news, what others may have to look for before they are told."""

    def all_of_it(self) -> list[Tiding]:
        """What one who hears from us for the first time must know of us."""

    def hear(self, worker: int, tiding: Tiding) -> None:
        """Another one told something."""

    def lost(self, worker: int) -> None:
        """Another one is gone, and what it had under way with it."""

    async def answer(self, name: str, what: Any) -> Any:
        """The answer to a question of another one; None: there is none."""

    async def catch_up(self, workers: list[int]) -> None:
        """Take up what those that serve already know; at the start, and after a gap."""


class Shared(Protocol):
    """The way to the others. Nothing here ever waits on the path of a request."""

    def nudge(self, *, soon: bool = False) -> None:
        """There is news: tell it within some milliseconds, or in this turn of the loop."""

    def flush(self) -> None:
        """Tell what there is: when this returns, it is on its way (in the kernel)."""

    def lay(self) -> None:
        """Lay what is pressing where the others find it; nobody is woken for it."""

    def look(self) -> None:
        """Take up what the others have laid."""

    async def ask(self, name: str, what: Any = None, timeout_s: float = ANSWER_S) -> list[Any]:
        """What the others answer, those that do within ``timeout_s`` seconds, in their order.

        An answer comes after all that its sender told before.
        """

    async def ask_one(
        self, worker: int, name: str, what: Any = None, timeout_s: float = ANSWER_S
    ) -> Any:
        """What one of them answers; None when it does not."""

    async def start(self, mind: Mind) -> None:
        """Find the others, and catch up with them."""

    def ready(self) -> None:
        """From now on this process serves."""

    async def close(self) -> None:
        """Leave them."""


def _alone(place: Place) -> Shared:
    from lb.adapters.shared.alone import Alone

    del place
    return Alone()


def _siblings(place: Place) -> Shared:
    from lb.adapters.shared.siblings import Siblings

    return Siblings(place)


SCHEMES: dict[str, Callable[[Place], Shared]] = {"": _alone, "siblings": _siblings}
"""How processes come together -> how that is begun."""


def open_shared(place: Place) -> Shared:
    """The way to the others there are; nobody is spoken to yet."""
    return SCHEMES["" if place.is_alone else "siblings"](place)
