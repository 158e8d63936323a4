"""The real ``openai`` SDK against the proxy: nothing in it may notice that it is not OpenAI."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import ResponseFunctionToolCall
from pydantic import BaseModel

from tests import faulty_plays
from tests.clients import MODEL, pool, until
from tests.conftest import Proxy, Served
from tests.plays import saying
from tests.scripted import Upstream

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}
SIMULATED = """
[[accounts]]
id = "sim"
kind = "simulated"
simulation = { delay_s = 0.0, interval_s = 0.0 }
"""


class Step(BaseModel):
    explanation: str
    output: int | None


class Proof(BaseModel):
    steps: list[Step]
    final: bool


def _client(server: Served, **options: Any) -> AsyncOpenAI:
    options = {"api_key": "not-needed", "max_retries": 0, "timeout": 20.0, **options}
    return AsyncOpenAI(base_url=f"{server.url}/v1", **options)


@pytest.fixture
async def simulated(proxy: Proxy) -> Served:
    return await proxy(SIMULATED)


@pytest.fixture
async def pair(proxy: Proxy, upstream: Upstream) -> Served:
    """A proxy over two accounts, asked in order: "first" and "second"."""
    urls = {"first": upstream.url, "second": upstream.url}
    return await proxy(pool(urls, in_order=True))


async def test_a_whole_answer(simulated: Served) -> None:
    async with _client(simulated) as client:
        answer = await client.responses.create(model=MODEL, input="Good morning")
    assert "Good morning" in answer.output_text
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert answer._request_id


async def test_the_sync_client_in_a_thread(simulated: Served) -> None:
    def talk() -> tuple[str, str]:
        with OpenAI(base_url=f"{simulated.url}/v1", api_key="any", max_retries=0) as client:
            whole = client.responses.create(model=MODEL, input="one")
            events = client.responses.create(model=MODEL, input="one", stream=True)
            deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
            return whole.output_text, "".join(deltas)

    whole, streamed = await asyncio.to_thread(talk)
    assert "one" in whole
    assert streamed == whole


async def test_the_stream_helper(simulated: Served) -> None:
    async with (
        _client(simulated) as client,
        client.responses.stream(model=MODEL, input="Good night") as stream,
    ):
        deltas = [e.delta async for e in stream if e.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert len(deltas) > 1
    assert "".join(deltas) == final.output_text
    assert "Good night" in final.output_text


async def test_the_stream_helper_when_the_first_account_fails(
    pair: Served, upstream: Upstream
) -> None:
    upstream.queue("first", faulty_plays.failed_first("server_error"))
    async with (
        _client(pair) as client,
        client.responses.stream(model=MODEL, input="hello") as stream,
    ):
        final = await stream.get_final_response()
    assert final.output_text.startswith("Hello from second")
    assert upstream.asked() == ["first", "second"]


async def test_structured_output(simulated: Served) -> None:
    async with _client(simulated) as client:
        answer = await client.responses.parse(model=MODEL, input="prove it", text_format=Proof)
    assert answer.output_parsed == Proof(steps=[], final=False)


async def test_structured_output_streamed(simulated: Served) -> None:
    async with (
        _client(simulated) as client,
        client.responses.stream(model=MODEL, input="prove it", text_format=Proof) as stream,
    ):
        final = await stream.get_final_response()
    assert isinstance(final.output_parsed, Proof)


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
async def test_a_tool_call_and_its_output(simulated: Served, *, streamed: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "use the weather tool"}]
    async with _client(simulated) as client:
        if streamed:
            opened = client.responses.stream(model=MODEL, input=asked, tools=[WEATHER])
            async with opened as stream:
                output: list[Any] = list((await stream.get_final_response()).output)
        else:
            answer = await client.responses.create(model=MODEL, input=asked, tools=[WEATHER])
            output = list(answer.output)
        (call,) = output
        assert isinstance(call, ResponseFunctionToolCall)
        assert call.arguments == '{"city":"simulated","days":0}'
        told = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        history = [*asked, call.model_dump(exclude={"parsed_arguments"}, exclude_none=True), told]
        final = await client.responses.create(model=MODEL, input=history, tools=[WEATHER])
    assert "rain" in final.output_text


async def test_a_history_sent_back_as_it_came(pair: Served, upstream: Upstream) -> None:
    """What ``input += response.output`` sends must reach upstream unharmed."""
    async with _client(pair) as client:
        first = await client.responses.create(model=MODEL, input="hello")
        history: list[Any] = [{"role": "user", "content": "hello"}, *first.output]
        history.append({"role": "user", "content": "and again"})
        await client.responses.create(model=MODEL, input=history)
    sent = upstream.seen[-1].body["input"]
    assert sent[1]["id"] == first.output[0].id
    assert upstream.asked() == ["first", "first"]


async def test_models_can_be_listed(pair: Served) -> None:
    async with _client(pair) as client:
        names = {model.id async for model in client.models.list()}
        one = await client.models.retrieve(MODEL)
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("no-such-model")
    assert MODEL in names
    assert one.id == MODEL


ERRORS = {
    "429 usage_limit_reached": (faulty_plays.usage_limit, openai.RateLimitError),
    "503": (faulty_plays.error(503, "server_error"), openai.InternalServerError),
    "401": (faulty_plays.error(401, "invalid_api_key"), openai.InternalServerError),
    "400": (
        faulty_plays.error(400, "invalid_value", "invalid_request_error", param="input"),
        openai.BadRequestError,
    ),
    "422": (
        faulty_plays.error(422, "unprocessable", "invalid_request_error"),
        openai.UnprocessableEntityError,
    ),
}


@pytest.mark.parametrize("name", ERRORS)
async def test_errors_are_of_the_class_the_sdk_knows(
    name: str, pair: Served, upstream: Upstream
) -> None:
    play, kind = ERRORS[name]
    upstream.choose = lambda _: play
    async with _client(pair) as client:
        with pytest.raises(kind) as caught:
            await client.responses.create(model=MODEL, input="hello")
    assert isinstance(caught.value, openai.APIStatusError)
    assert caught.value.type
    assert caught.value.request_id
    assert caught.value.message


async def test_a_wrong_request_names_its_field(pair: Served, upstream: Upstream) -> None:
    wrong: Any = {"messages": [{"role": "user", "content": "hello"}]}
    async with _client(pair) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(model=MODEL, input="hello", extra_body=wrong)
    assert caught.value.param in {"messages", "input"}
    assert not upstream.seen


async def test_a_stream_cut_after_content_ends_in_words_and_is_not_repeated(
    pair: Served, upstream: Upstream
) -> None:
    upstream.queue("first", faulty_plays.cut_after(6))
    async with _client(pair, max_retries=2) as client:
        stream = await client.responses.create(model=MODEL, input="hello", stream=True)
        types = [event.type async for event in stream]
    assert types[-1] == "response.failed"
    assert upstream.asked() == ["first"]


async def test_a_client_that_leaves_cancels_upstream(pair: Served, upstream: Upstream) -> None:
    upstream.plays["first"] = saying("word " * 400, interval_s=0.01)
    async with _client(pair) as client:
        stream = await client.responses.create(model=MODEL, input="hello", stream=True)
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        await stream.close()
    await until(lambda: upstream.cancelled)
    assert upstream.seen[0].deltas < 40
