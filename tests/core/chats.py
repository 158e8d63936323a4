"""Golden chats: what a client sends -> what goes upstream; and how a stream of chunks is read."""

from typing import Any

import msgspec

from lb.core import sse
from lb.core.response_events import Identity, ToolCall, answer_events, frame

IDENTITY = Identity("abc", 1_760_000_000)
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
CUSTOM = {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
SCHEMA = {"name": "n", "schema": {"type": "object"}, "strict": True}
USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
HI = [{"role": "user", "content": "hi"}]

ASKED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a plain question": ({}, {}),
    "a system prompt": (
        {"messages": [{"role": "system", "content": "be kind"}, *HI]},
        {"instructions": "be kind"},
    ),
    "a whole conversation": (
        {
            "messages": [
                {"role": "developer", "content": "d"},
                *HI,
                {"role": "assistant", "content": None, "tool_calls": [CALL, CUSTOM]},
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
                {"role": "tool", "tool_call_id": "c2", "content": "a b"},
                {"role": "assistant", "content": "done"},
            ]
        },
        {
            "instructions": "d",
            "input": [
                USER,
                {
                    "type": "function_call",
                    "call_id": "c1",
                    "name": "f",
                    "arguments": '{"a":1}',
                },
                {"type": "custom_tool_call", "call_id": "c2", "name": "sh", "input": "ls"},
                {"type": "function_call_output", "call_id": "c1", "output": "42"},
                {"type": "custom_tool_call_output", "call_id": "c2", "output": "a b"},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "done"}],
                },
            ],
        },
    ),
    "images and files": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                        {"type": "file", "file": {"filename": "a", "file_data": "data:,"}},
                    ],
                }
            ]
        },
        {
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {"type": "input_image", "image_url": "https://x/y.png"},
                        {"type": "input_file", "filename": "a", "file_data": "data:,"},
                    ],
                }
            ]
        },
    ),
    "tools": (
        {
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": {}}},
                {"type": "function", "function": {"name": "g", "strict": True}},
                {"type": "custom", "custom": {"name": "sh"}},
            ],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
        },
        {
            "tools": [
                {"type": "function", "name": "f", "parameters": {}, "strict": False},
                {"type": "function", "name": "g", "strict": True},
                {"type": "custom", "name": "sh"},
            ],
            "tool_choice": {"type": "function", "name": "f"},
            "parallel_tool_calls": False,
        },
    ),
    "a schema": (
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        {"text": {"format": {"type": "json_schema", **SCHEMA}}},
    ),
    "json": (
        {"response_format": {"type": "json_object"}},
        {"text": {"format": {"type": "json_object"}}},
    ),
    "numbers and names": (
        {
            "max_completion_tokens": 7,
            "temperature": 0.5,
            "top_p": 1,
            "user": "u",
            "reasoning_effort": "low",
            "verbosity": "low",
            "store": True,
            "metadata": {"a": "b"},
        },
        {
            "max_output_tokens": 7,
            "temperature": 0.5,
            "top_p": 1,
            "user": "u",
            "reasoning": {"effort": "low"},
            "text": {"verbosity": "low"},
            "store": True,
            "metadata": {"a": "b"},
        },
    ),
    "log probabilities": (
        {"logprobs": True, "top_logprobs": 2},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    ),
    "the form of the stream": (
        {"stream": True, "stream_options": {"include_usage": True}, "stop": "x", "n": 1},
        {"stream": True},
    ),
    "what asks for nothing": (
        {
            "seed": None,
            "frequency_penalty": 0,
            "presence_penalty": 0.0,
            "modalities": ["text"],
            "logprobs": False,
            "functions": None,
            "stop": None,
            "logit_bias": {},
        },
        {},
    ),
    "a web search": (
        {
            "web_search_options": {
                "user_location": {"type": "approximate", "approximate": {"country": "DE"}}
            }
        },
        {
            "tools": [
                {
                    "type": "web_search",
                    "user_location": {"type": "approximate", "country": "DE"},
                }
            ]
        },
    ),
}
"""Name -> (chat fields beside model and messages, Responses fields beside model and input)."""

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two answers": ({"n": 2}, "n"),
    "sound": ({"modalities": ["text", "audio"]}, "modalities"),
    "legacy functions": ({"functions": [{"name": "f"}]}, "functions"),
    "no messages": ({"messages": None}, "messages"),
    "empty messages": ({"messages": []}, "messages"),
    "input": ({"input": "hi"}, "input"),
    "a stop that is no text": ({"stop": 1}, "stop"),
    "a stop among stops": ({"stop": ["a", 1]}, "stop[1]"),
    "an empty stop": ({"stop": [""]}, "stop[0]"),
    "too many stops": ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    "an unknown role": ({"messages": [{"role": "ghost", "content": "x"}]}, "messages[0].role"),
    "a flag that is no boolean": ({"logprobs": "yes"}, "logprobs"),
    "options that are no object": ({"stream_options": 1}, "stream_options"),
}
"""Name -> (chat fields, the param of the 400)."""


def streamed(answer: str | ToolCall) -> list[bytes]:
    """The frames of a healthy upstream stream."""
    return [frame(event) for event in answer_events(answer, {"model": "m"}, IDENTITY)]


def framed(*events: dict[str, Any]) -> bytes:
    """Frames of upstream events of one's own."""
    return b"".join(map(frame, events))


def chunks(raw: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream, which ends as it must."""
    *frames, last = [sse.read(frame)[1] for frame in sse.frames(raw)]
    assert last == b"[DONE]"
    told = [msgspec.json.decode(frame) for frame in frames]
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in told)
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in told}) == 1
    return told


def deltas(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in told if chunk["choices"]]


def joined(told: list[dict[str, Any]], name: str) -> str:
    return "".join(delta.get(name) or "" for delta in deltas(told))
