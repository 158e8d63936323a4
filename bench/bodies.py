"""Request bodies: a small one, and Codex-like ones of any size."""

import base64
import json
from random import Random
from typing import Any

MARK = "########"  # the load generator writes the number of a conversation there

_TOOL = {
    "type": "function",
    "name": "shell",
    "description": "Runs a shell command and returns its output.",
    "strict": False,
    "parameters": {
        "type": "object",
        "properties": {
            "command": {"type": "array", "items": {"type": "string"}},
            "workdir": {"type": "string"},
            "timeout_ms": {"type": "number"},
        },
        "required": ["command"],
        "additionalProperties": False,
    },
}


def small(model: str, *, stream: bool) -> bytes:
    """About a kilobyte: instructions, a tool, a short conversation."""
    return _dumped(
        {
            "model": model,
            "instructions": "You are a helpful assistant. Answer briefly. " * 4,
            "input": [_said("user", "What is the capital of France, and why? " * 3)],
            "tools": [_TOOL],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "stream": stream,
            "store": False,
            "prompt_cache_key": f"{model}-conversation-{MARK}",
        }
    )


def codex(model: str, size: int, *, stream: bool) -> bytes:
    """A long turn of a coding agent, about ``size`` bytes: with all that a turn holds."""
    rng = Random(1)
    turns: list[dict[str, Any]] = []
    length = 0
    while length < size - 12_000:
        turn = _turn(rng, len(turns))
        turns += turn
        length += len(_dumped(turn))
    return _dumped(
        {
            "model": model,
            "instructions": "You are a coding agent in a terminal. " * 250,
            "input": turns,
            "tools": [_TOOL],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "reasoning": {"effort": "high", "summary": "auto"},
            "store": False,
            "stream": stream,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": f"{model}-0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        }
    )


def _turn(rng: Random, number: int) -> list[dict[str, Any]]:
    call = f"call_{number:08x}"
    output = "\n".join(
        f'{n}: def function_{n}(argument: "str") -> None:  # {"word " * 8}' for n in range(120)
    )
    return [
        _said("user", "Now look at the next file and tell me what is wrong with it. " * 4),
        {
            "type": "reasoning",
            "id": f"rs_{number:032x}",
            "summary": [{"type": "summary_text", "text": "**Looking at the file**"}],
            "encrypted_content": base64.b64encode(rng.randbytes(2400)).decode(),
        },
        {
            "type": "function_call",
            "call_id": call,
            "name": "shell",
            "arguments": json.dumps({"command": ["sed", "-n", "1,200p", f"src/file_{number}.py"]}),
        },
        {"type": "function_call_output", "call_id": call, "output": output},
    ]


def _said(role: str, text: str) -> dict[str, Any]:
    kind = "input_text" if role == "user" else "output_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
