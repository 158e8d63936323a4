"""The chat format, both ways."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core import sse
from lb.core.body import Body
from lb.core.errors import Problem
from lb.core.formats.chat import CHAT, Chatting
from lb.core.formats.chat_parts import Stops
from lb.core.formats.chat_whole import completion, message_of
from lb.core.response_events import ToolCall, whole_answer
from lb.core.rules import prepare
from tests.core.chats import (
    ASKED,
    CALL,
    CUSTOM,
    HI,
    IDENTITY,
    REFUSED,
    USER,
    chunks,
    deltas,
    framed,
    joined,
    streamed,
)

Json = dict[str, Any]


def heard(fields: Json) -> tuple[Body, Chatting]:
    body = Body.parse(msgspec.json.encode({"model": "m", "messages": HI, **fields}))
    voice = CHAT.heard(body)
    prepare(body)
    CHAT.settled(body)
    return body, voice


@pytest.mark.parametrize("name", ASKED)
def test_golden_requests(name: str) -> None:
    sent, native = ASKED[name]
    body, _ = heard(sent)
    assert msgspec.json.decode(body.render()) == {
        "model": "m",
        "input": [USER],
        "store": False,
        **native,
    }
    assert not set(body.changed) - {"tools"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_said_is_a_400_that_names_it(name: str) -> None:
    fields, param = REFUSED[name]
    with pytest.raises(Problem) as caught:
        heard(fields)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_what_is_left_out_is_told() -> None:
    body, _ = heard({"seed": 1, "frequency_penalty": 0.5, "logit_bias": {"1": 2}})
    assert body.changed == ("seed", "frequency_penalty", "logit_bias")


def test_a_text_streams_chunk_by_chunk() -> None:
    encoder = Chatting(usage=True).encoder()
    frames = streamed("Hello there, you")
    told = chunks(b"".join(map(encoder.feed, frames)))
    assert deltas(told)[0] == {"role": "assistant", "content": "", "refusal": None}
    assert [delta["content"] for delta in deltas(told)[1:-1]] == ["Hello ", "there, ", "you"]
    assert told[-2]["choices"][0]["finish_reason"] == "stop"
    assert told[-1]["choices"] == []
    assert told[-1]["usage"]["completion_tokens"] > 0
    assert all(chunk["usage"] is None for chunk in told[:-1])
    assert told[0]["id"] == "chatcmpl-abc"


def test_usage_is_told_only_when_asked_for() -> None:
    told = chunks(b"".join(map(Chatting().encoder().feed, streamed("hi"))))
    assert all("usage" not in chunk for chunk in told)


@pytest.mark.parametrize("custom", [False, True])
def test_a_tool_call_streams(*, custom: bool) -> None:
    call = ToolCall("f", '{"city": "a b"}', custom=custom)
    told = chunks(Chatting().encoder().feed(b"".join(streamed(call))))
    kind, argument = ("custom", "input") if custom else ("function", "arguments")
    calls = [delta["tool_calls"][0] for delta in deltas(told) if "tool_calls" in delta]
    assert calls[0] == {
        "index": 0,
        "id": "call_abc",
        "type": kind,
        kind: {"name": "f", argument: ""},
    }
    assert "".join(each[kind][argument] for each in calls) == call.payload
    assert told[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_parallel_calls_keep_their_places_however_they_are_mixed() -> None:
    def added(at: int) -> Json:
        item = {"type": "function_call", "call_id": f"c{at}", "name": "f", "arguments": ""}
        return {"type": "response.output_item.added", "output_index": at + 1, "item": item}

    def delta(at: int, text: str) -> Json:
        kind = "response.function_call_arguments.delta"
        return {"type": kind, "output_index": at + 1, "delta": text}

    run = framed(
        added(0), added(1), delta(1, "b"), delta(0, "a"), {"type": "response.completed"}
    )  # fmt: skip
    calls = [d["tool_calls"][0] for d in deltas(chunks(Chatting().encoder().feed(run)))[1:-1]]
    assert [(c["index"], c["function"]["arguments"]) for c in calls] == [
        *((0, ""), (1, "")),
        *((1, "b"), (0, "a")),
    ]


def test_what_is_told_only_at_the_end_is_told_then() -> None:
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "yes"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    run = framed({"type": "response.completed", "response": {"id": "resp_1", "output": output}})
    told = chunks(Chatting().encoder().feed(run))
    assert joined(told, "reasoning_content") == "hm"
    assert joined(told, "content") == "yes"
    assert deltas(told)[-2]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_nothing_is_told_twice() -> None:
    encoder = Chatting().encoder()
    *frames, last = streamed("once only")
    event = msgspec.json.decode(sse.read(last)[1])
    assert event["response"]["output"]
    told = chunks(b"".join(map(encoder.feed, [*frames, last, last])))
    assert joined(told, "content") == "once only"


@given(st.text("ab.", max_size=30), st.data())
def test_a_stop_is_found_however_the_text_is_cut(text: str, data: st.DataObject) -> None:
    stops = tuple(data.draw(st.lists(st.text("ab.", min_size=1, max_size=4), max_size=4)))
    cutter, said, rest = Stops(stops), "", text
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        said, rest = said + cutter.feed(rest[:size]), rest[size:]
    said += cutter.flush()
    places = [text.find(stop) for stop in stops if stop in text]
    assert cutter.hit is bool(places)
    if not places:
        assert said == text
    else:
        assert text.startswith(said)
        assert not any(stop in said for stop in stops)


def test_the_answer_ends_before_the_stop() -> None:
    voice = Chatting(stops=("STOP",))
    told = chunks(b"".join(map(voice.encoder().feed, streamed("one two STOP three"))))
    assert joined(told, "content") == "one two "
    assert told[-1]["choices"][0]["finish_reason"] == "stop"
    response = whole_answer("one two STOP three", {"model": "m"}, IDENTITY)
    message = completion(response, ("STOP",))["choices"][0]["message"]
    assert message["content"] == "one two "


def test_a_whole_answer() -> None:
    response = whole_answer("Hello", {"model": "m"}, IDENTITY)
    told = msgspec.json.decode(Chatting().whole(msgspec.json.encode(response)))
    assert told["object"] == "chat.completion"
    assert told["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert told["usage"]["total_tokens"] == response["usage"]["total_tokens"]


def test_a_whole_call_has_no_content() -> None:
    response = whole_answer(ToolCall("f", "{}"), {"model": "m"}, IDENTITY)
    choice = completion(response)["choices"][0]
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "tool_calls"


TEXTS = st.text(max_size=20)
MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant")},
    optional={
        "content": TEXTS,
        "refusal": TEXTS,
        "tool_calls": st.lists(st.sampled_from([CALL, CUSTOM]), min_size=1, max_size=3),
    },
)


@given(MESSAGES)
def test_decoding_and_encoding_a_message_round_trips(message: Json) -> None:
    """What the assistant said, sent back in a history and said again, is the same."""
    body, _ = heard({"messages": [*HI, message]})
    _, *items = body.get("input")
    told = message_of(items)
    assert (told["content"] or "") == (message.get("content") or "")
    assert (told["refusal"] or "") == (message.get("refusal") or "")
    assert told.get("tool_calls", []) == message.get("tool_calls", [])
