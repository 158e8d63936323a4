"""The smallest value a JSON schema admits: what a simulated account answers with.

Knows what structured outputs and tool parameters use (types, enums, required, ``$ref``, ``anyOf``,
bounds, common formats); what it does not know it answers as if it were not there.
"""

from collections.abc import Callable, Mapping
from typing import Any

DEEPEST = 32  # a schema that requires itself has no smallest value: it ends in null here
WORD = "simulated"
FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "someone@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}
"""A valid text for each string format that OpenAI's structured outputs admit."""


def minimal_instance(schema: Any) -> Any:
    """The smallest value that ``schema`` (decoded JSON) admits."""
    return _instance(schema, schema if isinstance(schema, Mapping) else {}, 0)


def _instance(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return None
    if "const" in schema:
        return schema["const"]
    if options := schema.get("enum"):
        return options[0]
    if isinstance(pointer := schema.get("$ref"), str):
        return _instance(_resolve(pointer, root), root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if branches := schema.get(key):
            return _instance(_first_that_holds_something(branches), root, depth + 1)
    return _of_type(_type_of(schema), schema, root, depth)


def _of_type(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    if kind == "object":
        properties = schema.get("properties") or {}
        required = schema.get("required") or ()
        return {name: _instance(properties.get(name), root, depth + 1) for name in required}
    if kind == "array":
        length = max(0, int(schema.get("minItems") or 0))
        return [_instance(schema.get("items"), root, depth + 1) for _ in range(length)]
    simple = SIMPLE.get(kind)
    return simple(schema) if simple else None


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _text(schema: Mapping[str, Any]) -> str:
    text = FORMATS.get(str(schema.get("format")), WORD)
    shortest = int(schema.get("minLength") or 0)
    longest = schema.get("maxLength")
    text = text.ljust(shortest, ".")
    return text if longest is None else text[: int(longest)]


def _number(schema: Mapping[str, Any], *, step: float) -> float:
    if (above := schema.get("exclusiveMinimum")) is not None:
        return float(above) + step
    if (least := schema.get("minimum")) is not None:
        return float(least)
    if (below := schema.get("exclusiveMaximum")) is not None and below <= 0:
        return float(below) - step
    if (most := schema.get("maximum")) is not None and most < 0:
        return float(most)
    return 0


SIMPLE: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "string": _text,
    "integer": lambda schema: int(_number(schema, step=1)),
    "number": lambda schema: _number(schema, step=0.5),
    "boolean": lambda _: False,
}
"""The types that hold no others, and the smallest value of each."""


def _resolve(pointer: str, root: Mapping[str, Any]) -> Any:
    place: Any = root
    for part in pointer.removeprefix("#").strip("/").split("/"):
        if part:
            key = part.replace("~1", "/").replace("~0", "~")
            place = place.get(key) if isinstance(place, Mapping) else None
    return place


def _first_that_holds_something(branches: Any) -> Any:
    """The first branch that is not ``null``: an optional field is shown filled."""
    for branch in branches:
        if isinstance(branch, Mapping) and branch.get("type") != "null":
            return branch
    return {"type": "null"}
