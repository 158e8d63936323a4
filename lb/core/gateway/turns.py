"""A conversation as turns: what the user said, and all that followed until the next time."""

from collections.abc import Iterable
from typing import Any

from attrs import frozen

from lb.core.body import Body

Item = dict[str, Any]
INSTRUCTING = ("system", "developer")


@frozen
class Turn:
    """Items ``start`` to ``end`` (not with it) of the input; the first one is the user's."""

    start: int
    end: int
    said: str
    text: str


def items_of(body: Body) -> list[Any]:
    """The items of ``input``; none when it is a plain string."""
    items = body.get("input")
    return items if isinstance(items, list) else []


def is_user(item: Any) -> bool:
    """Whether an item is the user's message."""
    return isinstance(item, dict) and item.get("role") == "user"


def text_of(value: Any) -> str:
    """All the texts in an item, joined."""
    return " ".join(_texts(value))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for key in (
            "content",
            "text",
            "output",
            "arguments",
            "input",
            "summary",
            "name",
            "refusal",
        ):
            yield from _texts(value.get(key))


def turns_of(items: list[Any]) -> list[Turn]:
    """The turns, in order; what comes before the first one is in none."""
    starts = [at for at, item in enumerate(items) if is_user(item)]
    begun = [at for at in starts if at == 0 or not is_user(items[at - 1])]
    ends = [*begun[1:], len(items)][: len(begun)]
    return [
        Turn(start, end, text_of(items[start]), text_of(items[start:end]))
        for start, end in zip(begun, ends, strict=True)
    ]


def questions_of(body: Body) -> list[str]:
    """What the user said, turn by turn."""
    said = body.get("input")
    if isinstance(said, str):
        return [said]
    return [text_of(item) for item in items_of(body) if is_user(item)]
