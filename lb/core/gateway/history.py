"""``chatHistoryCompression``: old turns that have nothing to do with the present one are dropped.

A turn goes as a whole, so that no call loses its output and no reasoning its item. What came before
the first turn, instructions among the turns and the last turns stay. The question old turns are
judged by changes only every STRIDE turns, so that between two changes the prefix, and with it the
prompt cache, stays as it is.
"""

from typing import Any, Final

from lb.core.body import Body
from lb.core.gateway.scores import scores
from lb.core.gateway.turns import INSTRUCTING, items_of, turns_of
from lb.core.gateway.wish import Wish

LAST_TURNS: Final = 2  # which stay whatever they say
STRIDE: Final = 4  # turns between two judgements
_STATEFUL: Final = ("previous_response_id", "conversation")


def turns_that_matter(body: Body, wish: Wish) -> bool:
    """Drop the old turns that score under ``score``; whether any was."""
    asked = wish.history
    if not asked.enabled or any(body.get(name) for name in _STATEFUL):
        return False
    items = items_of(body)
    turns = turns_of(items)
    old = (len(turns) - LAST_TURNS) // STRIDE * STRIDE
    if old <= 0 or not _is_closed(items, turns[old].start):
        return False
    fit = scores([turn.text for turn in turns[:old]], turns[old].said)
    told: list[Any] = items[: turns[0].start]
    for turn, score in zip(turns[:old], fit, strict=True):
        kept = items[turn.start : turn.end]
        whole = score >= asked.score or not any(fit) or not _is_closed(kept, len(kept))
        told += kept if whole else [item for item in kept if _instructs(item)]
    told += items[turns[old].start :]
    changed = len(told) != len(items)
    if changed:
        body.set("input", told, told=False)
    return changed


def _instructs(item: Any) -> bool:
    return isinstance(item, dict) and item.get("role") in INSTRUCTING


def _is_closed(items: list[Any], end: int) -> bool:
    """Whether calls and outputs before ``end`` all have each other there."""
    calls: set[Any] = set()
    outputs: set[Any] = set()
    for item in items[:end]:
        call_id = item.get("call_id") if isinstance(item, dict) else None
        if isinstance(call_id, str):
            (outputs if str(item.get("type")).endswith("_output") else calls).add(call_id)
    return calls == outputs
