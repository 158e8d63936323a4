"""Top-level fields under the names Chat Completions has for them -> those of Responses."""

from typing import Any

from lb.core.body import Body
from lb.core.rules.shapes import expect

INSIDE = {
    "reasoning_effort": ("reasoning", "effort"),
    "verbosity": ("text", "verbosity"),
}
"""Chat's field -> the field of Responses it goes into, and as what."""

TOKENS = ("max_completion_tokens", "max_tokens")
"""Chat's names, newest first, for the most tokens an answer may have."""


def chat_fields_become_native(body: Body) -> None:
    """``max_tokens``, ``response_format``, ``reasoning_effort``, ``verbosity`` find their place.

    Where the native field is given as well, it wins.
    """
    for name in TOKENS:
        if name in body:
            if body.given(name) and not body.given("max_output_tokens"):
                body.set("max_output_tokens", body.get(name), told=False)
            body.drop(name)
    for name, (outer, inner) in INSIDE.items():
        if name in body:
            _put(body, outer, inner, body.get(name))
            body.drop(name)
    if "response_format" in body:
        _put(body, "text", "format", _format(body.get("response_format")))
        body.drop("response_format")


def _put(body: Body, outer: str, inner: str, value: Any) -> None:
    held = body.get(outer) or {}
    if value is not None and held.get(inner) is None:
        body.set(outer, {**held, inner: value}, told=False)


def _format(told: Any) -> Any:
    """Chat keeps the fields of a ``json_schema`` in an object of that name."""
    if not isinstance(told, dict) or told.get("json_schema") is None:
        return told
    path = "response_format.json_schema"
    return {"type": "json_schema", **expect(told["json_schema"], dict, path)}
