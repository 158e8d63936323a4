"""The default: two are drawn, the better one serves.

Power of two choices (Mitzenmacher 2001) over peak-EWMA, as tower has it, so that news that is a
little old never makes a herd. The draw is by chance, or by rendezvous hashing where the request
belongs to a conversation, so that replicas agree on the pair without talking. Weighted by the
account's weight and, where its windows are known, by how much would be lost at their reset.
"""

from collections.abc import Sequence
from heapq import nlargest
from random import Random

from lb.core import affinity, windows
from lb.core.account import Ask
from lb.core.slot import Slot

MOST_RANKED = 64  # accounts


def balanced(slots: Sequence[Slot], ask: Ask, now: float, rng: Random) -> Slot:
    """The cheaper of two: load divided by weight and by how freely its quota may be spent."""
    if len(slots) == 1:
        return slots[0]
    one, other = slots if len(slots) == 2 else drawn(slots, ask, rng)
    return one if _cost(one, now) <= _cost(other, now) else other


def drawn(slots: Sequence[Slot], ask: Ask, rng: Random) -> tuple[Slot, Slot]:
    """Two of (at least two) ``slots``: by the conversation, so replicas agree, or by chance."""
    if not ask.session:
        first = int(rng.random() * len(slots))
        second = int(rng.random() * (len(slots) - 1))
        return slots[first], slots[second + (second >= first)]
    key = affinity.key_of(ask.client, ask.session)
    if len(slots) > MOST_RANKED:  # ranking them all would cost more than it evens out
        number = int.from_bytes(key[:8], "big")
        first = number % len(slots)
        second = number // len(slots) % (len(slots) - 1)
        return slots[first], slots[second + (second >= first)]
    one, other = nlargest(
        2, slots, key=lambda slot: affinity.spread(key, affinity.seed_of(slot.id))
    )
    return one, other


def _cost(slot: Slot, now: float) -> float:
    free = windows.spend_before_reset(slot.windows, now) if slot.windows else 1.0
    return slot.load.cost(slot.in_flight, now) / (slot.account.weight * max(free, 0.01))
