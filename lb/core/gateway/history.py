"""``chatHistoryCompression``: old turns that have nothing to do with the present one are dropped.

Or summed up, where ``[gateway] summary_model`` is set. A turn goes as a whole, so that no call
loses its output and no reasoning its item. What came before the first turn, instructions among the
turns and the last turns stay. The question old turns are judged by changes only every STRIDE turns,
so that between two changes the prefix, and with it the prompt cache, stays as it is.
"""

from typing import Any, Final

from attrs import frozen

from lb.core.body import Body
from lb.core.gateway.scores import scores
from lb.core.gateway.turns import INSTRUCTING, items_of, turns_of
from lb.core.gateway.wish import Wish

LAST_TURNS: Final = 2  # which stay whatever they say
STRIDE: Final = 4  # turns between two judgements
HEADING: Final = "[Summary of earlier turns of this conversation]"
_STATEFUL: Final = ("previous_response_id", "conversation")


@frozen
class Cut:
    """The input without its old turns that do not matter.

    ``kept`` are its items, ``dropped`` those left out; ``at`` is where the first of them stood.
    """

    kept: list[Any]
    dropped: list[Any]
    at: int

    def into(self, body: Body, summary: str = "") -> None:
        """Write the input anew, a summary in place of what is left out."""
        told = [*self.kept]
        if summary:
            told.insert(self.at, {"role": "user", "content": f"{HEADING}\n{summary}"})
        body.set("input", told, told=False)


def turns_that_matter(body: Body, wish: Wish) -> bool:
    """Drop the old turns that score under ``score``; whether any was."""
    cut = cut_of(body, wish)
    if cut is not None:
        cut.into(body)
    return cut is not None


def cut_of(body: Body, wish: Wish) -> Cut | None:
    """What there is to drop of old turns; None where it is nothing."""
    asked = wish.history
    if not asked.enabled or any(body.get(name) for name in _STATEFUL):
        return None
    items = items_of(body)
    turns = turns_of(items)
    old = (len(turns) - LAST_TURNS) // STRIDE * STRIDE
    if old <= 0 or not _is_closed(items, turns[old].start):
        return None
    fit = scores([turn.text for turn in turns[:old]], turns[old].said)
    kept: list[Any] = items[: turns[0].start]
    dropped: list[Any] = []
    at = 0
    for turn, score in zip(turns[:old], fit, strict=True):
        own = items[turn.start : turn.end]
        whole = score >= asked.score or not any(fit) or not _is_closed(own, len(own))
        if not whole:
            at = at if dropped else len(kept)
            dropped += [item for item in own if not _instructs(item)]
        kept += own if whole else [item for item in own if _instructs(item)]
    return Cut(kept + items[turns[old].start :], dropped, at) if dropped else None


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
