"""Slots kept in the order of a strategy: the best is found, and few are looked at for it."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lb.core.account import Account
from lb.core.memory import restore, standing
from lb.core.pool import Pool
from lb.core.sharing import SharedPool
from lb.core.slot import Slot
from lb.core.strategies import STRATEGIES
from lb.core.strategies.plain import by_headroom, by_load, by_reset
from lb.core.strategies.ranks import Order, Ranks
from lb.core.windows import FIVE_HOURS_S, Window
from tests.core.happenings import ASK, HOUR, NOW

ORDERS = [by_load, by_headroom, by_reset]


def slots_of(number: int, most_in_flight: int = 8) -> list[Slot]:
    """Slots of which nothing is known yet."""
    return [Slot(Account(f"a{n}", "openai", max_in_flight=most_in_flight)) for n in range(number)]


def used(share: float, resets_at: float = NOW + HOUR) -> tuple[Window, ...]:
    """One window, of which so much is used."""
    return (Window("5h", share, resets_at, FIVE_HOURS_S, NOW),)


@pytest.mark.parametrize("order", ORDERS)
@given(seed=some.integers(0, 10_000), number=some.integers(1, 30))
def test_the_first_is_the_best_whatever_happened(
    order: Callable[[float], Order], seed: int, number: int
) -> None:
    chance, now, slots = Random(seed), NOW, slots_of(number)
    ranks, picks, taken = Ranks(slots, order), 0, list[Slot]()
    for _ in range(60):
        now += chance.choice([0.0, 0.5, 20.0])
        slot, happening = chance.choice(slots), chance.random()
        if happening < 0.3:
            slot.windows = used(chance.choice([0.1, 0.5, 1.0]), now + chance.choice([3, 30, 900]))
            ranks.changed(slot)
        elif happening < 0.5 and taken:
            slot = taken.pop()
            slot.give_back()
            ranks.changed(slot)
        best = ranks.first(lambda _: True, now, number)
        roomy = [slot for slot in slots if slot.has_room()]
        assert best is (min(roomy, key=order(now)) if roomy else None)
        if best is not None:
            picks += 1
            best.take(now, picks)  # it is no better for it, so nobody is told
            taken.append(best)


@pytest.mark.parametrize("order", ORDERS)
def test_in_a_large_pool_few_are_looked_at(order: Callable[[float], Order]) -> None:
    looks = 0

    def counted(now: float) -> Order:
        def look(slot: Slot) -> tuple[float, ...]:
            nonlocal looks
            looks += 1
            return order(now)(slot)

        return look

    slots = slots_of(1000)
    ranks = Ranks(slots, counted)
    for picks in range(100):
        looks = 0
        slot = ranks.first(lambda _: True, NOW, 32)
        assert slot is not None
        slot.take(NOW, picks)
        slot.give_back()
        ranks.changed(slot)
        assert picks == 0 or looks <= 4


def test_so_many_are_asked_and_no_more_and_those_without_a_place_not_at_all() -> None:
    slots, asked = slots_of(100, most_in_flight=1), list[str]()
    for slot in slots[:50]:
        slot.take(NOW, 1)
    ranks = Ranks(slots, by_headroom)

    def refuses(slot: Slot) -> bool:
        asked.append(slot.id)
        return False

    assert ranks.first(refuses, NOW, 32) is None
    assert asked == [slot.id for slot in slots[50:82]]


def pool(kind: type[Pool], strategy: str, number: int = 8) -> Pool:
    """A pool that has been asked once, so that its order is kept."""
    made = kind(STRATEGIES[strategy])
    made.update(slot.account for slot in slots_of(number))
    for _ in range(2):  # the very first pick looks at all
        found = made.pick(ASK, NOW, Random(1))
        assert found is not None
        made.release(found[0])
    return made


def test_what_other_workers_have_in_flight_counts_and_counts_no_longer() -> None:
    shared = pool(SharedPool, "least_loaded")
    assert isinstance(shared, SharedPool)
    shared.flies(1, dict.fromkeys(shared.slots, 1))
    found = shared.find(ASK, NOW, Random(1))
    assert found is not None
    last = [*shared.slots][-1]
    shared.flies(1, {last: 0})
    found = shared.find(ASK, NOW, Random(1))
    assert found is not None
    assert found[0].id == last


def test_a_standing_that_is_put_back_counts_at_once() -> None:
    restored = pool(Pool, "headroom")
    for slot in restored.slots.values():
        slot.windows = used(0.5)
        restored.changed(slot)
    assert restored.find(ASK, NOW, Random(1)) is not None
    better = Slot(Account("other", "openai"), windows=used(0.1))
    last = [*restored.slots.values()][-1]
    restore(last, standing(better, NOW), NOW)
    restored.changed(last)
    found = restored.find(ASK, NOW, Random(1))
    assert found is not None
    assert found[0] is last
