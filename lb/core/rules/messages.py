"""``messages`` as Chat Completions has them -> ``instructions`` and ``input``."""

from collections.abc import Callable
from typing import Any

from lb.core.body import Body
from lb.core.rules.calls import Item, called, calls_of, result_of
from lb.core.rules.complaints import invalid_value, missing
from lb.core.rules.parts import only_text, translated
from lb.core.rules.shapes import expect

Speaker = Callable[[Item, str, dict[str, str]], list[Item]]
"""(message, path, call id -> the item that called) -> items"""


def messages_become_input(body: Body) -> None:
    """System and developer messages -> ``instructions``, all others -> items of ``input``.

    What they say comes after ``instructions`` that were given, parted by blank lines.
    """
    if "messages" not in body:
        return
    messages = body.get("messages")
    body.drop("messages")
    if messages is None:  # beside an `input`, or where none is needed
        return
    spoken: list[str] = [body.get("instructions") or ""]
    items: list[Item] = []
    kinds: dict[str, str] = {}  # call id -> the item that called
    for at, message in enumerate(messages):
        path = f"messages[{at}]"
        role = message.get("role")
        if role in INSTRUCTING:
            spoken.append(only_text(message.get("content"), f"{path}.content"))
        else:
            said = _speaker(role, path)(message, path, kinds)
            kinds.update(called(said))
            items += said
    body.set("input", items, told=False)
    if any(spoken[1:]):
        whole = "\n\n".join(text for text in spoken if text)
        body.set("instructions", whole, told=bool(spoken[0]))


def _speaker(role: Any, path: str) -> Speaker:
    if role is None:
        raise missing(f"{path}.role")
    speaker = SPEAKERS.get(expect(role, str, f"{path}.role"))
    if speaker is None:
        known = ", ".join((*INSTRUCTING, *SPEAKERS))
        raise invalid_value(f"{path}.role", f"'{role}'. Supported values are: {known}.")
    return speaker


def _user(message: Item, path: str, _kinds: dict[str, str]) -> list[Item]:
    parts = translated(message.get("content"), "user", f"{path}.content")
    return [{"type": "message", "role": "user", "content": parts}] if parts else []


def _assistant(message: Item, path: str, _kinds: dict[str, str]) -> list[Item]:
    parts = translated(message.get("content"), "assistant", f"{path}.content")
    refusal = message.get("refusal")
    if refusal is not None:
        text = expect(refusal, str, f"{path}.refusal")
        parts.append({"type": "refusal", "refusal": text})
    said: list[Item] = [{"type": "message", "role": "assistant", "content": parts}] if parts else []
    return said + calls_of(message, path)


def _tool(message: Item, path: str, kinds: dict[str, str]) -> list[Item]:
    return [result_of(message, path, kinds)]


INSTRUCTING = ("system", "developer")
"""Roles whose messages become ``instructions``."""

SPEAKERS: dict[str, Speaker] = {
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}
"""Role -> the items of its message."""
