"""Redaction: nothing private goes up, all of it comes back, however the answer is cut."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core import gateway, sse
from lb.core.body import Body
from lb.core.errors import Problem
from lb.core.formats.chat import Chatting
from lb.core.formats.responses import NATIVE
from lb.core.formats.voice import Voice
from lb.core.gateway.entities import ENTITIES, found, wanted
from lb.core.gateway.wish import Redact
from lb.core.response_events import ToolCall, whole_answer
from tests.core.chats import IDENTITY, chunks, framed, joined, streamed

ALL: Any = {entity.name: True for entity in ENTITIES}
PRIVATE = {
    "email": ["bob.x+y@mail.example.com"],
    "phone": ["+49 30 901820", "(415) 555-2671", "+1 415 555 2671"],
    "ip": ["10.0.0.1", "fe80::1ff:fe23:4567:890a", "2001:db8::1"],
    "uuid": ["8f90f62a-b4c1-4482-94b8-0132c42a6afb"],
    "token": ["sk-abcdefghijklmnopqrstuv", "ghp_abcdefghijklmnopqrstuv", "AKIAIOSFODNN7EXAMPLE"],
    "credit_card": ["4111 1111 1111 1111", "378282246310005"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"],
    "ssn": ["536-90-4399"],
    "mac": ["aa:bb:cc:dd:ee:ff", "00-1B-44-11-3A-B7"],
}
PUBLIC = [
    "4111 1111 1111 1112",
    "DE89 3704 0044 0532 0130 01",
    "000-12-3456",
    "version 1.2.3.4.5",
    "std::vector",
    "2026-11-20 12:30",
    "999.1.1.1",
    "bob at example.com",
    "1234567",
]


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in PRIVATE.items() for v in vs])
def test_each_kind_is_found_where_it_stands(name: str, value: str) -> None:
    text = f"It is {value}, they said ({value})."
    spans = found(text, wanted(Redact(**ALL)))
    assert [(text[start:end], kind) for start, end, kind in spans] == [(value, name)] * 2


@pytest.mark.parametrize("text", PUBLIC)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert found(text, wanted(Redact(**ALL))) == []


def hiding(
    source: dict[str, Any], voice: Voice = NATIVE, **redact: Any
) -> tuple[dict[str, Any], Voice]:
    told = {"model": "m", **source, "gateway": {"redact": redact or ALL}}
    body = Body.parse(msgspec.json.encode(told))
    voice = gateway.applied(body, gateway.taken(body), voice)
    return msgspec.json.decode(body.render()), voice


def test_one_value_has_one_placeholder_and_structure_stays() -> None:
    arguments = json.dumps({"to": "bob@x.com", "name": "al@x.com"})
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}
    source = {
        "instructions": "I am bob@x.com",
        "input": [{"role": "user", "content": "mail al@x.com and bob@x.com"}, item],
        "user": "bob@x.com",
        "metadata": {"name": "al@x.com"},
    }
    sent, _ = hiding(source)
    assert sent["instructions"] == "I am [EMAIL_1]"
    assert sent["input"][0]["content"] == "mail [EMAIL_2] and [EMAIL_1]"
    assert json.loads(sent["input"][1]["arguments"]) == {"to": "[EMAIL_1]", "name": "[EMAIL_2]"}
    assert sent["input"][1]["call_id"] == "c"
    assert (sent["user"], sent["metadata"]) == ("[EMAIL_1]", {"name": "[EMAIL_2]"})


def test_a_growing_conversation_keeps_its_prefix() -> None:
    first = [{"role": "user", "content": "bob@x.com"}]
    more = [*first, {"role": "user", "content": "al@x.com bob@x.com"}]
    one, _ = hiding({"input": first})
    two, _ = hiding({"input": more})
    assert two["input"][:1] == one["input"]


def test_what_looks_like_a_placeholder_is_not_taken_for_one() -> None:
    sent, voice = hiding({"input": "[EMAIL_1] is not bob@x.com"})
    assert sent["input"].startswith("[EMAIL_1] is not [R1-EMAIL_1]")
    answer = whole_answer(sent["input"], {}, IDENTITY)
    told = msgspec.json.decode(voice.whole(msgspec.json.encode(answer)))
    assert told["output_text"] == "[EMAIL_1] is not bob@x.com"


def texts_of(raw: bytes) -> tuple[str, str]:
    """The text by its deltas, and as the last event tells it."""
    events = [msgspec.json.decode(sse.read(frame)[1]) for frame in sse.frames(raw)]
    deltas = "".join(e["delta"] for e in events if e["type"].endswith(".delta"))
    whole = events[-1]["response"]["output"][0]
    numbers = [e["sequence_number"] for e in events if "sequence_number" in e]
    assert numbers == sorted(numbers)
    return deltas, whole.get("arguments") or whole["content"][0]["text"]


def recut(frames: list[bytes], sizes: list[int]) -> list[bytes]:
    """The same stream, its deltas cut anew into pieces of ``sizes`` characters in turn."""
    out, turn = [], 0
    for frame in frames:
        event = msgspec.json.decode(sse.read(frame)[1])
        if not event["type"].endswith(".delta"):
            out.append(frame)
            continue
        rest = event["delta"]
        while rest:
            size = sizes[turn % len(sizes)]
            turn += 1
            out.append(framed({**event, "delta": rest[:size]}))
            rest = rest[size:]
    return out


WORDS = st.sampled_from([*(v for vs in PRIVATE.values() for v in vs), "[", "[E", "EMAIL_1]", " "])
TEXTS = st.lists(WORDS | st.text(max_size=8), max_size=8).map(" ".join)
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@given(TEXTS, SIZES, st.booleans())
def test_restored_is_original_for_any_text_and_any_cutting(
    text: str,
    sizes: list[int],
    runs: bool,  # noqa: FBT001
) -> None:
    sent, voice = hiding({"input": text})
    assert not any(v in sent["input"] for v in ("bob.x+y@", "4111 1111 1111 1111", "sk-abcdef"))
    encoder = voice.encoder()
    frames = recut(streamed(sent["input"] or "x"), sizes)
    raw = encoder.feed(b"".join(frames)) if runs else b"".join(map(encoder.feed, frames))
    assert texts_of(raw) == ((text or "x"),) * 2
    answer = msgspec.json.encode(whole_answer(sent["input"], {}, IDENTITY))
    assert msgspec.json.decode(voice.whole(answer))["output_text"] == text


ODD = st.text(st.sampled_from('"\\\n\té<>&{}'), min_size=1, max_size=6).map(lambda t: f"<<{t}>>")


@given(ODD, SIZES)
def test_arguments_and_structured_output_stay_json(value: str, sizes: list[int]) -> None:
    source = {"input": value, "text": {"format": {"type": "json_object"}}}
    sent, voice = hiding(source, custom=[r"(?s)<<.*>>"])
    payload = json.dumps({"said": sent["input"], "n": [1]})
    for answer in (payload, ToolCall("f", payload)):
        encoder = voice.encoder()
        raw = b"".join(map(encoder.feed, recut(streamed(answer), sizes)))
        assert [json.loads(text)["said"] for text in texts_of(raw)] == [value, value]


@given(TEXTS, SIZES)
def test_a_chat_is_restored_as_well(text: str, sizes: list[int]) -> None:
    sent, voice = hiding({"input": text}, Chatting())
    frames = recut(streamed(sent["input"] or "x"), sizes)
    told = chunks(b"".join(map(voice.encoder().feed, frames)))
    assert joined(told, "content") == (text or "x")


def test_what_waits_is_said_before_a_stream_breaks_off() -> None:
    _, voice = hiding({"input": "bob@x.com"})
    encoder = voice.encoder()
    event = {"type": "response.output_text.delta", "output_index": 0, "delta": "it is [EMA"}
    raw = encoder.feed(framed(event)) + encoder.failed(Problem("cut"), "resp_1", 7)
    events = [msgspec.json.decode(sse.read(frame)[1]) for frame in sse.frames(raw)]
    assert events[0]["delta"] == "it is [EMA"
    assert events[1]["type"] == "response.failed"


def test_streams_that_are_mixed_are_kept_apart() -> None:
    def delta(index: int, text: str) -> dict[str, Any]:
        kind = "response.output_text.delta"
        return {"type": kind, "output_index": index, "content_index": 0, "delta": text}

    _, voice = hiding({"input": "bob@x.com al@x.com"})
    run = framed(delta(0, "a [EM"), delta(1, "b [EMAIL_"), delta(0, "AIL_1]"), delta(1, "2] c"))
    raw = voice.encoder().feed(run)
    events = [msgspec.json.decode(sse.read(frame)[1]) for frame in sse.frames(raw)]
    texts = ["".join(e["delta"] for e in events if e["output_index"] == at) for at in (0, 1)]
    assert texts == ["a bob@x.com", "b al@x.com c"]


def test_other_events_pass_byte_for_byte() -> None:
    _, voice = hiding({"input": "bob@x.com"})
    frame = b'event: response.created\ndata: {"type": "response.created",  "response":{}}\n\n'
    assert voice.encoder().feed(frame + b": ping\n\n") == frame + b": ping\n\n"


def test_a_pattern_that_would_take_for_ever_does_not() -> None:
    sent, _ = hiding({"input": "a" * 20_000 + "!"}, custom=["(a+)+$"])
    assert len(sent["input"]) > 20_000
