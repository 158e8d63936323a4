"""Chunks: what else an upstream may say, and what no order of events may break."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core import sse
from lb.core.errors import Problem
from lb.core.formats.chat import Chatting
from lb.core.formats.chat_stream import HANDLERS
from lb.core.formats.chat_whole import completion
from lb.core.gateway.redact import Vault
from lb.core.gateway.restore import Restored
from lb.core.response_events import ToolCall
from tests.core.chats import chunks, deltas, framed, joined, streamed

Json = dict[str, Any]


def test_refusals_reasoning_and_sources() -> None:
    place = {"output_index": 0, "content_index": 0}
    source = {"type": "url_citation", "url": "https://x", "title": "t"}
    run = framed(
        {"type": "response.reasoning_summary_text.delta", "output_index": 3, "delta": "a"},
        {
            "type": "response.reasoning_summary_part.added",
            "output_index": 3,
            "summary_index": 1,
        },
        {"type": "response.reasoning_summary_text.delta", "output_index": 3, "delta": "b"},
        {"type": "response.refusal.delta", **place, "delta": "no"},
        {"type": "response.output_text.annotation.added", **place, "annotation": source},
        {
            "type": "response.incomplete",
            "response": {
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
            },
        },
    )
    told = chunks(Chatting().encoder().feed(run))
    assert joined(told, "reasoning_content") == "a\n\nb"
    assert joined(told, "refusal") == "no"
    cited = {"type": "url_citation", "url_citation": {"url": "https://x", "title": "t"}}
    assert {"annotations": [cited]} in deltas(told)
    assert told[-1]["choices"][0]["finish_reason"] == "length"


def test_log_probabilities_get_their_bytes() -> None:
    probable = {"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "a", "logprob": -1.0}]}
    event = {"type": "response.output_text.delta", "delta": "é", "logprobs": [probable]}
    raw = Chatting().encoder().feed(framed(event))
    told = [msgspec.json.decode(sse.read(frame)[1]) for frame in sse.frames(raw)]
    content = told[-1]["choices"][0]["logprobs"]["content"]
    assert content[0]["bytes"] == list("é".encode())
    assert content[0]["top_logprobs"] == [{"token": "a", "logprob": -1.0, "bytes": [97]}]


@pytest.mark.parametrize(
    "event",
    [
        {
            "type": "response.failed",
            "response": {"error": {"code": "server_error", "message": "m"}},
        },
        {"type": "error", "code": "server_error", "message": "m", "param": None},
        {"type": "error", "error": {"type": "x", "code": "server_error", "message": "m"}},
    ],
)
def test_a_failure_in_the_stream_is_an_error_the_sdks_raise(event: Json) -> None:
    encoder = Chatting().encoder()
    told = msgspec.json.decode(sse.read(encoder.feed(framed(event)))[1])
    assert told["error"]["message"] == "m"
    assert told["error"]["code"] == "server_error"
    assert set(told["error"]) == {"message", "type", "param", "code"}
    assert encoder.feed(framed({"type": "response.completed"})) == b""


def test_a_problem_of_ours_is_one_too() -> None:
    raw = Chatting().encoder().failed(Problem("gone", code="server_shutdown"), "", 0)
    assert msgspec.json.decode(sse.read(raw)[1])["error"]["code"] == "server_shutdown"


@given(st.lists(st.sampled_from(streamed("a b c d") + streamed(ToolCall("f", "{}"))), max_size=12))
def test_no_order_of_events_breaks_the_stream(frames: list[bytes]) -> None:
    encoder = Chatting(usage=True).encoder()
    raw = b"".join(map(encoder.feed, frames))
    for frame in sse.frames(raw):
        data = sse.read(frame)[1]
        assert data == b"[DONE]" or "choices" in msgspec.json.decode(data)


@given(st.text(max_size=60), st.integers(0, 400))
def test_runs_of_frames_make_what_single_frames_make(text: str, cut: int) -> None:
    frames = streamed(text or "x")
    cut %= len(frames)
    single, runs = Chatting().encoder(), Chatting().encoder()
    assert b"".join(map(single.feed, frames)) == runs.feed(b"".join(frames[:cut])) + runs.feed(
        b"".join(frames[cut:])
    )


ODD = st.sampled_from(
    [
        *(None, 5, "x", [], {}, [1], {"type": "message", "content": 5}, {"created_at": "x"}),
        *({"type": "function_call", "arguments": 5}, {"type": "reasoning", "summary": "abc"}),
        *({"output": 5}, {"output": [5]}, {"incomplete_details": "x", "status": "incomplete"}),
        *({"usage": {"input_tokens": "a", "input_tokens_details": 5}}, {"error": "s"}),
        *([{"token": 5, "top_logprobs": [5]}], {"type": "message", "content": ["a", {}]}),
    ]
)
FIELDS = ("delta", "response", "item", "output_index", "logprobs", "annotation", "summary_index")
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(HANDLERS))}, optional=dict.fromkeys((*FIELDS, "error"), ODD)
)


@given(st.lists(EVENTS, max_size=4), st.booleans())
def test_an_upstream_s_odd_words_break_no_stream(events: list[Json], restoring: bool) -> None:  # noqa: FBT001
    voice = Chatting(usage=True, stops=("x",))
    encoder = Restored(Vault(()), voice).encoder() if restoring else voice.encoder()
    for frame in sse.frames(encoder.feed(framed(*events))):
        data = sse.read(frame)[1]
        assert data == b"[DONE]" or {"choices", "error"} & set(msgspec.json.decode(data))


@given(ODD, ODD)
def test_an_upstream_s_odd_words_break_no_completion(one: Any, other: Any) -> None:
    for name in ("output", "usage", "incomplete_details", "id", "model", "created_at"):
        told = completion({name: one, "output": [other, one]} if name != "output" else {name: one})
        assert told["choices"][0]["message"]["role"] == "assistant"
