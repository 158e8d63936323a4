"""Tool calls and their results: the form of Chat Completions -> items of Responses."""

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import frozen

from lb.core.rules.complaints import invalid_value, missing
from lb.core.rules.parts import translated
from lb.core.rules.shapes import expect

Item = dict[str, Any]


@frozen
class _Form:
    """How one type of tool call is said: its item, the result's item, the argument's name."""

    item: str
    result: str
    argument: str


FORMS = {
    "function": _Form("function_call", "function_call_output", "arguments"),
    "custom": _Form("custom_tool_call", "custom_tool_call_output", "input"),
}
"""Type of a chat tool call -> its form in Responses."""

RESULTS = {form.item: form.result for form in FORMS.values()}
"""Item of a call -> item of its result."""


def called(items: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """(call id, item that called) of each call among ``items``."""
    for item in items:
        kind = item.get("type") if isinstance(item, dict) else None
        if isinstance(kind, str) and kind in RESULTS and isinstance(item.get("call_id"), str):
            yield item["call_id"], kind


def calls_of(message: Item, path: str) -> list[Item]:
    """The items of an assistant message's ``tool_calls``.

    Raises: Problem (400) naming what is amiss below ``path``.
    """
    calls = message.get("tool_calls")
    if calls is None:
        return []
    path = f"{path}.tool_calls"
    return [_call(call, f"{path}[{at}]") for at, call in enumerate(expect(calls, list, path))]


def result_of(message: Item, path: str, kinds: dict[str, str]) -> Item:
    """The item of a ``role: tool`` message; ``kinds``: call id -> the item that called.

    Raises: Problem (400) naming what is amiss below ``path``.
    """
    call_id = message.get("tool_call_id", message.get("call_id"))
    if call_id is None:
        raise missing(f"{path}.tool_call_id", "It names the call this is the result of.")
    expect(call_id, str, f"{path}.tool_call_id")
    parts = translated(message.get("content"), "tool", f"{path}.content")
    texts = [
        expect(part.get("text"), str, f"{path}.content[{at}].text")
        for at, part in enumerate(parts)
        if part["type"] == "input_text"
    ]
    output: Any = parts
    if len(texts) == len(parts) <= 1:  # a plain string is what every upstream understands
        output = "".join(texts)
    kind = RESULTS[kinds.get(call_id, "function_call")]
    return {"type": kind, "call_id": call_id, "output": output}


def _call(call: Any, path: str) -> Item:
    kind = expect(call, dict, path).get("type", "function")
    form = FORMS.get(kind) if isinstance(kind, str) else None
    if form is None:
        raise invalid_value(f"{path}.type", f"supported values are: {', '.join(FORMS)}.")
    inner = expect(call.get(kind), dict, f"{path}.{kind}")
    return {
        "type": form.item,
        "call_id": expect(call.get("id"), str, f"{path}.id"),
        "name": expect(inner.get("name"), str, f"{path}.{kind}.name"),
        form.argument: expect(inner.get(form.argument), str, f"{path}.{kind}.{form.argument}"),
    }
