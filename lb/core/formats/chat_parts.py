"""Pieces of an answer, as Chat Completions says them."""

from collections.abc import Mapping
from typing import Any

from attrs import define, frozen

Json = dict[str, Any]

OUTPUT = "output_text"
REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""Why a response is incomplete -> the finish reason."""


@frozen
class CallForm:
    """How one type of tool call is said: its type in chat, and where its argument stands."""

    type: str
    argument: str


CALLS = {
    "function_call": CallForm("function", "arguments"),
    "custom_tool_call": CallForm("custom", "input"),
}
"""Item of a call -> its form in chat."""


def text_of(value: Any) -> str:
    """A text; what is none is empty: an upstream's odd word breaks no answer."""
    return value if isinstance(value, str) else ""


def object_of(value: Any) -> Json:
    """An object; what is none is empty."""
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[Json]:
    """The objects of a list; what is none has none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number_of(value: Any) -> int:
    """A whole number; what is none is 0."""
    return int(value) if isinstance(value, int | float) else 0


def completion_id(response_id: Any) -> str:
    """The id of a completion, from that of the response behind it."""
    return "chatcmpl-" + text_of(response_id).removeprefix("resp_")


def call_of(item: Json) -> Json:
    """A finished call item as a message holds it."""
    form = CALLS[item["type"]]
    said = {"name": text_of(item.get("name")), form.argument: text_of(item.get(form.argument))}
    return {"id": text_of(item.get("call_id")), "type": form.type, form.type: said}


def said_in(item: Json) -> tuple[str, str]:
    """The text and the refusal of a message item."""
    parts = objects_of(item.get("content"))
    text = "".join(text_of(part.get("text")) for part in parts if part.get("type") == OUTPUT)
    refusal = "".join(text_of(part.get("refusal")) for part in parts)
    return text, refusal


def reasoning_of(item: Json) -> str:
    """The thoughts of a reasoning item: its summary, else what it holds in clear."""
    for name in ("summary", "content"):
        told = item.get(name)
        parts = told if isinstance(told, list) else []
        texts = [text_of(part.get("text")) if isinstance(part, dict) else part for part in parts]
        if any(texts):
            return "\n\n".join(map(text_of, texts))
    return ""


def usage_of(usage: Any) -> Json | None:
    """Tokens under chat's names."""
    if not isinstance(usage, dict):
        return None
    inputs = object_of(usage.get("input_tokens_details"))
    outputs = object_of(usage.get("output_tokens_details"))
    read, written = number_of(usage.get("input_tokens")), number_of(usage.get("output_tokens"))
    planning = usage.get("planning_usage_details")
    return {
        **({} if planning is None else {"planning_usage_details": planning}),
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": number_of(usage.get("total_tokens")) or read + written,
        "prompt_tokens_details": {
            "cached_tokens": number_of(inputs.get("cached_tokens")),
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": number_of(outputs.get("reasoning_tokens")),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def finish_of(response: Mapping[str, Any], *, called: bool, stopped: bool = False) -> str:
    """Why the answer ended; ``called`` a tool, ``stopped`` at a sequence the client named."""
    if stopped:
        return "stop"
    if response.get("status") == "incomplete":
        details = object_of(response.get("incomplete_details"))
        return REASONS.get(text_of(details.get("reason")), "length")
    return "tool_calls" if called else "stop"


def logprobs_of(told: Any) -> Json | None:
    """Log probabilities, each with its bytes."""
    content = [
        {**_probable(each), "top_logprobs": [*map(_probable, objects_of(each.get("top_logprobs")))]}
        for each in objects_of(told)
    ]
    if not content:
        return None
    return {"content": content, "refusal": None}


def _probable(told: Json) -> Json:
    token = str(told.get("token", ""))
    spelt = told.get("bytes")
    return {
        "token": token,
        "logprob": told.get("logprob", 0.0),
        "bytes": list(token.encode()) if spelt is None else spelt,
    }


def citation_of(annotation: Any) -> Json | None:
    """A web citation; files are cited in Responses only."""
    if not isinstance(annotation, dict) or annotation.get("type") != "url_citation":
        return None
    fields = {name: value for name, value in annotation.items() if name != "type"}
    return {"type": "url_citation", "url_citation": fields}


@define
class Stops:
    """Cuts a text that comes in pieces before the first of ``sequences``.

    What may be the beginning of one is held back until it is known; joined, the pieces are the text
    up to the sequence.
    """

    sequences: tuple[str, ...] = ()
    hit: bool = False
    _held: str = ""

    def feed(self, text: str) -> str:
        """As much as can be said now."""
        if not self.sequences or self.hit:
            return "" if self.hit else text
        text = self._held + text
        found = [at for stop in self.sequences if (at := text.find(stop)) >= 0]
        if found:
            self.hit, self._held = True, ""
            return text[: min(found)]
        keep = max(_overlap(text, stop) for stop in self.sequences)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back: no sequence came of it."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of ``text`` begin ``stop``."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
