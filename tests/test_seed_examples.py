"""Each gateway's own examples, unchanged but for host and key."""

import asyncio
import copy
import json
from typing import Any

import aiohttp
import pytest
from openai import OpenAI

from tests.clients import ENVELOPE, ask, pool, taken
from tests.conftest import Proxy, Served
from tests.scripted import Upstream
from tests.seed_examples import A4F, CODEX_LB, LLM_ROUTER, LLMTR, TEMPLATE


@pytest.fixture
async def server(proxy: Proxy, upstream: Upstream) -> Served:
    return await proxy(
        f'[[accounts]]\nid = "a"\nkind = "openai"\nbase_url = "{upstream.url}"\napi_key = "a"\n'
        'labels = ["provider-5", "zdr"]\nsupports = ["conversation"]\n'
    )


@pytest.mark.parametrize("name", LLMTR)
async def test_llmtr(name: str, server: Served, upstream: Upstream) -> None:
    sent = LLMTR[name]
    answer = await ask(server.url, sent)
    body = upstream.seen[0].body
    assert answer.status == 200
    assert answer.body["status"] == "completed"
    assert answer.body["output"][0]["content"][0]["type"] == "output_text"
    assert {"cached_tokens"} <= set(answer.body["usage"]["input_tokens_details"])
    assert {"reasoning_tokens"} <= set(answer.body["usage"]["output_tokens_details"])
    assert body["model"] == sent["model"].removeprefix("openai/").partition(":")[0]
    assert body["input"][0]["content"][0]["text"] == sent["messages"][0]["content"]
    assert "messages" not in body
    efforts = {":high": "high", ":max": "xhigh"}
    suffix = sent["model"][sent["model"].find(":") :]
    assert body["reasoning"]["effort"] == efforts.get(
        suffix, sent.get("reasoning", {}).get("effort")
    )


async def test_llmtr_s_python(server: Served, upstream: Upstream) -> None:
    def example() -> str:
        client = OpenAI(
            base_url=f"{server.url}/v1",
            api_key="sk_your_key",
        )

        response = client.responses.create(
            model="openai/gpt-5.1-codex",
            input="Refactor: make this function pure",
            reasoning={"effort": "high"},
        )
        return response.output_text

    assert await asyncio.to_thread(example)
    assert upstream.seen[0].body["reasoning"] == {"effort": "high"}


@pytest.mark.parametrize("name", CODEX_LB)
async def test_codex_lb(name: str, server: Served, upstream: Upstream) -> None:
    sent = CODEX_LB[name]
    answer = await ask(server.url, sent)
    assert answer.status == 200
    assert answer.text or answer.events
    body = upstream.seen[0].body
    for field in set(sent) - {"messages", "stream"}:
        assert body[field] == sent[field]
    if name == "messages":
        assert body["instructions"] == "You are a math tutor."
    if answer.events:
        assert answer.events[-1]["type"] == "response.completed"


async def test_codex_lb_s_form_says_everything_twice_and_is_a_400(server: Served) -> None:
    answer = await ask(server.url, TEMPLATE)
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")


async def test_llm_router(server: Served, upstream: Upstream) -> None:
    """Unchanged it wants an account called ``<string>``; with a name in its place it is served."""
    answer = await ask(server.url, LLM_ROUTER)
    assert (answer.status, answer.error["code"]) == (503, "no_accounts")
    assert "gateway.only" in answer.error["message"]
    named: Any = copy.deepcopy(LLM_ROUTER)
    named["gateway"] |= {"only": ["provider-5"], "order": ["a"]}
    answer = await ask(server.url, named)
    assert answer.status == 200
    assert isinstance(answer.body["output_text"], str)
    assert "gateway" not in upstream.seen[0].body


async def test_a4f(server: Served, upstream: Upstream) -> None:
    answer = await ask(server.url, A4F)
    assert answer.status == 200
    body = upstream.seen[0].body
    assert body["model"] == "gpt-5-codex"
    assert body["max_output_tokens"] == 1024
    assert "max_tokens" not in body
    assert json.dumps(body["input"]) == json.dumps(A4F["input"])


KEYED = '[[keys]]\nname = "k"\nkey = "client-key-of-the-test"\n'
MISTAKES: dict[str, tuple[bytes, str, int, str]] = {
    "no key": (b'{"model":"m","input":"hi"}', "", 401, "auth_error"),
    "a wrong key": (b'{"model":"m","input":"hi"}', "Bearer sk_wrong", 401, "auth_error"),
    "malformed": (b'{"model":', "Bearer client-key-of-the-test", 400, "invalid_request_error"),
    "no model": (b'{"input":"hi"}', "Bearer client-key-of-the-test", 400, "invalid_request_error"),
    "no input": (b'{"model":"m"}', "Bearer client-key-of-the-test", 400, "invalid_request_error"),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_the_seeds_own_errors(name: str, proxy: Proxy, upstream: Upstream) -> None:
    body, key, status, kind = MISTAKES[name]
    server = await proxy(pool({"a": upstream.url}) + KEYED)
    headers = {"Content-Type": "application/json", **({"Authorization": key} if key else {})}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/v1/responses", data=body) as response,
    ):
        answer = await taken(response)
    assert (answer.status, answer.error["type"]) == (status, kind)
    assert set(answer.error) >= ENVELOPE
    assert not upstream.seen
