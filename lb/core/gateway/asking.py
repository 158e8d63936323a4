"""What a model of the pool is asked for on the way: which tag fits, what old turns said.

Questions are made and answers read here; ``web.asides`` asks them. What is asked goes upstream as
any input does, so what is private has been hidden before.
"""

from typing import Any, Final

import msgspec

from lb.core.body import Body
from lb.core.gateway.history import Cut
from lb.core.gateway.turns import questions_of, text_of
from lb.core.gateway.wish import Wish

ASKED_OF_ROUTER: Final = (
    "Say which of these topics the user's request is about; null where none of them fits."
    " Do not answer the request. The topics:"
)
ASKED_FOR_SUMMARY: Final = (
    "Sum up these turns of a conversation for a model that will go on with it, in a few sentences."
    " Keep names, numbers, decisions and open questions, and keep words in [BRACKETS] as they are."
    " Do not answer anything in them."
)
LONGEST_QUESTION: Final = 8_000  # characters of a request a router is shown
LONGEST_HISTORY: Final = 400_000  # characters of old turns that are summed up


def which_tag(body: Body, wish: Wish, model: str) -> Body:
    """The request that asks ``model`` for a tag, its answer bound to a schema."""
    names = [tag.name for tag in wish.tags]
    topics = "\n".join(f"- {tag.name}: {tag.description}" for tag in wish.tags)
    tag = {"type": ["string", "null"], "enum": [*names, None]}
    schema = {
        "type": "object",
        "properties": {"tag": tag},
        "required": ["tag"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "name": "tag", "strict": True, "schema": schema}
    question = " ".join(questions_of(body)[-1:])[-LONGEST_QUESTION:]
    return _asked(model, f"{ASKED_OF_ROUTER}\n{topics}", question, text={"format": form})


def tag_in(answer: str, wish: Wish) -> str | None:
    """The tag an answer names, "" where none fits; None when it is no such answer."""
    try:
        told = msgspec.json.decode(answer, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None
    tag = told.get("tag", ...)
    if tag is None:
        return ""
    return tag if any(tag == each.name for each in wish.tags) else None


def what_was_said(cut: Cut, model: str) -> Body:
    """The request that asks ``model`` for a summary of what is left out."""
    said = "\n".join(f"{_who(item)}: {text_of(item)}" for item in cut.dropped)
    return _asked(model, ASKED_FOR_SUMMARY, said[-LONGEST_HISTORY:])


def _who(item: Any) -> str:
    told = item.get("role") or item.get("type") if isinstance(item, dict) else None
    return told if isinstance(told, str) else "item"


def _asked(model: str, instructions: str, said: str, **more: Any) -> Body:
    told = {"model": model, "instructions": instructions, "store": False, **more}
    told["input"] = [{"role": "user", "content": said}]
    return Body.parse(msgspec.json.encode(told))
