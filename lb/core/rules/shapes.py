"""The types of the known fields, told by the first byte of their JSON text: nothing is decoded.

``null`` is accepted everywhere, since clients send it for what they leave unset. A field that is
not named here passes as it is: upstreams add parameters faster than we release.
"""

from typing import Any

import msgspec
from msgspec import Raw

from lb.core.body import Body, Heads
from lb.core.errors import bad_request
from lb.core.rules.complaints import invalid_type

STRING, OBJECT, ARRAY = "a string", "an object", "an array"
BOOLEAN, INTEGER, DECIMAL, NULL = "a boolean", "an integer", "a decimal number", "null"
NUMBER = (INTEGER, DECIMAL)

BRACE, BRACKET = b"{["
_KINDS = {
    ord('"'): STRING,
    BRACE: OBJECT,
    BRACKET: ARRAY,
    ord("t"): BOOLEAN,
    ord("f"): BOOLEAN,
    ord("n"): NULL,
}
_PYTHON: dict[type, str] = {
    str: STRING,
    dict: OBJECT,
    list: ARRAY,
    bool: BOOLEAN,
    int: INTEGER,
    float: DECIMAL,
    type(None): NULL,
}

FIELDS: dict[str, tuple[str, ...]] = {
    "model": (STRING,),
    "input": (STRING, ARRAY),
    "messages": (ARRAY,),
    "instructions": (STRING,),
    "stream": (BOOLEAN,),
    "stream_options": (OBJECT,),
    "store": (BOOLEAN,),
    "background": (BOOLEAN,),
    "previous_response_id": (STRING,),
    "conversation": (STRING, OBJECT),
    "include": (ARRAY,),
    "tools": (ARRAY,),
    "tool_choice": (STRING, OBJECT),
    "parallel_tool_calls": (BOOLEAN,),
    "max_tool_calls": (INTEGER,),
    "max_output_tokens": (INTEGER,),
    "max_completion_tokens": (INTEGER,),
    "max_tokens": (INTEGER,),
    "reasoning_effort": (STRING,),
    "response_format": (OBJECT,),
    "verbosity": (STRING,),
    "temperature": NUMBER,
    "top_p": NUMBER,
    "top_logprobs": (INTEGER,),
    "text": (OBJECT,),
    "reasoning": (OBJECT,),
    "truncation": (STRING,),
    "metadata": (OBJECT,),
    "prompt": (OBJECT,),
    "prompt_cache_key": (STRING,),
    "prompt_cache_retention": (STRING,),
    "safety_identifier": (STRING,),
    "service_tier": (STRING,),
    "user": (STRING,),
}
"""Top-level field -> the JSON types it may have."""

_USUAL: dict[str, frozenset[int]] = {
    name: frozenset(byte for byte, kind in _KINDS.items() if kind in (*kinds, NULL))
    for name, kinds in FIELDS.items()
}
"""The first bytes by which a field is right at a glance."""

INNER: dict[str, dict[str, tuple[str, ...]]] = {
    "reasoning": {"effort": (STRING,), "summary": (STRING,)},
    "text": {"format": (OBJECT,), "verbosity": (STRING,)},
    "conversation": {"id": (STRING,)},
}
"""The same, one level down."""

ELEMENTS: dict[str, tuple[str, ...]] = {
    "messages": (OBJECT,),
    "include": (STRING,),
}
"""Arrays whose elements are all of a type; ``input`` is not looked into without need."""

_RIGHT: dict[tuple[str, ...], frozenset[int]] = {
    kinds: frozenset(b for b, k in _KINDS.items() if k in kinds) for kinds in ((OBJECT,), (STRING,))
}
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ARRAY = msgspec.json.Decoder(list[Raw])


def types_are_in_doubt(heads: Heads) -> bool:
    """Whether some field is not right at a glance: numbers want a second look."""
    return any(first not in _USUAL.get(name, (first,)) for name, first in heads.items())


def fields_have_their_types(body: Body) -> None:
    """Each known field has a type it may have."""
    for name in body.names():
        if name in FIELDS:
            _check(name, body.view(name), FIELDS[name])


def inner_fields_have_their_types(body: Body) -> None:
    """The parts of ``reasoning``, ``text`` and ``conversation`` have a type they may have."""
    heads = body.heads()
    for name, parts in INNER.items():
        if heads.get(name) == BRACE:
            for part, value in _decode(_OBJECT, name, body.view(name)).items():
                if part in parts:
                    _check(f"{name}.{part}", memoryview(value), parts[part])


def elements_have_their_types(body: Body) -> None:
    """The elements of ``messages`` and ``include`` have the type they must have."""
    for name, kinds in ELEMENTS.items():
        if body.heads().get(name) == BRACKET:
            elements_are(kinds, name, body)


def elements_are(kinds: tuple[str, ...], name: str, body: Body) -> None:
    """Every element of an array is of one of ``kinds``. Raises: Problem (400)."""
    for index, value in enumerate(_decode(_ARRAY, name, body.view(name))):
        if memoryview(value)[0] not in _RIGHT[kinds]:
            _check(f"{name}[{index}]", memoryview(value), kinds, nullable=False)


def kind_of(text: memoryview) -> str:
    """The JSON type of a text that is known to be JSON."""
    kind = _KINDS.get(text[0])
    if kind is not None:
        return kind
    return DECIMAL if any(mark in bytes(text) for mark in b".eE") else INTEGER


def expect(value: Any, expected: type, param: str) -> Any:
    """``value`` as it is, if it is an ``expected``.

    Raises: Problem (400) naming ``param``.
    """
    if type(value) is not expected:
        raise invalid_type(param, _PYTHON[expected], _PYTHON[type(value)])
    return value


def _check(param: str, text: memoryview, kinds: tuple[str, ...], *, nullable: bool = True) -> None:
    kind = kind_of(text)
    if kind not in kinds and not (nullable and kind is NULL):
        expected = "a number" if kinds is NUMBER else " or ".join(kinds)
        raise invalid_type(param, expected, kind)


def _decode(decoder: "msgspec.json.Decoder[Any]", name: str, text: memoryview) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request(f"'{name}' could not be decoded: it is malformed.", name) from None
