"""Which of those that may serve does: one function and one row for each strategy.

A strategy sees only slots that are eligible and alike in class; it never looks at health. In a
large pool ``quick`` finds the same without judging them all.
"""

from collections.abc import Callable, Sequence
from random import Random

from lb.core.account import Ask
from lb.core.slot import Slot
from lb.core.strategies.balanced import balanced
from lb.core.strategies.plain import (
    fill_first,
    headroom,
    least_loaded,
    reset_first,
    round_robin,
    weighted,
)

Strategy = Callable[[Sequence[Slot], Ask, float, Random], Slot]
"""(eligible slots, at least one; what is asked; now; chance) -> the one that serves."""

STRATEGIES: dict[str, Strategy] = {
    "balanced": balanced,
    "least_loaded": least_loaded,
    "round_robin": round_robin,
    "weighted": weighted,
    "fill_first": fill_first,
    "headroom": headroom,
    "reset_first": reset_first,
}
