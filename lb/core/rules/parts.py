"""The content of a message: parts in the form of Chat Completions -> those of Responses."""

from collections.abc import Callable
from typing import Any

from lb.core.rules.complaints import invalid_type, invalid_value, missing
from lb.core.rules.shapes import expect

Part = dict[str, Any]

NATIVE = ("input_text", "output_text", "input_image", "input_file", "input_audio", "refusal")
"""Parts that stay as they are."""


def translated(content: Any, role: str, path: str) -> list[Part]:
    """The parts of a chat message's ``content``: a string, an array of parts, or null.

    Raises: Problem (400) naming what is amiss below ``path``.
    """
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [text_part(content, role)]
    if not isinstance(content, list):
        raise invalid_type(path, "a string or an array", _json_name(content))
    return [_translated_part(part, role, f"{path}[{at}]") for at, part in enumerate(content)]


def in_place(content: list[Any], role: str, path: str) -> list[Any]:
    """The parts of an input item: those in chat form translated, all others as they are."""
    return [
        CHAT[part["type"]](part, role, f"{path}[{at}]") if is_chat(part) else part
        for at, part in enumerate(content)
    ]


def is_chat(part: Any) -> bool:
    """Whether a part is of a type only Chat Completions has."""
    return isinstance(part, dict) and part.get("type") in _CHAT_TYPES


def text_part(text: str, role: str) -> Part:
    """A text, as said by ``role``: what the assistant says is output, all else is input."""
    return {"type": "output_text" if role == "assistant" else "input_text", "text": text}


def only_text(content: Any, path: str) -> str:
    """The text of a system or developer message, its parts one to a line.

    Raises: Problem (400) where there is anything but text.
    """
    parts = translated(content, "system", path)
    for at, part in enumerate(parts):
        if part["type"] != "input_text":
            raise invalid_value(f"{path}[{at}].type", "instructions can only be text.")
    return "\n".join(
        expect(part.get("text"), str, f"{path}[{at}].text") for at, part in enumerate(parts)
    )


def _translated_part(part: Any, role: str, path: str) -> Part:
    kind = expect(part, dict, path).get("type")
    if kind is None:
        raise missing(f"{path}.type")
    expect(kind, str, f"{path}.type")
    if kind in CHAT:
        return CHAT[kind](part, role, path)
    if kind not in NATIVE:
        known = ", ".join((*CHAT, *NATIVE))
        raise invalid_value(f"{path}.type", f"'{kind}'. Supported values are: {known}.")
    return dict(part)


def _text(part: Part, role: str, path: str) -> Part:
    return text_part(expect(part.get("text"), str, f"{path}.text"), role)


def _image(part: Part, _role: str, path: str) -> Part:
    image = part.get("image_url")
    if isinstance(image, str):
        return {"type": "input_image", "image_url": image}
    image = expect(image, dict, f"{path}.image_url")
    native = {
        "type": "input_image",
        "image_url": expect(image.get("url"), str, f"{path}.image_url.url"),
    }
    if image.get("detail") is not None:
        native["detail"] = image["detail"]
    return native


def _file(part: Part, _role: str, path: str) -> Part:
    return {"type": "input_file", **expect(part.get("file"), dict, f"{path}.file")}


CHAT: dict[str, Callable[[Part, str, str], Part]] = {
    "text": _text,
    "image_url": _image,
    "file": _file,
}
"""Type of a chat part -> how it is said in Responses."""

_CHAT_TYPES = tuple(CHAT)  # a tuple: a type that is no string must not fail to hash


def _json_name(value: Any) -> str:
    return "an object" if isinstance(value, dict) else "a number or a boolean"
