"""As much of a response, and of the events that tell of it, as somebody looks at.

The rest is not decoded. Source: OpenAI API reference, "Responses" and "Streaming".
"""

from typing import Any

import msgspec

from lb.core.ledger import Usage


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Item(msgspec.Struct):
    """An item of the output; ``content`` is not decoded."""

    id: str | None = None
    encrypted_content: str | None = None
    type: Any = None
    content: msgspec.Raw = msgspec.Raw(b"null")


class Response(msgspec.Struct):
    """What an event tells of its response; ``usage`` is decoded by ``usage_of``."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    service_tier: str | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")


class Whole(Response):
    """A response that came in one piece; ``output_text`` empty where it has none."""

    output: list[Item] | None = None
    output_text: msgspec.Raw = msgspec.Raw(b"")


class Event(msgspec.Struct):
    """An event of a stream."""

    type: str = ""
    sequence_number: int | None = None
    response: Response | None = None
    item: Item | None = None


class _Typed(msgspec.Struct):
    type: str = ""


events = msgspec.json.Decoder(Event)
_types = msgspec.json.Decoder(_Typed)
_usages = msgspec.json.Decoder(_Usage)
wholes = msgspec.json.Decoder(Whole)


def usage_of(raw: bytes | msgspec.Raw) -> Usage | None:
    """The tokens of a ``usage`` object (Responses or chat names); None when there is none."""
    try:
        usage = _usages.decode(raw)
    except msgspec.DecodeError:
        return None
    inputs, outputs = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        input_tokens=usage.input_tokens if usage.prompt_tokens is None else usage.prompt_tokens,
        cached_tokens=inputs.cached_tokens if inputs else None,
        output_tokens=(
            usage.output_tokens if usage.completion_tokens is None else usage.completion_tokens
        ),
        reasoning_tokens=outputs.reasoning_tokens if outputs else None,
    )


def type_of(data: bytes) -> str:
    """The type of an event whose other fields are of no known shape; empty if it has none."""
    try:
        return _types.decode(data).type
    except msgspec.DecodeError:
        return ""
