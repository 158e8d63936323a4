"""Items of ``input``. It may be many megabytes: only a mark in its bytes has it decoded."""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from lb.core.body import Body
from lb.core.marks import CHAT, FILE, STRIPPED, STRIPPED_KEYS, Mark
from lb.core.rules.calls import Item, called, calls_of, result_of
from lb.core.rules.parts import in_place, is_chat

_BARE = re.compile(rb'\[\s*\{\s*"type"\s*:\s*"input_(?:text|image|file|audio)"')
_CHAT = Mark(CHAT, re.compile(rb'"(?:role"\s*:\s*"tool"|type"\s*:\s*"(?:text|image_url|file)")'))
_STRIPPED = Mark(STRIPPED, re.compile(rb'"(?:%b)"\s*:' % "|".join(STRIPPED_KEYS).encode()))
_FILE = Mark(FILE, re.compile(rb'"file_id"\s*:'))
_BARE_TYPES = ("input_text", "input_image", "input_file", "input_audio")


def chat_items_become_native(body: Body) -> None:
    """Items in the form of Chat Completions -> those of Responses.

    ``role: tool`` -> ``function_call_output``, and the calls it answers, where the assistant's
    ``tool_calls`` hold them, -> ``function_call``; ``text``, ``image_url`` and ``file`` parts ->
    ``input_text``/``output_text``, ``input_image``, ``input_file``.
    """
    if not body.has(_CHAT):
        return
    items = _items(body)
    wanted = _answered(items)
    kinds: dict[str, str] = {}
    native: list[Any] = []
    for at, item in enumerate(items):
        new = _native(item, f"input[{at}]", wanted, kinds)
        kinds.update(called(new))
        native += new
    if native != items:
        body.set("input", native)


def foreign_keys_are_stripped(body: Body) -> None:
    """Items lose the keys no Responses upstream takes; a message left empty goes too."""
    if not body.has(_STRIPPED):
        return
    items = _items(body)
    kept = [new for item in items for new in _stripped(item)]
    if kept != items:
        body.set("input", kept)


def bare_parts_become_messages(body: Body) -> None:
    """Parts that stand in ``input`` without a message around them -> messages of the user."""
    if not _BARE.match(body.view("input")):
        return
    items = _items(body)
    messages = [
        item
        for bare, run in groupby(items, _is_bare)
        for item in ([{"type": "message", "role": "user", "content": [*run]}] if bare else run)
    ]
    if messages != items:
        body.set("input", messages)


def names_a_file(body: Body) -> bool:
    """Whether ``input`` leans on an uploaded file, by its ``file_id``."""
    if not (body.has(_FILE) or body.hides_letters()):
        return False
    return any(part.get("file_id") is not None for item in _items(body) for part in _parts(item))


def _items(body: Body) -> list[Any]:
    items = body.get("input")
    return items if isinstance(items, list) else []


def _is_bare(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") in _BARE_TYPES and "role" not in item


def _is_message(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type", "message") == "message"


def _answered(items: list[Any]) -> set[str]:
    """The ids of calls that have a ``role: tool`` answer and no native call."""
    made = {call_id for call_id, _ in called(items)}
    ids = (
        item.get("tool_call_id") for item in items if _is_message(item) and _role(item) == "tool"
    )
    return {call_id for call_id in ids if isinstance(call_id, str)} - made


def _native(item: Any, path: str, wanted: set[str], kinds: dict[str, str]) -> list[Any]:
    if not _is_message(item):
        return [item]
    if _role(item) == "tool":
        return [result_of(item, path, kinds)]
    content, calls = item.get("content"), []
    if isinstance(content, list) and any(map(is_chat, content)):
        item = {**item, "content": in_place(content, _role(item), f"{path}.content")}
    if wanted and item.get("tool_calls"):
        calls = [call for call in calls_of(item, path) if call["call_id"] in wanted]
    return [item, *calls]


def _stripped(item: Any) -> Iterable[Any]:
    if not isinstance(item, dict) or not any(key in item for key in STRIPPED_KEYS):
        return (item,)
    kept = {key: value for key, value in item.items() if key not in STRIPPED_KEYS}
    return (kept,) if kept.get("content") or not _is_message(kept) else ()


def _parts(item: Any) -> Iterable[Item]:
    if not isinstance(item, dict):
        return
    yield item
    for name in ("content", "output"):
        held = item.get(name)
        for part in held if isinstance(held, list) else (held,):
            if isinstance(part, dict):
                yield part


def _role(item: Item) -> str:
    return str(item.get("role"))
