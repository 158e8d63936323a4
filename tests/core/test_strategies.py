"""Which of those that may serve does: each strategy's rule in a small table."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from attrs import define

from lb.core.account import Account, Ask
from lb.core.slot import Slot
from lb.core.strategies import STRATEGIES
from lb.core.windows import FIVE_HOURS_S, WEEK_S, Window
from tests.core.happenings import ASK, HOUR, NOW


@define
class Told:
    """An account as a row of a table tells it."""

    id: str
    weight: float = 1.0
    in_flight: int = 0
    picked: int = 0
    latency_s: float | None = None
    windows: tuple[Window, ...] = ()

    @property
    def slot(self) -> Slot:
        """It as a slot."""
        slot = Slot(Account(self.id, "openai", weight=self.weight), in_flight=self.in_flight)
        slot.picked, slot.windows = self.picked, self.windows
        if self.latency_s is not None:
            slot.load.saw(self.latency_s, NOW)
        return slot


def week(used: float, left_s: float) -> tuple[Window, ...]:
    return (Window("week", used, NOW + left_s, WEEK_S, NOW),)


def five_hours(used: float, left_s: float) -> tuple[Window, ...]:
    return (Window("5h", used, NOW + left_s, FIVE_HOURS_S, NOW),)


HALF, TENTH, MOST = week(0.5, HOUR), week(0.1, HOUR), week(0.9, HOUR)
RULES: list[tuple[str, str, str, list[Told]]] = [
    # strategy, rule, who is chosen, among whom
    ("least_loaded", "fewest in flight", "b", [Told("a", in_flight=3), Told("b", in_flight=2)]),
    ("least_loaded", "for its weight", "a", [Told("a", 4.0, 3), Told("b", 1.0, 1)]),
    ("least_loaded", "then longest ago", "b", [Told("a", picked=9), Told("b", picked=2)]),
    ("round_robin", "longest ago", "b", [Told("a", picked=9), Told("b", in_flight=7, picked=2)]),
    ("fill_first", "the first", "a", [Told("a", in_flight=9), Told("b")]),
    ("headroom", "most left", "b", [Told("a", windows=HALF), Told("b", windows=TENTH)]),
    ("headroom", "unknown is all", "b", [Told("a", windows=TENTH), Told("b")]),
    ("headroom", "the tightest", "a",
     [Told("a", windows=HALF), Told("b", windows=TENTH + five_hours(0.9, HOUR))]),
    ("headroom", "then least busy", "b", [Told("a", in_flight=2), Told("b", in_flight=1)]),
    ("headroom", "then longest ago", "b", [Told("a", picked=2), Told("b", picked=1)]),
    ("reset_first", "soonest reset", "b",
     [Told("a", windows=week(0.1, 2 * HOUR)), Told("b", windows=MOST)]),
    ("reset_first", "a past reset is none", "a",
     [Told("a", windows=TENTH), Told("b", windows=week(0.1, -1))]),
    ("reset_first", "then least busy", "b", [Told("a", in_flight=1), Told("b")]),
    ("balanced", "alone", "a", [Told("a", in_flight=99)]),
    ("balanced", "the idler", "b", [Told("a", in_flight=4), Told("b", in_flight=3)]),
    ("balanced", "the faster", "b", [Told("a", latency_s=3.0), Told("b", latency_s=0.3)]),
    ("balanced", "weights count", "a", [Told("a", 4.0, 3), Told("b", 1.0, 1)]),
    ("balanced", "quota that would be lost", "b",
     [Told("a", windows=week(0.5, 6 * 86400)), Told("b", windows=HALF)]),
    ("balanced", "not the full one", "a",
     [Told("a", in_flight=50), Told("b", windows=week(1.0, HOUR))]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("strategy", "rule", "chosen", "told"), RULES, ids=[f"{r[0]}: {r[1]}" for r in RULES]
)
def test_a_strategy_follows_its_rule(
    strategy: str, rule: str, chosen: str, told: list[Told]
) -> None:
    for seed in range(20):
        slots = [each.slot for each in told]
        assert STRATEGIES[strategy](slots, ASK, NOW, Random(seed)).id == chosen, rule


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_changes_nothing_and_gives_back_one_of_those_it_was_given(name: str) -> None:
    slots = [Told(str(n), in_flight=n, picked=n, windows=week(n / 9, HOUR)).slot for n in range(9)]
    before = [(s.in_flight, s.picked, s.limit, s.counts.requests) for s in slots]
    assert STRATEGIES[name](slots, Ask("m", session="s"), NOW, Random(1)) in slots
    assert [(s.in_flight, s.picked, s.limit, s.counts.requests) for s in slots] == before


def _spread(strategy: str, weights: dict[str, float], asks: Any) -> Counter[str]:
    """How many requests each account gets when every one stays in flight."""
    slots = [Told(name, weight).slot for name, weight in weights.items()]
    rng, counts = Random(5), Counter[str]()
    for number, ask in enumerate(asks):
        slot = STRATEGIES[strategy](slots, ask, NOW, rng)
        slot.take(NOW, number + 1)
        counts[slot.id] += 1
    return counts


@pytest.mark.parametrize("strategy", ["balanced", "least_loaded", "round_robin", "weighted"])
def test_equal_accounts_get_about_as_much_each(strategy: str) -> None:
    counts = _spread(strategy, dict.fromkeys("abcdefgh", 1.0), [ASK] * 4000)
    assert set(counts) == set("abcdefgh")
    assert 400 <= min(counts.values()) <= max(counts.values()) <= 600


@pytest.mark.parametrize("strategy", ["balanced", "least_loaded", "weighted"])
def test_a_heavier_account_gets_more(strategy: str) -> None:
    counts = _spread(strategy, {"a": 3.0, "b": 1.0}, [ASK] * 2000)
    assert counts["a"] / counts["b"] == pytest.approx(3.0, rel=0.2)


def test_conversations_spread_evenly_over_their_pairs_and_replicas_agree() -> None:
    asks = [Ask("m", session=f"session:{n}") for n in range(4000)]
    slots = [Told(name).slot for name in "abcdefgh"]
    chosen = [STRATEGIES["balanced"](slots, ask, NOW, Random(n)).id for n, ask in enumerate(asks)]
    again = [STRATEGIES["balanced"](slots[::-1], ask, NOW, Random(0)).id for ask in asks]
    assert chosen == again, "chance and order have no say"
    counts = Counter(chosen)
    assert 400 <= min(counts.values()) <= max(counts.values()) <= 600


def test_an_account_more_or_less_moves_few_conversations() -> None:
    asks = [Ask("m", session=f"session:{n}") for n in range(2000)]
    slots = [Told(name).slot for name in "abcdefgh"]

    def chosen(among: list[Slot]) -> list[str]:
        return [STRATEGIES["balanced"](among, ask, NOW, Random(0)).id for ask in asks]

    moved = [x for x, y in zip(chosen(slots), chosen(slots[:-1]), strict=True) if x != y]
    assert set(moved) == {"h"}


def test_two_clients_with_one_session_name_are_spread_apart() -> None:
    slots = [Told(name).slot for name in "abcdefgh"]
    homes = {
        STRATEGIES["balanced"](slots, Ask("m", client=f"c{n}", session="s"), NOW, Random(0)).id
        for n in range(50)
    }
    assert len(homes) > 4
