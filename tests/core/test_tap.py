"""What is noticed of an answer while its frames go by."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.decoded import usage_of
from lb.core.ledger import Usage
from lb.core.response_events import Identity, ToolCall, answer_events
from lb.core.tap import CIPHER_PREFIX, HELD, TERMINAL, Garbage, Phase, Tap

USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 80},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
}
TOKENS = Usage(100, 80, 20, 5)
FORMS = ["named", "data only"]


def frame(form: str, kind: str, **fields: Any) -> bytes:
    """An event as a frame: with an ``event:`` line, or with its type in the data alone."""
    data = json.dumps({"type": kind, **fields}, separators=(",", ":")).encode()
    return (f"event: {kind}\n".encode() if form == "named" else b"") + b"data: " + data + b"\n\n"


def answer(form: str, said: str | ToolCall = "one two three four five") -> list[bytes]:
    """The frames of a whole answer."""
    told = answer_events(said, {"model": "gpt-5.5"}, Identity("1", 0))
    return [frame(form, **{("kind" if k == "type" else k): v for k, v in e.items()}) for e in told]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", sorted(HELD))
def test_what_has_no_content_is_held(kind: str, form: str) -> None:
    tap = Tap()
    assert tap.look(frame(form, kind))
    assert tap.phase is Phase.HELD


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "kind",
    [
        "response.output_text.delta",
        "response.reasoning_summary_text.delta",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.output_item.done",
        "response.something_new",
    ],
)
def test_what_a_client_would_miss_is_content(kind: str, form: str) -> None:
    tap = Tap()
    tap.look(frame(form, kind))
    assert tap.phase is Phase.CONTENT


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("begun", [True, False], ids=["after content", "before content"])
@pytest.mark.parametrize("kind", sorted(TERMINAL))
def test_a_terminal_event_ends_the_answer(*, kind: str, begun: bool, form: str) -> None:
    tap = Tap()
    if begun:
        tap.look(frame(form, "response.output_text.delta", delta="x"))
    last = frame(form, kind, response={"id": "resp_1", "usage": USAGE})
    assert tap.look(last) == last
    assert (tap.phase, tap.outcome) == (Phase.ENDED, TERMINAL[kind])
    assert bool(tap.failure) == (TERMINAL[kind] == "failed")
    assert (tap.response_id, tap.usage) == ("resp_1", TOKENS)


@pytest.mark.parametrize("form", FORMS)
def test_what_comes_after_the_end_is_dropped(form: str) -> None:
    frames = answer(form)
    run = b"".join(frames)
    tap = Tap()
    assert tap.look(run + frames[5] + frames[-1] + b"data: [DONE]\n\n") == run
    assert tap.look(frames[5]) == b""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("said", ["one two three", ToolCall("f", '{"a": 1}')], ids=["text", "call"])
@given(data=st.data())
def test_however_the_frames_are_joined_the_same_is_noticed(
    data: st.DataObject, said: str | ToolCall, form: str
) -> None:
    frames = answer(form, said)
    tap, seen, start = Tap(), b"", 0
    while start < len(frames):
        end = data.draw(st.integers(start + 1, len(frames)))
        seen += tap.look(b"".join(frames[start:end]))
        start = end
    assert seen == b"".join(frames)
    assert (tap.phase, tap.outcome, tap.failure) == (Phase.ENDED, "completed", b"")
    assert (tap.response_id, tap.model) == ("resp_1", "gpt-5.5")
    item = "fc_1" if isinstance(said, ToolCall) else "msg_1"
    assert tap.owned == ["resp:resp_1", f"item:{item}"]
    assert tap.usage is not None
    assert tap.next_sequence_number() == len(frames)


@pytest.mark.parametrize("form", FORMS)
def test_the_account_owns_what_its_answer_mints(form: str) -> None:
    cipher = "g" * 300
    tap = Tap()
    tap.look(
        frame(form, "response.created", response={"id": "resp_1"})
        + frame(form, "response.output_item.added", item={"id": "rs_0", "encrypted_content": "no"})
        + frame(form, "response.output_item.done", item={"id": "rs_1", "encrypted_content": cipher})
        + frame(form, "response.completed", response={"id": "resp_2"})
    )
    assert tap.owned == ["resp:resp_1", "item:rs_1", "enc:" + cipher[:CIPHER_PREFIX]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("begun", [True, False])
def test_readings_of_usage_windows_are_kept_for_the_pool(*, begun: bool, form: str) -> None:
    tap = Tap()
    if begun:
        tap.look(frame(form, "response.output_text.delta", delta="x"))
    phase = tap.phase
    tap.look(frame(form, "codex.rate_limits", rate_limits={"primary": {"used_percent": 4}}))
    assert [json.loads(r)["rate_limits"] for r in tap.readings] == [
        {"primary": {"used_percent": 4}}
    ]
    assert tap.phase is phase


@pytest.mark.parametrize("noise", [b": hello\n\n", b"\n\n", b"id: 4\n\n", b"data: [DONE]\n\n"])
def test_comments_and_marks_are_neither_content_nor_garbage(noise: bytes) -> None:
    tap = Tap()
    assert tap.look(noise) == noise
    assert tap.phase is Phase.HELD


@pytest.mark.parametrize("data", [b"{oops", b"<html>", b'{"type":"response.created"', b"\xff\xfe"])
def test_what_is_no_json_before_content_is_garbage(data: bytes) -> None:
    with pytest.raises(Garbage):
        Tap().look(b"event: response.created\ndata: " + data + b"\n\n")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "odd", [{"id": 5}, "resp", {"model": []}, {"usage": {"input_tokens": "x"}}]
)
def test_an_event_of_an_unknown_shape_keeps_its_meaning(odd: Any, form: str) -> None:
    tap = Tap()
    tap.look(frame(form, "response.created", response=odd))
    assert tap.phase is Phase.HELD
    tap.look(frame(form, "response.output_text.delta", delta="x"))
    tap.look(frame(form, "response.completed", response=odd))
    assert (tap.phase, tap.outcome) == (Phase.ENDED, "completed")
    assert tap.usage is None or tap.usage.input_tokens is None


@pytest.mark.parametrize(
    ("numbers", "following"), [([], 0), ([0], 1), ([0, 1, 7], 8), ([None, 3], 4)]
)
@pytest.mark.parametrize("form", FORMS)
def test_the_next_event_would_carry_the_next_number(
    numbers: list[int | None], following: int, form: str
) -> None:
    tap = Tap()
    for number in numbers:
        told = {} if number is None else {"sequence_number": number}
        tap.look(frame(form, "response.output_text.delta", delta="x", **told))
    assert tap.next_sequence_number() == following


WHOLE = {
    "id": "resp_1",
    "status": "completed",
    "model": "m",
    "usage": USAGE,
    "output": [{"id": "msg_1"}, {"id": "rs_1", "encrypted_content": "g" * 200}],
}


def test_a_whole_answer_tells_the_same() -> None:
    tap = Tap()
    tap.whole(json.dumps(WHOLE).encode())
    assert (tap.phase, tap.outcome, tap.usage, tap.model) == (
        Phase.ENDED,
        "completed",
        TOKENS,
        "m",
    )
    assert tap.owned == ["resp:resp_1", "item:msg_1", "item:rs_1", "enc:" + "g" * CIPHER_PREFIX]


def test_a_whole_answer_that_failed_reads_like_its_event() -> None:
    tap = Tap()
    tap.whole(json.dumps({**WHOLE, "status": "failed", "error": {"code": "x"}}).encode())
    assert json.loads(tap.failure)["response"]["error"] == {"code": "x"}
    assert json.loads(tap.failure)["type"] == "response.failed"


@pytest.mark.parametrize("noise", [b"", b"{}", b"[]", b"5", b"<html>", b'{"id":5}', b"[" * 10_000])
def test_a_whole_answer_that_is_no_response_is_garbage(noise: bytes) -> None:
    with pytest.raises(Garbage):
        Tap().whole(noise)


@pytest.mark.parametrize(
    ("told", "spent"),
    [
        (USAGE, TOKENS),
        ({"prompt_tokens": 3, "completion_tokens": 4}, Usage(3, None, 4, None)),
        ({"input_tokens": 3}, Usage(3, None, None, None)),
        (None, None),
        ([], None),
        ({"input_tokens": "3"}, None),
    ],
)
def test_usage_is_read_in_either_api_s_words(told: Any, spent: Usage | None) -> None:
    assert usage_of(json.dumps(told).encode()) == spent


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_no_frames_at_all_can_break_the_tap(pieces: list[bytes]) -> None:
    tap = Tap()
    for piece in pieces:
        run = b"data: " + piece + b"\n\n"
        try:
            assert run.startswith(tap.look(run))
        except Garbage:
            return
