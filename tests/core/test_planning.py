"""Planning: which questions are hard, what the planner is asked, what the executor gets."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lb.core.body import Body
from lb.core.formats.responses import NATIVE
from lb.core.gateway.planning import Planned, complexity, question_for_planner, roles_of, with_plan
from lb.core.gateway.redact import Vault
from lb.core.gateway.restore import Restored
from tests.core.chats import framed, streamed


def body_of(text: Any, **fields: Any) -> Body:
    return Body.parse(msgspec.json.encode({"model": "a:planning:b", "input": text, **fields}))


def test_a_longer_question_with_more_steps_is_harder() -> None:
    easy, harder = body_of("Hello"), body_of("First design it, then implement it, then compare.")
    assert complexity(easy) < 0.1
    assert complexity(harder) > 0.6
    assert complexity(body_of("word " * 400)) > 0.9


@given(st.text(max_size=200))
def test_how_hard_is_a_share_and_never_changes(text: str) -> None:
    assert 0.0 <= complexity(body_of(text)) < 1.0 or len(text) > 100
    assert complexity(body_of(text)) == complexity(body_of(text))


def test_the_planner_gets_the_conversation_and_no_tools() -> None:
    body = body_of("hi", instructions="Be kind.", tools=[{"type": "web_search"}], stream=True)
    asked = question_for_planner(body, "b")
    assert asked.get("instructions").endswith("Be kind.")
    assert asked.names() == ("model", "input", "store", "instructions")


def test_the_executor_gets_the_plan_behind_its_instructions() -> None:
    body = body_of("hi")
    with_plan(body, "1. Think.")
    assert body.get("instructions") == "Follow this plan:\n1. Think."
    assert body.changed == ("gateway.planning",)


def test_a_plain_model_has_no_roles() -> None:
    assert roles_of(Body.parse(b'{"model":"gpt-5.5:high"}')) is None


def test_only_the_last_event_is_written_anew() -> None:
    encoder = Planned({"cost": 1}, Restored(Vault(()), Planned({"cost": 2}, NATIVE))).encoder()
    *frames, last = streamed("a b")
    assert encoder.feed(b"".join(frames)) == b"".join(frames)
    told = msgspec.json.decode(encoder.feed(last).partition(b"data: ")[2])
    assert told["response"]["usage"]["planning_usage_details"] == {"cost": 2}
    odd = framed({"type": "response.output_text.delta", "delta": "response.completed"})
    assert encoder.feed(odd) == odd
