"""The quick ways of the strategies: whom judging everybody would choose, without doing so."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lb.core.account import Account
from lb.core.events import Doubted, Measured, Paused, Throttled
from lb.core.pool import Pool
from lb.core.slot import Slot, Verdict
from lb.core.strategies import STRATEGIES
from lb.core.strategies.quick import MOST_ASKED, QUICK, Group
from lb.core.windows import FIVE_HOURS_S, WEEK_S, Window
from tests.core.happenings import ASK, HOUR, NOW

BY_CHANCE = {"balanced", "weighted"}


def pool_of(strategy: str, number: int, chance: Random) -> Pool:
    """Accounts of two priorities and some weights."""
    pool = Pool(STRATEGIES[strategy])
    pool.update(
        Account(
            f"a{n}",
            "openai",
            weight=chance.choice([0.5, 1.0, 3.0]),
            max_in_flight=chance.choice([1, 2, 8]),
            priority=int(n > number * 0.8),
        )
        for n in range(number)
    )
    return pool


def happen(pool: Pool, chance: Random, now: float, taken: list[Slot]) -> None:
    """Something, to somebody."""
    name = chance.choice(list(pool.slots))
    windows = (
        Window("5h", chance.choice([0.2, 0.2, 0.7, 1.0]), now + HOUR, FIVE_HOURS_S, now),
        Window("week", chance.choice([0.1, 0.5]), now + chance.choice([9, 900]), WEEK_S, now),
    )
    event = chance.choice(
        [
            Throttled(name, now, "429", now + 5),
            Doubted(name, now, "503"),
            Paused(name, now),
            Measured(name, now, windows),
            Measured(name, now, windows),
            None,
            None,
        ]
    )
    if event is not None:
        pool.learn(event)
    elif taken:
        pool.release(taken.pop(chance.randrange(len(taken))))


@pytest.mark.parametrize("name", STRATEGIES)
@given(seed=some.integers(0, 10_000), number=some.integers(4, 60))
def test_the_one_chosen_is_whom_judging_everybody_chooses(
    name: str, seed: int, number: int
) -> None:
    chance = Random(seed)
    pool, now, taken = pool_of(name, number, chance), NOW, list[Slot]()
    first = [slot for slot in pool.enabled() if slot.account.priority == 0]
    for _ in range(40):
        now += chance.choice([0.0, 0.3, 4.0])
        happen(pool, chance, now, taken)
        judged = {slot.id: slot.judge(ASK, now) for slot in first}
        able = [slot for slot in first if judged[slot.id] is Verdict.READY] or [
            slot for slot in first if judged[slot.id] is Verdict.SECOND
        ]
        expected = STRATEGIES[name](able, ASK, now, Random(1)) if able else None
        found = pool.pick(ASK, now, chance)
        if found is not None:
            taken.append(found[0])
        if expected is not None:
            assert found is not None
            assert found[0] in able
            assert found[1] is judged[found[0].id]
            assert name in BY_CHANCE or found[0] is expected


@pytest.mark.parametrize("name", STRATEGIES)
def test_in_a_large_pool_few_are_judged(name: str) -> None:
    pool = pool_of(name, 1000, Random(2))
    asked: list[Slot] = []

    def ready(slot: Slot) -> bool:
        asked.append(slot)
        return slot.judge(ASK, NOW) is Verdict.READY

    for picks in range(200):
        asked.clear()
        slot = QUICK[pool.strategy](pool._best, ASK, NOW, Random(picks), ready)
        assert slot is not None
        slot.take(NOW, picks)
        slot.give_back()
        pool._best.picked(slot)
        assert len(asked) <= MOST_ASKED + 1
    assert len({slot.id for slot in pool.slots.values() if slot.picked}) > 1 or name == "fill_first"


def test_a_lot_is_drawn_by_the_weights_of_those_that_are_ready() -> None:
    slots = [Slot(Account(f"a{n}", "openai", weight=1.0 + n)) for n in range(6)]
    group, chance = Group.of(slots), Random(3)
    able = slots[1::2]  # of the weights 2, 4 and 6
    draws = (
        QUICK[STRATEGIES["weighted"]](group, ASK, NOW, chance, able.__contains__)
        for _ in range(6_000)
    )
    counts = Counter(slot.id for slot in draws if slot is not None)
    assert sorted(counts) == [slot.id for slot in able]
    for slot in able:
        assert counts[slot.id] == pytest.approx(6_000 * slot.account.weight / 12, rel=0.1)


def test_those_without_a_place_are_not_judged() -> None:
    slots = [Slot(Account(f"a{n}", "openai", max_in_flight=1)) for n in range(4 * MOST_ASKED)]
    for slot in slots[:-1]:
        slot.take(NOW, 1)
    found = QUICK[STRATEGIES["fill_first"]](
        Group.of(slots), ASK, NOW, Random(1), lambda slot: slot.judge(ASK, NOW) is Verdict.READY
    )
    assert found is slots[-1]


def test_a_turn_is_remembered_when_the_configuration_changes() -> None:
    pool = pool_of("round_robin", 10, Random(4))
    chance, seen = Random(5), list[str]()
    for number in range(16):
        found = pool.pick(ASK, NOW, chance)
        assert found is not None
        pool.release(found[0])
        seen.append(found[0].id)
        if number == 4:
            pool.update([slot.account for slot in reversed(pool.slots.values())])
    assert sorted(seen[:9]) == [f"a{n}" for n in range(9)]
    assert sorted(seen[5:14]) == sorted(seen[:9]), "nobody waits longer for it"
