"""What a simulated account answers: kindly, in the form the request asks for, and never at random.

A text that says it is simulated; a minimal instance where structured output is asked for; a call
of a tool where the user asks for one and the request offers it; and what the tool said after that.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from attrs import frozen

from lb.core.json_schema import minimal_instance
from lb.core.response_events import ToolCall

COMMAND = "echo hello from a simulated account"
LONGEST_ECHO = 120  # characters of what the user said
LONGEST_OUTPUT = 400  # of what a tool said: Codex wraps it in several lines of its own
_WANTS_A_TOOL = re.compile(r"\b(shell|command|tool|run)", re.IGNORECASE)
_CODEX_SCRIPT = 'const r = await tools.exec_command({cmd: "%s"}); text(JSON.stringify(r));'


@frozen
class Turn:
    """The last thing the user said, and what a tool has said since (None: nothing yet)."""

    text: str
    tool_output: str | None


@frozen
class Tool:
    """A tool the request offers, by the namespace it came in."""

    type: str
    name: str
    parameters: Any = None
    namespace: str = ""


def answer_to(request: Mapping[str, Any], account: str) -> str | ToolCall:
    """The answer of ``account`` to ``request``: a text or a tool call."""
    turn = last_turn(request)
    if (call := _call_for(request, turn)) is not None:
        return call
    if (value := _structured(request)) is not None:
        return msgspec.json.encode(value).decode()
    if turn.tool_output is not None:
        said = shortened(turn.tool_output, LONGEST_OUTPUT)
        return f"The tool ran for simulated account {account} and said: {said}"
    said = shortened(turn.text)
    return f'Hello! This is a simulated answer by account {account}. You said: "{said}"'


def last_turn(request: Mapping[str, Any]) -> Turn:
    """What the user said last, and what came back from a tool after it."""
    asked = request.get("input")
    if isinstance(asked, str):
        return Turn(asked, None)
    text, output = "", None
    for item in _items(asked):
        if item.get("role") == "user":
            text, output = text_of(item.get("content")), None
        elif str(item.get("type")).endswith("_output"):
            output = text_of(item.get("output"))
    return Turn(text, output)


def text_of(content: Any) -> str:
    """The text of a message's content or a tool's output: a string, or parts with texts."""
    if isinstance(content, str):
        return content
    return " ".join(str(part["text"]) for part in _items(content) if "text" in part)


def shortened(text: str, longest: int = LONGEST_ECHO) -> str:
    """``text`` on one line, cut to what is fit to repeat (``longest`` characters)."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def offered_tools(request: Mapping[str, Any]) -> list[Tool]:
    """The tools of a request: its ``tools``, and those Codex sends as an input item."""
    lists = [request.get("tools")]
    if not isinstance(request.get("input"), str):
        lists += [
            item.get("tools")
            for item in _items(request.get("input"))
            if item.get("type") == "additional_tools"
        ]
    return [tool for each in lists for tool in _flattened(each, "")]


def _flattened(tools: Any, namespace: str) -> Iterator[Tool]:
    for tool in _items(tools):
        if tool.get("type") == "namespace":
            yield from _flattened(tool.get("tools"), str(tool.get("name", "")))
        elif isinstance(tool.get("name"), str):
            yield Tool(str(tool.get("type")), tool["name"], tool.get("parameters"), namespace)


def _call_for(request: Mapping[str, Any], turn: Turn) -> ToolCall | None:
    choice = request.get("tool_choice")
    if turn.tool_output is not None or choice == "none":
        return None
    tools = offered_tools(request)
    if isinstance(choice, Mapping):
        named = [tool for tool in tools if tool.name == choice.get("name")]
        return _call(named)
    if choice == "required" or _WANTS_A_TOOL.search(turn.text):
        return _call(tools)
    return None


def _call(tools: list[Tool]) -> ToolCall | None:
    """A call of the best of ``tools``: the shell where there is one, else the first function."""
    known = {(tool.type, tool.name) for tool in tools}
    if ("custom", "exec") in known:
        return ToolCall("exec", _CODEX_SCRIPT % COMMAND, custom=True)
    if ("function", "exec_command") in known:
        return ToolCall("exec_command", msgspec.json.encode({"cmd": COMMAND}).decode())
    for tool in tools:
        if tool.type == "function":
            arguments = minimal_instance(tool.parameters) or {}
            return ToolCall(
                tool.name, msgspec.json.encode(arguments).decode(), namespace=tool.namespace
            )
    return None


def _structured(request: Mapping[str, Any]) -> Any:
    text = request.get("text")
    form = text.get("format") if isinstance(text, Mapping) else None
    if not isinstance(form, Mapping):
        return None
    if form.get("type") == "json_schema":
        return minimal_instance(form.get("schema"))
    return {"simulated": True} if form.get("type") == "json_object" else None


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
