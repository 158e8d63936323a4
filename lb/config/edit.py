"""TOML files of people are changed so that comments, order and blank lines stay where they are.

Lines are added and taken out of the text; what it means afterwards is compared with what it should
mean, so that a file laid out in a way not thought of is refused rather than spoilt.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

import tomlkit

HEADER: Final = re.compile(r"\s*\[(?!\[?\s*\"?accounts\"?\s*\.)")
ACCOUNT: Final = re.compile(r"\s*\[\[\s*\"?accounts\"?\s*\]\]")
BY_HAND: Final = "is laid out in a way lb does not change: do it by hand"


class UneditableError(Exception):
    """The file cannot be changed by a program; says why."""


def with_account(text: str, settings: Mapping[str, Any]) -> str:
    """The text with one more ``[[accounts]]``, after the last one. Raises: UneditableError."""
    lines = text.splitlines()
    blocks = _blocks(lines)
    place = blocks[-1][1] if blocks else len(lines)
    block = table("[[accounts]]", settings)
    before = [""] if place and lines[place - 1].strip() else []
    after = [""] if lines[place:] and lines[place].strip() else []
    lines[place:place] = [*before, *block, *after]

    def change(data: dict[str, Any]) -> None:
        plain = {n: list(v) if isinstance(v, tuple) else v for n, v in settings.items()}
        data.setdefault("accounts", []).append(plain)

    return proven(text, lines, change)


def without_account(text: str, name: str) -> str:
    """The text without the ``[[accounts]]`` called ``name``; as it was when there is none.

    Raises: UneditableError.
    """
    entries = parsed(text).get("accounts")
    if not isinstance(entries, list):
        return text
    numbers = [n for n, each in enumerate(entries) if _id(each) == name]
    lines = text.splitlines()
    blocks = _blocks(lines)
    if numbers and len(blocks) != len(entries):
        raise UneditableError(BY_HAND)
    for number in reversed(numbers):
        first, last = blocks[number]
        set_off = last < len(lines) and not lines[last].strip()
        if set_off and (not first or not lines[first - 1].strip()):
            last += 1  # one of the two blank lines around it
        del lines[first:last]

    def change(data: dict[str, Any]) -> None:
        data["accounts"] = [each for each in data["accounts"] if _id(each) != name]
        if not data["accounts"]:
            del data["accounts"]

    return proven(text, lines, change) if numbers else text


def table(header: str, settings: Mapping[str, Any]) -> list[str]:
    """The lines of a table."""
    return [header, *(f"{name} = {literal(value)}" for name, value in settings.items())]


def literal(value: Any) -> str:
    """A value as TOML writes it."""
    return str(tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string())


def parsed(text: str) -> dict[str, Any]:
    """What the text means. Raises: UneditableError when it is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UneditableError(f"is not valid TOML: {error}") from None


def proven(text: str, lines: list[str], change: Callable[[dict[str, Any]], None]) -> str:
    """The lines as a text, proven to mean what ``change`` makes of the old text's meaning.

    Raises: UneditableError when they do not.
    """
    wanted = deepcopy(parsed(text))
    change(wanted)
    new = "\n".join(lines).strip("\n") + "\n"
    try:
        same = tomllib.loads(new) == wanted
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise UneditableError(BY_HAND)
    return new


def content_end(lines: list[str], first: int, last: int) -> int:
    """Where the content of ``lines[first:last]`` ends, comments that stick to it included.

    What comes after a blank line speaks of what follows. ``first`` when there is no content.
    """
    end = first
    for number in range(first, last):
        if lines[number].strip() and not lines[number].lstrip().startswith("#"):
            end = number + 1
    while first < end < last and lines[end].strip():
        end += 1
    return end


def _blocks(lines: list[str]) -> list[tuple[int, int]]:
    """The lines of each ``[[accounts]]``: its header, to where its content ends."""
    headers = [n for n, line in enumerate(lines) if HEADER.match(line)]
    ends = [*headers[1:], len(lines)]
    return [
        (first, content_end(lines, first, last))
        for first, last in zip(headers, ends, strict=False)
        if ACCOUNT.match(lines[first])
    ]


def _id(entry: Any) -> object:
    return entry.get("id") if isinstance(entry, dict) else None
