"""``toolOptimization``: tools that have nothing to do with the conversation are left out.

A tool that fits any turn stays, so that the set only grows with the conversation, which keeps the
prompt cache; those called, forced, named by another that stays, or always wanted stay as well.
"""

from typing import Any

import msgspec

from lb.core.body import Body
from lb.core.gateway.scores import Scorer
from lb.core.gateway.turns import items_of, questions_of
from lb.core.gateway.wish import Wish

Tool = dict[str, Any]


def tools_that_fit(body: Body, wish: Wish) -> bool:
    """Leave out functions and custom tools that score under ``acceptScore``; whether any was."""
    asked = wish.tool_optimization
    tools = body.get("tools")
    if asked is None or not asked.enabled or not isinstance(tools, list):
        return False
    scored = [tool for tool in tools if _name(tool)]
    scorer = Scorer([_text(tool) for tool in scored])
    best = [0.0] * len(scored)
    for question in questions_of(body):
        best = [max(pair) for pair in zip(best, scorer.scores(question), strict=True)]
    if not any(best):
        return False  # nothing to judge by
    kept = {
        _name(tool) for tool, score in zip(scored, best, strict=True) if score >= asked.accept_score
    }
    kept |= set(asked.always_include) | _called(body) | _forced(body.get("tool_choice"))
    kept = _with_those_named(kept, scored)
    told = [tool for tool in tools if not _name(tool) or _name(tool) in kept]
    changed = len(told) != len(tools)
    if changed:
        body.set("tools", told, told=False)
    return changed


def _name(tool: Any) -> str:
    name = tool.get("name") if isinstance(tool, dict) else None
    return name if isinstance(name, str) else ""


def _text(tool: Tool) -> str:
    parameters = msgspec.json.encode(tool.get("parameters")).decode()
    return f"{tool['name']} {tool.get('description') or ''} {parameters}"


def _called(body: Body) -> set[str]:
    return {
        item["name"]
        for item in items_of(body)
        if isinstance(item, dict)
        and item.get("type") in {"function_call", "custom_tool_call"}
        and isinstance(item.get("name"), str)
    }


def _forced(choice: Any) -> set[str]:
    if not isinstance(choice, dict):
        return set()
    return {_name(choice), *(_name(tool) for tool in choice.get("tools") or ())}


def _with_those_named(kept: set[str], tools: list[Tool]) -> set[str]:
    """And those the descriptions of kept ones name, until no more are found."""
    while True:
        descriptions = " ".join(
            str(tool.get("description") or "") for tool in tools if tool["name"] in kept
        )
        named = {tool["name"] for tool in tools if tool["name"] in descriptions}
        if named <= kept:
            return kept
        kept = kept | named
