"""Redaction: private things become placeholders on the way up, and themselves on the way down.

A value has one placeholder throughout a request, numbered by first appearance, so that a growing
conversation keeps its prefix, and with it its prompt cache. Placeholders never collide with what
the text says by itself, so that restoring is exact.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from attrs import define, field

from lb.core.body import Body
from lb.core.gateway.entities import Entity, found

OPAQUE: Final = frozenset(
    {
        *("type", "id", "call_id", "role", "status", "name", "encrypted_content"),
        *("image_url", "file_data", "file_id"),
    }
)
"""Keys of items and tools whose values upstream must have as they are."""

FIELDS: Final[dict[str, frozenset[str]]] = {
    "instructions": frozenset(),
    "input": OPAQUE,
    "prompt": frozenset({"id", "version", "type", "image_url", "file_data", "file_id"}),
    "tools": OPAQUE,
    "metadata": frozenset(),
    "user": frozenset(),
    "safety_identifier": frozenset(),
}
"""Where a client may have written something private -> the keys in it that stay."""

JSON_TEXT: Final = frozenset({"arguments"})
"""Keys whose values are JSON written as a text."""

_JSON_FORMATS: Final = frozenset({"json_schema", "json_object"})


@define
class Vault:
    """What was replaced: placeholder -> original. It lives as long as its request."""

    entities: tuple[Entity, ...]
    mark: str = "["
    json_text: bool = False
    _placeholders: dict[str, str] = field(factory=dict, repr=False)
    originals: dict[str, str] = field(factory=dict, repr=False)
    _counts: dict[str, int] = field(factory=dict)
    _pattern: "re.Pattern[str] | None" = None

    def hide(self, text: str) -> str:
        """``text`` with placeholders for all that is private."""
        pieces, at = [], 0
        for start, end, name in found(text, self.entities):
            pieces += [text[at:start], self._placeholder(text[start:end], name)]
            at = end
        return "".join([*pieces, text[at:]]) if pieces else text

    def _placeholder(self, value: str, name: str) -> str:
        known = self._placeholders.get(value)
        if known is None:
            number = self._counts[name] = self._counts.get(name, 0) + 1
            known = f"{self.mark}{name.upper()}_{number}]"
            self._placeholders[value] = known
            self.originals[known] = value
        return known

    def show(self, text: str, *, in_json: bool = False) -> str:
        """``text`` with the originals; ``in_json`` whether it is JSON written as a text."""
        if self.mark not in text:
            return text

        def original(match: "re.Match[str]") -> str:
            value = self.originals[match.group()]
            return msgspec.json.encode(value).decode()[1:-1] if in_json else value

        if self._pattern is None:
            longest_first = sorted(self.originals, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        return self._pattern.sub(original, text)

    def held(self, text: str) -> int:
        """How many characters at the end of ``text`` may be the beginning of a placeholder."""
        at = text.rfind(self.mark[0])
        while at >= 0:
            end = text[at:]
            if any(known.startswith(end) and known != end for known in self.originals):
                return len(end)
            at = text.rfind(self.mark[0], 0, at)
            if len(text) - at > 80:  # no placeholder is as long
                break
        return 0


def mark_for(source: bytes) -> str:
    """How placeholders begin: as nothing in the request does."""
    mark = "["
    for number in range(1_000_000):
        candidate = f"[{'' if not number else f'R{number}-'}"
        if number == 0:
            used = re.search(rb"\[[A-Z_]{2,12}_\d", source) is not None
        else:
            used = candidate.encode() in source
        if not used:
            return candidate
    return mark


def hidden(body: Body, entities: tuple[Entity, ...]) -> Vault:
    """Replace in ``body`` what is private; what is needed to restore it."""
    vault = Vault(entities, mark_for(b"".join(body.raw(name) for name in FIELDS)))
    for name in FIELDS:
        if body.view(name):
            value = body.get(name)
            told = walked(value, _hider(vault), FIELDS[name])
            if told != value:
                body.set(name, told, told=False)
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    vault.json_text = isinstance(form, dict) and form.get("type") in _JSON_FORMATS
    return vault


def walked(
    value: Any, told: Callable[[str, str], str], opaque: frozenset[str] = frozenset(), key: str = ""
) -> Any:
    """``value`` with each text in it replaced by ``told(text, key)``, but under ``opaque`` keys."""
    if isinstance(value, str):
        return value if key in opaque else told(value, key)
    if isinstance(value, list):
        return [walked(each, told, opaque, key) for each in value]
    if isinstance(value, dict):
        return {name: walked(each, told, opaque, name) for name, each in value.items()}
    return value


def _hider(vault: Vault) -> Callable[[str, str], str]:
    def told(text: str, key: str) -> str:
        if key not in JSON_TEXT:
            return vault.hide(text)
        try:
            inner = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return vault.hide(text)
        hidden_inner = walked(inner, lambda each, _: vault.hide(each))
        return text if hidden_inner == inner else msgspec.json.encode(hidden_inner).decode()

    return told


def shown(value: Any, vault: Vault) -> Any:
    """``value`` (of a response or an event) with the originals in every text."""

    def told(text: str, key: str) -> str:
        in_json = key in JSON_TEXT or (vault.json_text and key == "text")
        return vault.show(text, in_json=in_json)

    return walked(value, told)
