"""The same choice without judging everybody: a large pool costs little more than a small one.

Filter first, then choose (law 7) holds: nobody is chosen whom ``ready`` does not admit. Each way
takes the ready one its strategy would take among all that are ready, or gives up, and then all are
judged: by lot that is drawing again (rejection leaves the shares of the others as they were), in an
order it is asking one after the other.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, islice
from operator import attrgetter
from random import Random

from attrs import define, field

from lb.core.account import Ask
from lb.core.slot import Slot
from lb.core.strategies import plain
from lb.core.strategies.balanced import balanced, drawn
from lb.core.strategies.ranks import Order, Ranks

MOST_ASKED = 32  # slots, before all are judged after all

Ready = Callable[[Slot], bool]


@define(eq=False)
class Group:
    """Slots of one priority; ``turns`` has the one picked longest ago first."""

    slots: Sequence[Slot]
    turns: OrderedDict[str, Slot]
    weights: list[float]  # added up, as a lot is drawn
    _ranks: dict[Callable[[float], Order], Ranks] = field(factory=dict)

    @classmethod
    def of(cls, slots: Sequence[Slot]) -> "Group":
        """A group of ``slots`` in the order of the config."""
        turns = OrderedDict((slot.id, slot) for slot in sorted(slots, key=attrgetter("picked")))
        return cls(slots, turns, list(accumulate(slot.account.weight for slot in slots)))

    def ranks(self, order: Callable[[float], Order]) -> Ranks:
        """The slots in ``order``, kept from now on."""
        if order not in self._ranks:
            self._ranks[order] = Ranks(self.slots, order)
        return self._ranks[order]

    def changed(self, slot: Slot) -> None:
        """It may be better than it was."""
        for ranks in self._ranks.values():
            ranks.changed(slot)

    def picked(self, slot: Slot) -> None:
        """It is the last whose turn it will be."""
        if slot.id in self.turns:
            self.turns.move_to_end(slot.id)


Quick = Callable[[Group, Ask, float, Random, Ready], Slot | None]
"""(the group, what is asked, now, chance, who may serve) -> who serves; None: judge all."""


def _first(slots: Iterable[Slot], ready: Ready) -> Slot | None:
    roomy = filter(Slot.has_room, slots)  # said without judging: most of a busy pool has none
    return next(filter(ready, islice(roomy, MOST_ASKED)), None)


def _of_two(group: Group, ask: Ask, now: float, rng: Random, ready: Ready) -> Slot | None:
    pair = drawn(group.slots, ask, rng)
    return balanced(pair, ask, now, rng) if all(map(ready, pair)) else None


def _by_lot(group: Group, ask: Ask, now: float, rng: Random, ready: Ready) -> Slot | None:
    del ask, now
    lots = rng.choices(group.slots, cum_weights=group.weights, k=1)
    for _ in range(MOST_ASKED):
        if ready(lots[0]):
            return lots[0]
        lots = rng.choices(group.slots, cum_weights=group.weights, k=1)
    return None


def _by_turns(group: Group, ask: Ask, now: float, rng: Random, ready: Ready) -> Slot | None:
    del ask, now, rng
    return _first(group.turns.values(), ready)


def _by_rank(group: Group, ask: Ask, now: float, rng: Random, ready: Ready) -> Slot | None:
    del ask, now, rng
    return _first(group.slots, ready)


def _ranked(order: Callable[[float], Order]) -> Quick:
    def quick(group: Group, ask: Ask, now: float, rng: Random, ready: Ready) -> Slot | None:
        del ask, rng
        return group.ranks(order).first(ready, now, MOST_ASKED)

    return quick


QUICK: dict[Callable[..., Slot], Quick] = {
    balanced: _of_two,
    plain.least_loaded: _ranked(plain.by_load),
    plain.round_robin: _by_turns,
    plain.weighted: _by_lot,
    plain.fill_first: _by_rank,
    plain.headroom: _ranked(plain.by_headroom),
    plain.reset_first: _ranked(plain.by_reset),
}
"""Strategy -> its quick way."""
