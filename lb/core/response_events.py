"""The events of a whole answer, in the order and with the fields OpenAI sends them.

    created, in_progress, {output_item.added, content_part.added, output_text.delta*,
    output_text.done, content_part.done, output_item.done}, completed

Every client's stream helper is satisfied by this order and no less (facts: what breaks clients):
one response id throughout, item ids that agree, a ``sequence_number`` from 0 on every event.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from attrs import frozen

CHARACTERS_PER_TOKEN = 4  # OpenAI's rule of thumb for English
_PIECE = re.compile(r"\S{1,24}\s*|\s+")

ECHOES: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, and what stands there when the request said nothing."""


@frozen
class ToolCall:
    """A call of a tool the request offers; ``custom``: its payload is text, else JSON arguments."""

    name: str
    payload: str
    custom: bool = False
    namespace: str = ""


@frozen
class Identity:
    """What names an answer: ids are made of ``token``; ``created_at`` in unix seconds."""

    token: str
    created_at: int

    @property
    def response_id(self) -> str:
        """The id of the response."""
        return f"resp_{self.token}"


def answer_events(
    answer: str | ToolCall, request: Mapping[str, Any], identity: Identity
) -> Iterator[dict[str, Any]]:
    """The events of a response that says ``answer``: a text, or one call of a tool."""
    begun = response_object(request, identity, "in_progress")
    if isinstance(answer, ToolCall):
        item, told = _call_item(answer, identity), _call_events(answer, identity)
    else:
        item, told = message_item(answer, identity), _text_events(answer, identity)
    done = response_object(request, identity, "completed")
    done["output"] = [item]
    done["usage"] = usage_of(request, answer if isinstance(answer, str) else answer.payload)
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        *told,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    for number, event in enumerate(events):
        yield {"type": event["type"], "sequence_number": number, **event}


def whole_answer(
    answer: str | ToolCall, request: Mapping[str, Any], identity: Identity
) -> dict[str, Any]:
    """The response object a client gets that did not ask for a stream."""
    *_, last = answer_events(answer, request, identity)
    response: dict[str, Any] = last["response"]
    return response


def failed_event(error: Mapping[str, Any], request: Mapping[str, Any], identity: Identity) -> Any:
    """A ``response.failed`` as the third event of a stream."""
    response = response_object(request, identity, "failed")
    response["error"] = dict(error)
    return {"type": "response.failed", "sequence_number": 2, "response": response}


def response_object(request: Mapping[str, Any], identity: Identity, status: str) -> dict[str, Any]:
    """A response with no output yet, which echoes its request."""
    echoes = {
        name: default if (asked := request.get(name)) is None else asked
        for name, default in ECHOES.items()
    }
    return {
        "id": identity.response_id,
        "object": "response",
        "created_at": identity.created_at,
        "completed_at": identity.created_at if status == "completed" else None,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": request.get("model", ""),
        "output": [],
        "usage": None,
        **echoes,
    }


def message_item(text: str, identity: Identity, status: str = "completed") -> dict[str, Any]:
    """The assistant's message; without a text yet while it is in progress."""
    return {
        "id": f"msg_{identity.token}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [] if status == "in_progress" else [_part(text)],
    }


def usage_of(request: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """Token counts, estimated from lengths."""
    asked = msgspec.json.encode([request.get("instructions"), request.get("input")])
    read, written = _tokens(len(asked)), _tokens(len(answer))
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }


def frame(event: Mapping[str, Any]) -> bytes:
    """The event as it goes on the wire."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))


def _tokens(characters: int) -> int:
    return max(1, -(-characters // CHARACTERS_PER_TOKEN))


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _text_events(text: str, identity: Identity) -> list[dict[str, Any]]:
    place = {"item_id": f"msg_{identity.token}", "output_index": 0, "content_index": 0}
    begun = message_item("", identity, "in_progress")
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        {"type": "response.content_part.added", **place, "part": _part("")},
        *(
            {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
            for piece in _PIECE.findall(text)
        ),
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": _part(text)},
    ]


def _call_item(call: ToolCall, identity: Identity, *, begun: bool = False) -> dict[str, Any]:
    payload = "" if begun else call.payload
    item = {
        "id": f"{'ctc' if call.custom else 'fc'}_{identity.token}",
        "type": "custom_tool_call" if call.custom else "function_call",
        "status": "in_progress" if begun else "completed",
        "call_id": f"call_{identity.token}",
        "name": call.name,
        "input" if call.custom else "arguments": payload,
    }
    return {**item, "namespace": call.namespace} if call.namespace else item


def _call_events(call: ToolCall, identity: Identity) -> list[dict[str, Any]]:
    begun = _call_item(call, identity, begun=True)
    place = {"item_id": begun["id"], "output_index": 0}
    stem = "custom_tool_call_input" if call.custom else "function_call_arguments"
    done = {"input": call.payload} if call.custom else {"arguments": call.payload}
    if not call.custom:
        done["name"] = call.name
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        *(
            {"type": f"response.{stem}.delta", **place, "delta": piece}
            for piece in _PIECE.findall(call.payload)
        ),
        {"type": f"response.{stem}.done", **place, **done},
    ]
