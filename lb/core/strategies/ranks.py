"""Slots kept in the order of a strategy: the best of a thousand is found without asking all.

A place in the order may lag behind: who got worse is put right when it comes to the front, before
it is chosen; who may have got better is told of by ``changed``, and by the reset of a window.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import Any

from lb.core.slot import Slot

Order = Callable[[Slot], tuple[float, ...]]
"""Whose is smallest is chosen."""


class _Sorted:
    """Numbers, each by a key of its own."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, int]] = []
        self._keys: dict[int, Any] = {}

    def place(self, number: int, key: Any) -> bool:
        """Put ``number`` where ``key`` belongs; whether it moved."""
        old = self._keys.get(number)
        if old == key:
            return False
        if old is not None:
            del self.rows[bisect_left(self.rows, (old, number))]
        insort(self.rows, (key, number))
        self._keys[number] = key
        return True


class Ranks:
    """``slots`` in the order of ``order(now)``; among equals as they are in the config."""

    def __init__(self, slots: Sequence[Slot], order: Callable[[float], Order]) -> None:
        self.order = order
        self._slots = slots
        self._numbers = {slot.id: number for number, slot in enumerate(slots)}
        self._changed = set(self._numbers.values())
        self._ranks = _Sorted()
        self._resets = _Sorted()  # when a window starts anew, and its slot may be better

    def changed(self, slot: Slot) -> None:
        """``slot`` may be better than it was."""
        if (number := self._numbers.get(slot.id)) is not None:
            self._changed.add(number)

    def first(self, ready: Callable[[Slot], bool], now: float, most: int) -> Slot | None:
        """The first that is ``ready``, of at most ``most`` that are asked; None if none of them."""
        order = self.order(now)
        self._catch_up(order, now)
        rows, at = self._ranks.rows, 0
        while at < len(rows) and most:
            number = rows[at][1]
            slot = self._slots[number]
            if self._ranks.place(number, order(slot)):
                continue  # it had got worse: another one is here now
            if slot.has_room():  # said without judging: most of a busy pool has none
                most -= 1
                if ready(slot):
                    return slot
            at += 1
        return None

    def _catch_up(self, order: Order, now: float) -> None:
        resets = self._resets.rows
        due = bisect_left(resets, (now, len(self._slots)))  # those of this very moment, too
        self._changed.update(number for _, number in resets[:due])
        for number in self._changed:
            slot = self._slots[number]
            self._ranks.place(number, order(slot))
            self._resets.place(number, slot.resets_at(now))
        self._changed.clear()
