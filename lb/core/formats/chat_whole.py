"""A response -> a chat completion."""

from typing import Any

from lb.core.formats.chat_parts import (
    CALLS,
    Json,
    Stops,
    call_of,
    citation_of,
    completion_id,
    finish_of,
    logprobs_of,
    number_of,
    objects_of,
    reasoning_of,
    said_in,
    text_of,
    usage_of,
)


def completion(response: Json, stops: tuple[str, ...] = ()) -> Json:
    """The completion a client gets that asked for no stream."""
    items = objects_of(response.get("output"))
    cutter = Stops(stops)
    message = message_of(items, cutter)
    called = "tool_calls" in message
    choice = {
        "index": 0,
        "message": message,
        "logprobs": logprobs_of(_gathered(items, "logprobs")),
        "finish_reason": finish_of(response, called=called, stopped=cutter.hit),
    }
    told: Json = {
        "id": completion_id(response.get("id")),
        "object": "chat.completion",
        "created": number_of(response.get("created_at")),
        "model": text_of(response.get("model")),
        "choices": [choice],
        "usage": usage_of(response.get("usage")),
        "system_fingerprint": None,
    }
    if response.get("service_tier"):
        told["service_tier"] = response["service_tier"]
    return told


def message_of(items: list[Json], cutter: Stops | None = None) -> Json:
    """The assistant's message: all that the items of an answer say."""
    messages = [said_in(item) for item in items if item.get("type") == "message"]
    text = "".join(said for said, _ in messages)
    refusal = "".join(refused for _, refused in messages)
    if cutter is not None:
        text = cutter.feed(text) + cutter.flush()
    calls = [call_of(item) for item in items if text_of(item.get("type")) in CALLS]
    thoughts = [reasoning_of(item) for item in items if item.get("type") == "reasoning"]
    cited = filter(None, map(citation_of, _gathered(items, "annotations")))
    message: Json = {
        "role": "assistant",
        "content": text if text or not (calls or refusal) else None,
        "refusal": refusal or None,
        "annotations": [*cited],
    }
    if any(thoughts):
        message["reasoning_content"] = "\n\n".join(filter(None, thoughts))
    if calls and not (cutter is not None and cutter.hit):
        message["tool_calls"] = calls
    return message


def _gathered(items: list[Json], name: str) -> list[Any]:
    """The lists called ``name`` of all parts of all messages, joined."""
    spoken = (item for item in items if item.get("type") == "message")
    parts = (part for item in spoken for part in objects_of(item.get("content")))
    return [each for part in parts for each in objects_of(part.get(name))]
