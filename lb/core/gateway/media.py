"""``mediaOptimization``: images, sound and files of earlier turns become a short note.

Those of the last turn stay, and so do those of turns the last one refers to.
"""

import re
from typing import Any, Final

from lb.core.body import Body
from lb.core.gateway.turns import Turn, items_of, turns_of
from lb.core.gateway.wish import Wish
from lb.core.marks import MEDIA, Mark

KINDS: Final = {"input_image": "image", "input_file": "file", "input_audio": "audio"}
_MEDIA: Final = Mark(MEDIA, re.compile(rb'"input_(?:image|file|audio)"'))
_POINTING: Final = re.compile(
    r"\b(?:(?:that|this|these|those|the|first|previous|earlier|last|above|same)\s+(?:\w+\s+)?"
    r"(?:images?|pictures?|photos?|screenshots?|files?|documents?|pdfs?|audio|recordings?|attachments?)"
    r"|attached|attachments?)\b",
    re.IGNORECASE,
)
"""Words by which a turn refers to what was sent before."""


def media_that_matter(body: Body, wish: Wish) -> bool:
    """Replace what no turn refers to any longer; whether any was."""
    if not wish.media_optimization or not body.has(_MEDIA):
        return False
    items = items_of(body)
    turns = turns_of(items)
    if len(turns) < 2 or _POINTING.search(turns[-1].said):
        return False
    told = [*items]
    for turn in turns[:-1]:
        if not _named(turn, turns[-1]):
            told[turn.start : turn.end] = [_without(item) for item in items[turn.start : turn.end]]
    changed = told != items
    if changed:
        body.set("input", told, told=False)
    return changed


def _named(turn: Turn, last: Turn) -> bool:
    """Whether the last turn names a file of this one."""
    names = re.findall(r"[\w-]+\.\w{2,5}", turn.text)
    return any(name in last.said for name in names)


def _without(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    told = item
    for name in ("content", "output"):
        parts = item.get(name)
        if isinstance(parts, list) and any(_kind(part) for part in parts):
            told = {**told, name: [_note(part) if _kind(part) else part for part in parts]}
    return told


def _kind(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    return KINDS.get(kind, "") if isinstance(kind, str) else ""


def _note(part: dict[str, Any]) -> dict[str, Any]:
    name = part.get("filename")
    called = f' "{name}"' if isinstance(name, str) else ""
    return {"type": "input_text", "text": f"[{_kind(part)}{called} of an earlier turn left out]"}
