"""The simulated upstream by itself: faithful streams, honest limits, seeded faults."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from lb.adapters.simulator import FAULTS, MODELS, Simulator
from lb.core.account import Account, Simulation
from lb.core.json_schema import minimal_instance
from lb.core.response_events import ToolCall
from lb.core.simulated_answers import answer_to
from tests.clients import Answer, asking, client, taken

EXEC = {"type": "custom", "name": "exec", "format": {"type": "grammar"}}
CODEX_TOOLS = {
    "type": "additional_tools",
    "role": "developer",
    "tools": [{"type": "namespace", "name": "functions", "tools": [EXEC]}],
}
ORDER = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]
Asks = Callable[..., Awaitable[Answer]]


def _account(name: str, **behaviour: Any) -> Account:
    quick: dict[str, Any] = {"delay_s": 0.0, "interval_s": 0.0, **behaviour}
    return Account(id=name, kind="simulated", simulation=Simulation(**quick))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    accounts = [
        _account("steady"),
        _account("limited", requests_per_minute=2),
        _account("broken", fail_share=1.0),
    ]
    simulator = Simulator(accounts)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
def asks(simulator: Simulator) -> Asks:
    async def ask(account: str, **fields: Any) -> Answer:
        url = f"{simulator.base_url(account)}/responses"
        async with client() as session, session.post(url, json=asking(**fields)) as response:
            return await taken(response)

    return ask


async def test_a_stream_has_every_event_in_its_order(asks: Asks) -> None:
    answer = await asks("steady", stream=True, text="how are you")
    types = [event["type"] for event in answer.events]
    assert list(dict.fromkeys(types)) == ORDER
    assert [event["sequence_number"] for event in answer.events] == list(range(len(types)))
    assert answer.events[-1]["response"]["usage"]["total_tokens"] > 0
    assert "how are you" in answer.text
    assert "steady" in answer.text


async def test_a_whole_answer_says_the_same(asks: Asks) -> None:
    whole, streamed = await asks("steady"), await asks("steady", stream=True)
    assert whole.text == streamed.text
    assert whole.body["status"] == "completed"


async def test_a_limit_is_told_with_its_time(asks: Asks) -> None:
    first, second, third = [await asks("limited") for _ in range(3)]
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert second.status == 200
    assert third.status == 429
    assert 0 < int(third.headers["retry-after"]) <= 60
    assert third.error["code"] == "rate_limit_exceeded"


async def test_faults_come_in_turn(asks: Asks) -> None:
    seen = []
    for _ in FAULTS[:3]:
        answer = await asks("broken", stream=True)
        seen.append(answer.events[-1]["type"] if answer.events else answer.status)
    assert seen == [503, 500, "response.failed"]
    cut = await asks("broken", stream=True)
    assert cut.broken
    assert [event["type"] for event in cut.events] == ORDER[:2]


async def test_a_new_configuration_is_served_at_once(simulator: Simulator, asks: Asks) -> None:
    simulator.update([_account("steady"), _account("fresh")])
    assert (await asks("fresh")).status == 200
    assert (await asks("limited")).status == 404


async def test_models_are_listed_as_openai_does(simulator: Simulator) -> None:
    url = f"{simulator.base_url('steady')}/models"
    async with client() as session, session.get(url) as response:
        told = await response.json()
    assert [model["id"] for model in told["data"]] == list(MODELS)


@pytest.mark.parametrize("text", ["use the shell", "Run it", "call a tool", "which command?"])
def test_codex_gets_a_script_when_it_asks_for_the_shell(text: str) -> None:
    request = {"input": [CODEX_TOOLS, {"role": "user", "content": text}]}
    call = answer_to(request, "sim")
    assert isinstance(call, ToolCall)
    assert call.custom
    assert "tools.exec_command({cmd: " in call.payload


def test_after_the_output_it_says_what_came_back() -> None:
    history = [
        {"role": "user", "content": [{"type": "input_text", "text": "use the shell"}]},
        {"type": "custom_tool_call", "call_id": "c", "name": "exec", "input": ""},
        {"type": "custom_tool_call_output", "call_id": "c", "output": [{"text": "it rained"}]},
    ]
    said = answer_to({"input": [CODEX_TOOLS, *history]}, "sim")
    assert isinstance(said, str)
    assert "it rained" in said


def test_without_a_word_of_tools_none_is_called() -> None:
    assert isinstance(answer_to({"input": "hello", "tools": [EXEC]}, "sim"), str)
    asked = {"input": "use the shell", "tools": [EXEC], "tool_choice": "none"}
    assert isinstance(answer_to(asked, "sim"), str)


SCHEMAS: list[tuple[Any, Any]] = [
    ({"type": "string", "minLength": 12}, "simulated..."),
    ({"type": "string", "enum": ["red", "blue"]}, "red"),
    ({"type": ["null", "integer"], "minimum": 3}, 3),
    ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [False, False]),
    ({"anyOf": [{"type": "null"}, {"const": 7}]}, 7),
    (
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": "string"}},
            "required": ["a"],
            "$defs": {"A": {"type": "number", "exclusiveMinimum": 1}},
        },
        {"a": 1.5},
    ),
    ({}, "simulated"),
    (None, None),
]


@pytest.mark.parametrize(("schema", "value"), SCHEMAS)
def test_a_schema_has_a_smallest_instance(schema: Any, value: Any) -> None:
    assert minimal_instance(schema) == value


def test_a_schema_that_requires_itself_ends() -> None:
    endless = {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]}
    assert isinstance(minimal_instance(endless), dict)
