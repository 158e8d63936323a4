"""The real ``openai`` SDK and LangChain against ``/v1/chat/completions``."""

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests import faulty_plays
from tests.clients import MODEL, pool
from tests.conftest import Proxy, Served
from tests.plays import saying
from tests.scripted import Upstream
from tests.test_openai_sdk import SIMULATED

HI: list[Any] = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "strict": True, "parameters": PARAMETERS},
}
TOOL: list[Any] = [{"role": "user", "content": "use the weather tool"}]


class Step(BaseModel):
    explanation: str
    output: int | None


def client_of(server: Served, **options: Any) -> AsyncOpenAI:
    options = {"api_key": "any", "max_retries": 0, "timeout": 20.0, **options}
    return AsyncOpenAI(base_url=f"{server.url}/v1", **options)


@pytest.fixture
async def simulated(proxy: Proxy) -> Served:
    return await proxy(SIMULATED)


@pytest.fixture
async def pair(proxy: Proxy, upstream: Upstream) -> Served:
    urls = {"first": upstream.url, "second": upstream.url}
    return await proxy(pool(urls, in_order=True))


async def test_a_whole_completion(simulated: Served) -> None:
    async with client_of(simulated) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=HI)
    (choice,) = answer.choices
    assert "hello" in (choice.message.content or "")
    assert choice.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert answer._request_id


async def test_a_streamed_completion(simulated: Served) -> None:
    options: Any = {"include_usage": True}
    async with client_of(simulated) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=HI, stream=True, stream_options=options
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "hello" in text
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_stream_helper_and_a_schema(simulated: Served) -> None:
    async with (
        client_of(simulated) as client,
        client.chat.completions.stream(model=MODEL, messages=HI, response_format=Step) as stream,
    ):
        final = await stream.get_final_completion()
    assert final.choices[0].message.parsed == Step(explanation="", output=0) or isinstance(
        final.choices[0].message.parsed, Step
    )


async def test_parse_and_a_schema(simulated: Served) -> None:
    async with client_of(simulated) as client:
        answer = await client.chat.completions.parse(model=MODEL, messages=HI, response_format=Step)
    assert isinstance(answer.choices[0].message.parsed, Step)


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
async def test_a_tool_call_and_its_output(simulated: Served, *, streamed: bool) -> None:
    async with client_of(simulated) as client:
        if streamed:
            opened = client.chat.completions.stream(model=MODEL, messages=TOOL, tools=[WEATHER])
            async with opened as stream:
                message: Any = (await stream.get_final_completion()).choices[0].message
        else:
            answer = await client.chat.completions.create(
                model=MODEL, messages=TOOL, tools=[WEATHER]
            )
            message = answer.choices[0].message
        (call,) = message.tool_calls
        assert call.function.arguments == '{"city":"simulated","days":0}'
        history = [
            *TOOL,
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": "weather", "arguments": call.function.arguments},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "rain"},
        ]
        final = await client.chat.completions.create(model=MODEL, messages=history, tools=[WEATHER])
    assert "rain" in (final.choices[0].message.content or "")


async def test_another_account_answers_unseen(pair: Served, upstream: Upstream) -> None:
    upstream.queue("first", faulty_plays.failed_first("server_error"))
    async with client_of(pair) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=HI, stream=True)
        chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.startswith("Hello from second")
    assert upstream.asked() == ["first", "second"]
    assert upstream.seen[0].body["instructions"] == "be kind"


async def test_a_stream_cut_after_content_is_an_error(pair: Served, upstream: Upstream) -> None:
    upstream.queue("first", faulty_plays.cut_after(6))
    async with client_of(pair, max_retries=2) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=HI, stream=True)
        with pytest.raises(openai.APIError) as caught:
            [chunk async for chunk in stream]
    assert caught.value.code == "upstream_interrupted"
    assert upstream.asked() == ["first"]


async def test_a_stream_that_starts_late_still_tells_its_error(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.plays["first"] = faulty_plays.idle_after(2)
    toml = pool(
        {"first": upstream.url},
        timeouts="{ connect_s = 2, head_s = 10, idle_s = 0.4, answer_s = 20 }",
        extra="keepalive_s = 0.1\n",
    )
    async with client_of(await proxy(toml)) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=HI, stream=True)
        with pytest.raises(openai.APIError):
            [chunk async for chunk in stream]


async def test_errors_before_the_answer_are_of_the_class_the_sdk_knows(
    pair: Served, upstream: Upstream
) -> None:
    upstream.choose = lambda _: faulty_plays.usage_limit
    async with client_of(pair) as client:
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(model=MODEL, messages=HI)
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model=MODEL, messages=HI, n=2)
    assert caught.value.param == "n"


async def test_a_stop_ends_the_answer(pair: Served, upstream: Upstream) -> None:
    upstream.plays["first"] = saying("one two STOP three")
    async with client_of(pair) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=HI, stop=["STOP"])
    assert answer.choices[0].message.content == "one two "
    assert "stop" not in upstream.seen[0].body


@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
async def test_langchain(simulated: Served, *, responses: bool) -> None:
    langchain = pytest.importorskip("langchain_openai", reason="pip install '.[sdk]'")
    model = langchain.ChatOpenAI(
        model=MODEL,
        base_url=f"{simulated.url}/v1",
        api_key="any",
        max_retries=0,
        use_responses_api=responses,
    )
    whole = await model.ainvoke("hello")
    assert "hello" in str(whole.content)
    assert whole.usage_metadata["total_tokens"] > 0
    pieces = [piece async for piece in model.astream("hello")]
    assert len(pieces) > 2
    calling = await model.bind_tools([WEATHER]).ainvoke("use the weather tool")
    assert calling.tool_calls[0]["args"] == {"city": "simulated", "days": 0}
    structured = await model.with_structured_output(Step).ainvoke("hello")
    assert isinstance(structured, Step)
