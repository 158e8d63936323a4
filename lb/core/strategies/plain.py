"""The strategies that follow one rule each."""

from collections.abc import Sequence
from random import Random

from lb.core.account import Ask
from lb.core.slot import Slot
from lb.core.strategies.ranks import Order


def by_load(now: float) -> Order:
    """The fewest in flight for its weight; among equals the one that waited longest."""
    del now
    return lambda slot: (slot.in_flight / slot.account.weight, slot.picked)


def by_headroom(now: float) -> Order:
    """The largest share left in its tightest window; among equals the least busy."""
    return lambda slot: (
        -slot.headroom(now),
        slot.in_flight / slot.account.weight,
        slot.picked,
    )


def by_reset(now: float) -> Order:
    """The soonest reset; among equals the least busy."""
    return lambda slot: (slot.resets_at(now), slot.in_flight, slot.picked)


def least_loaded(slots: Sequence[Slot], ask: Ask, now: float, rng: Random) -> Slot:
    """The fewest in flight for its weight; among equals the one that waited longest."""
    del ask, rng
    return min(slots, key=by_load(now))


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
    return min(slots, key=by_headroom(now))


def reset_first(slots: Sequence[Slot], ask: Ask, now: float, rng: Random) -> Slot:
    """The one whose quota starts anew soonest: what is left there would be lost."""
    del ask, rng
    return min(slots, key=by_reset(now))
