"""The strategies that follow one rule each."""

from collections.abc import Sequence
from math import inf
from random import Random

from lb.core import windows
from lb.core.account import Ask
from lb.core.slot import Slot


def least_loaded(slots: Sequence[Slot], ask: Ask, now: float, rng: Random) -> Slot:
    """The fewest in flight for its weight; among equals the one that waited longest."""
    del ask, now, rng
    return min(slots, key=lambda slot: (slot.in_flight / slot.account.weight, slot.picked))


def round_robin(slots: Sequence[Slot], ask: Ask, now: float, rng: Random) -> Slot:
    """The one picked longest ago."""
    del ask, now, rng
    return min(slots, key=lambda slot: slot.picked)


def weighted(slots: Sequence[Slot], ask: Ask, now: float, rng: Random) -> Slot:
    """By chance, in proportion to the weights."""
    del ask, now
    return rng.choices(slots, [slot.account.weight for slot in slots])[0]


def fill_first(slots: Sequence[Slot], ask: Ask, now: float, rng: Random) -> Slot:
    """The first in the order of the config, as long as it can serve."""
    del ask, now, rng
    return slots[0]


def headroom(slots: Sequence[Slot], ask: Ask, now: float, rng: Random) -> Slot:
    """The largest share left in its tightest window; among equals the least busy."""
    del ask, rng
    return max(
        slots,
        key=lambda slot: (
            windows.headroom(slot.windows, now),
            -slot.in_flight / slot.account.weight,
            -slot.picked,
        ),
    )


def reset_first(slots: Sequence[Slot], ask: Ask, now: float, rng: Random) -> Slot:
    """The one whose quota starts anew soonest: what is left there would be lost."""
    del ask, rng

    def resets_at(slot: Slot) -> float:
        return min(
            (w.resets_at for w in slot.windows if w.resets_at is not None and w.resets_at > now),
            default=inf,
        )

    return min(slots, key=lambda slot: (resets_at(slot), slot.in_flight, slot.picked))
