"""Events of a response -> chunks of a chat completion.

Each event that says something becomes one chunk; what an upstream tells only at the end of an item,
or of the answer, is told then. Source: OpenAI, "The chat completion chunk object".
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from attrs import define, field

from lb.core import sse
from lb.core.errors import Problem
from lb.core.formats.chat_parts import (
    CALLS,
    Json,
    Stops,
    citation_of,
    completion_id,
    finish_of,
    logprobs_of,
    number_of,
    object_of,
    objects_of,
    reasoning_of,
    said_in,
    text_of,
    usage_of,
)

DONE = b"data: [DONE]\n\n"


@define
class _Call:
    """A tool call under way: its place among the calls, how much of its argument was told."""

    index: int
    kind: str
    told: int = 0


@define
class ChatStream:
    """``usage`` whether the last chunk tells it; ``stops`` the sequences that end the answer."""

    usage: bool = False
    stops: tuple[str, ...] = ()
    _named: Json = field(factory=dict)
    _begun: bool = False
    _ended: bool = False
    _told: set[int] = field(factory=set)
    _calls: dict[int, _Call] = field(factory=dict)
    _cutter: Stops = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Text is cut at the stops."""
        self._cutter = Stops(self.stops)

    def feed(self, run: bytes) -> bytes:
        """The chunks a run of whole frames makes; none for what has no word in chat."""
        return b"".join(chunk for frame in sse.frames(run) for chunk in self._frame(frame))

    def failed(self, problem: Problem, response_id: str, sequence_number: int) -> bytes:
        """The error in place of a chunk; SDKs raise it."""
        del response_id, sequence_number
        return _data({"error": problem.envelope()})

    def _frame(self, frame: bytes) -> Iterator[bytes]:
        name, data = sse.read(frame)
        if not data or self._ended or (name and name not in HANDLERS):
            return
        try:
            event = msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            return
        handler = HANDLERS.get(text_of(event.get("type")) or name)
        if handler is not None:
            yield from handler(self, event)

    def created(self, event: Json) -> Iterator[bytes]:
        """The answer has a name."""
        self._name(object_of(event.get("response")))
        return iter(())

    def _name(self, response: Json) -> None:
        self._named = {
            "id": completion_id(response.get("id")),
            "object": "chat.completion.chunk",
            "created": number_of(response.get("created_at")),
            "model": text_of(response.get("model")),
            "system_fingerprint": None,
        }
        if response.get("service_tier"):
            self._named["service_tier"] = response["service_tier"]

    def _chunk(self, choices: list[Json], usage: Json | None = None) -> bytes:
        told = {**self._named, "choices": choices}
        if self.usage:
            told["usage"] = usage
        return _data(told)

    def _delta(
        self, delta: Json, logprobs: Json | None = None, finish: str | None = None
    ) -> Iterator[bytes]:
        if not self._named:
            self._name({})
        if not self._begun:
            self._begun = True
            yield from self._delta({"role": "assistant", "content": "", "refusal": None})
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        yield self._chunk([choice])

    def text(self, event: Json) -> Iterator[bytes]:
        """Some text."""
        self._told.add(_index(event))
        yield from self._say(text_of(event.get("delta")), logprobs_of(event.get("logprobs")))

    def _say(self, text: str, logprobs: Json | None = None) -> Iterator[bytes]:
        if told := self._cutter.feed(text):
            yield from self._delta({"content": told}, logprobs)

    def refusal(self, event: Json) -> Iterator[bytes]:
        """Some of a refusal."""
        self._told.add(_index(event))
        yield from self._delta({"refusal": text_of(event.get("delta"))})

    def thought(self, event: Json) -> Iterator[bytes]:
        """Some reasoning, under the name other gateways gave it."""
        self._told.add(_index(event))
        yield from self._delta({"reasoning_content": text_of(event.get("delta"))})

    def next_thought(self, event: Json) -> Iterator[bytes]:
        """A new paragraph of the reasoning's summary."""
        if event.get("summary_index") and _index(event) in self._told:
            yield from self._delta({"reasoning_content": "\n\n"})

    def cited(self, event: Json) -> Iterator[bytes]:
        """A source."""
        citation = citation_of(event.get("annotation"))
        if citation is not None:
            yield from self._delta({"annotations": [citation]})

    def item_added(self, event: Json) -> Iterator[bytes]:
        """An item begins: of those, a call says so."""
        item = object_of(event.get("item"))
        if text_of(item.get("type")) in CALLS and not self._cutter.hit:
            yield from self._begin_call(_index(event), item)

    def _begin_call(self, index: int, item: Json) -> Iterator[bytes]:
        form = CALLS[item["type"]]
        self._told.add(index)
        call = self._calls[index] = _Call(len(self._calls), item["type"])
        said = {"name": text_of(item.get("name")), form.argument: ""}
        told = {
            "index": call.index,
            "id": text_of(item.get("call_id")),
            "type": form.type,
            form.type: said,
        }
        yield from self._delta({"tool_calls": [told]})

    def argument(self, event: Json) -> Iterator[bytes]:
        """Some of a call's argument."""
        call = self._calls.get(_index(event))
        if call is not None:
            yield from self._argue(call, text_of(event.get("delta")))

    def _argue(self, call: _Call, text: str) -> Iterator[bytes]:
        form = CALLS[call.kind]
        call.told += len(text)
        told = {"index": call.index, form.type: {form.argument: text}}
        if text:
            yield from self._delta({"tool_calls": [told]})

    def item_done(self, event: Json) -> Iterator[bytes]:
        """An item is whole: what of it was not told yet, is."""
        yield from self._item(_index(event), object_of(event.get("item")))

    def _item(self, index: int, item: Json) -> Iterator[bytes]:
        kind = text_of(item.get("type"))
        if kind in CALLS:
            if self._cutter.hit:
                return
            if index not in self._calls:
                yield from self._begin_call(index, item)
            call = self._calls[index]
            yield from self._argue(call, text_of(item.get(CALLS[kind].argument))[call.told :])
        elif index not in self._told:
            self._told.add(index)
            yield from self._unsaid(item)

    def _unsaid(self, item: Json) -> Iterator[bytes]:
        if item.get("type") == "reasoning" and (thoughts := reasoning_of(item)):
            yield from self._delta({"reasoning_content": thoughts})
        elif item.get("type") == "message":
            text, refusal = said_in(item)
            yield from self._say(text)
            if refusal:
                yield from self._delta({"refusal": refusal})

    def ended(self, event: Json) -> Iterator[bytes]:
        """The answer is whole: why it ended, what it used, and the mark of the end."""
        response = object_of(event.get("response"))
        if not self._named:
            self._name(response)
        if not self._told:  # an upstream that streams nothing but the end
            for index, item in enumerate(objects_of(response.get("output"))):
                yield from self._item(index, item)
        if held := self._cutter.flush():
            yield from self._delta({"content": held})
        finish = finish_of(response, called=bool(self._calls), stopped=self._cutter.hit)
        yield from self._delta({}, finish=finish)
        if self.usage:
            yield self._chunk([], usage_of(response.get("usage")))
        self._ended = True
        yield DONE

    def broken(self, event: Json) -> Iterator[bytes]:
        """Upstream gave up."""
        holder = object_of(event.get("response")) or event
        told = holder.get("error")
        error = told if isinstance(told, dict) else event
        self._ended = True
        yield _data(
            {
                "error": {
                    "message": error.get("message") or "The upstream ended the response.",
                    "type": error.get("type")
                    if told is error and error.get("type")
                    else "server_error",
                    "param": error.get("param"),
                    "code": error.get("code"),
                }
            }
        )


HANDLERS: dict[str, Callable[[ChatStream, Json], Iterator[bytes]]] = {
    "response.created": ChatStream.created,
    "response.output_text.delta": ChatStream.text,
    "response.refusal.delta": ChatStream.refusal,
    "response.reasoning_summary_text.delta": ChatStream.thought,
    "response.reasoning_text.delta": ChatStream.thought,
    "response.reasoning_summary_part.added": ChatStream.next_thought,
    "response.output_text.annotation.added": ChatStream.cited,
    "response.output_item.added": ChatStream.item_added,
    "response.output_item.done": ChatStream.item_done,
    "response.function_call_arguments.delta": ChatStream.argument,
    "response.custom_tool_call_input.delta": ChatStream.argument,
    "response.completed": ChatStream.ended,
    "response.incomplete": ChatStream.ended,
    "response.failed": ChatStream.broken,
    "error": ChatStream.broken,
}
"""Type of an event -> what is told of it."""


def _index(event: Json) -> int:
    return number_of(event.get("output_index"))


def _data(told: Json) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(told)
