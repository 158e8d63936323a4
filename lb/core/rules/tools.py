"""``tools``, ``tool_choice`` and ``include``: old and chat names -> those of Responses."""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from lb.core.body import Body
from lb.core.errors import bad_request
from lb.core.remembered import Remembered
from lb.core.rules.complaints import invalid_value, missing
from lb.core.rules.shapes import OBJECT, elements_are, expect

Spec = dict[str, Any]

LONGEST_KEPT = 8 << 10  # bytes of tools that are remembered: clients choose them

RENAMED = {
    "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search",
}
"""Type of a tool -> what it is called since it left preview."""

NESTING = ("function", "custom", "allowed_tools", "grammar")
"""Types whose fields Chat Completions keeps in an object named like the type."""

INCLUDES = (
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
)
"""What ``include`` may ask for."""


class _Head(Struct):
    """As much of a tool as tells its type and form; the rest is skipped, not decoded."""

    type: str | UnsetType = UNSET
    function: Raw | UnsetType = UNSET
    custom: Raw | UnsetType = UNSET


class _Look(Struct, frozen=True):
    """What is seen of tools without decoding them: their types, and what is odd about them."""

    types: frozenset[str] = frozenset()
    typed: bool = True  # each names its type
    foreign: bool = False  # one is spelt as it is elsewhere


_HEADS = msgspec.json.Decoder(list[_Head] | None)
_UNREADABLE = _Look(typed=False)


def tools_have_types(body: Body) -> None:
    """Each tool is an object that names its ``type``."""
    if body.seen("tools", _look).typed:
        return
    elements_are((OBJECT,), "tools", body)
    for at, tool in enumerate(body.get("tools")):
        if tool.get("type") is None:
            raise missing(f"tools[{at}].type")
        expect(tool["type"], str, f"tools[{at}].type")
    raise invalid_value("tools", "a tool names its type twice.")


def tools_are_native(body: Body) -> None:
    """Chat's ``{type, function: {...}}`` -> ``{type, ...}``; ``web_search_preview`` is renamed."""
    if body.seen("tools", _look).foreign:
        tools = body.get("tools")
        native = [_native(tool, f"tools[{at}]") for at, tool in enumerate(tools)]
        if native != tools:
            body.set("tools", native)


def tool_choice_is_native(body: Body) -> None:
    """The same for the tool, or the tools, that ``tool_choice`` names."""
    choice = body.get("tool_choice")
    if not isinstance(choice, dict):
        return
    native = _native(choice, "tool_choice")
    if isinstance(native.get("tools"), list):
        native["tools"] = [
            _native(expect(tool, dict, f"tool_choice.tools[{at}]"), f"tool_choice.tools[{at}]")
            for at, tool in enumerate(native["tools"])
        ]
    if native != choice:
        body.set("tool_choice", native)


def include_is_known(body: Body) -> None:
    """``include`` asks only for what there is."""
    for at, name in enumerate(body.get("include") or ()):
        if name not in INCLUDES:
            known = ", ".join(f"'{known}'" for known in INCLUDES)
            raise invalid_value(f"include[{at}]", f"'{name}'. Supported values are: {known}.")


def types_of(body: Body) -> frozenset[str]:
    """The types of the tools a (checked) body has."""
    return body.seen("tools", _look).types


def _look(text: bytes) -> _Look:
    """A client sends the same tools with every turn: short ones are known again by their text.

    Raises: Problem (400) for what is nested too deeply.
    """
    return _known[text] if len(text) <= LONGEST_KEPT else _looked_at(text)


def _looked_at(text: bytes) -> _Look:
    try:
        heads = (_HEADS.decode(text) or []) if text else []
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _UNREADABLE
    except RecursionError:
        raise bad_request(
            "'tools' could not be decoded: it is nested too deeply.", "tools"
        ) from None
    types = frozenset([str(head.type) for head in heads])
    typed = all(head.type is not UNSET for head in heads)
    return _Look(types, typed, any(_is_foreign(head) for head in heads))


_known = Remembered(_looked_at, 256)


def _is_foreign(head: _Head) -> bool:
    return head.type in RENAMED or head.function is not UNSET or head.custom is not UNSET


def _native(spec: Spec, path: str) -> Spec:
    kind = spec.get("type")
    if not isinstance(kind, str):
        return dict(spec)
    inner = spec.get(kind) if kind in NESTING else None
    if inner is None:
        return {**spec, "type": RENAMED.get(kind, kind)}
    outer = {name: value for name, value in spec.items() if name != kind}
    flat = {**outer, **expect(inner, dict, f"{path}.{kind}"), "type": kind}
    if isinstance(flat.get("format"), dict):
        flat["format"] = _native(flat["format"], f"{path}.format")
    return flat
