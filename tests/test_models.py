"""Models at the door: prefixes pick accounts, errors have the seeds' names."""

from typing import Any

import aiohttp
import pytest

from tests import faulty_plays
from tests.clients import Answer, ask, asking, pool, taken
from tests.conftest import Proxy
from tests.plays import plain
from tests.scripted import Upstream

MODELS = """
[models."gpt-5.5"]
aliases = ["fast"]
[models.old]
retired = "gpt-5.5"
"""
KEYED = '[[keys]]\nname = "k"\nkey = "client-key-of-the-test"\nmodels = ["gpt-5.5"]\n'


async def chat(url: str, body: dict[str, Any], **headers: str) -> Answer:
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/v1/chat/completions", json=body) as response,
    ):
        return await taken(response)


def labelled(upstream: Upstream, **labels: str) -> str:
    """Two accounts in order, "first" and "second", with labels."""
    parts = [
        f'[[accounts]]\nid = "{name}"\nkind = "openai"\nbase_url = "{upstream.url}"\n'
        f'api_key = "{name}"\npriority = {at}\nlabels = ["{labels[name]}"]\n'
        for at, name in enumerate(labels)
    ]
    return "\n".join(parts) + MODELS


@pytest.mark.parametrize(
    ("model", "account"),
    [
        ("gpt-5.1-codex", "first"),
        ("second/gpt-5.1-codex", "second"),
        ("provider-5/gpt-5.1-codex:high", "second"),
        ("openai/gpt-5.1-codex:high", "first"),
        ("provider-1/gpt-5.1-codex", "first"),
    ],
)
async def test_a_prefix_picks_accounts(
    model: str, account: str, proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(labelled(upstream, first="provider-1", second="provider-5"))
    answer = await ask(server.url, asking(model=model))
    assert answer.status == 200
    assert upstream.asked() == [account]
    sent = upstream.seen[0].body
    assert sent["model"] == "gpt-5.1-codex"
    assert sent.get("reasoning") == ({"effort": "high"} if ":" in model else None)


async def test_no_other_account_is_asked_when_the_one_named_fails(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(labelled(upstream, first="a", second="b"))
    upstream.plays["second"] = faulty_plays.usage_limit
    answer = await ask(server.url, asking(model="second/gpt-5.5"))
    assert (answer.status, answer.error["code"]) == (429, "usage_limit_reached")
    assert upstream.asked() == ["second"]


async def test_an_alias_is_told_in_the_header(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(labelled(upstream, first="a"))
    answer = await ask(server.url, asking(model="fast"))
    assert upstream.seen[0].body["model"] == "gpt-5.5"
    assert answer.headers["x-lb-changed"] == "model"


async def test_errors_about_models_name_themselves(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(labelled(upstream, first="a"))
    retired = await ask(server.url, asking(model="old"))
    assert (retired.status, retired.error["code"]) == (410, "model_retired")
    turbo = await ask(server.url, asking(model="gpt-5.5:turbo"))
    assert (turbo.status, turbo.error["type"]) == (400, "invalid_request_error")
    lacks = await ask(server.url, asking(model="gpt-5.1-codex:max"))
    assert (lacks.status, lacks.error["type"]) == (400, "unsupported_capability")
    message = {"messages": [{"role": "user", "content": "hi"}]}
    other = await chat(server.url, {"model": "openai/gpt-5-codex", **message})
    assert (other.status, other.error["type"]) == (400, "endpoint_mismatch")
    assert other.error["details"]["suggested"] == "/v1/responses"
    assert not upstream.seen


async def test_a_key_s_models_are_the_models_whatever_they_are_called(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(labelled(upstream, first="a") + KEYED)
    headers = {"Authorization": "Bearer client-key-of-the-test"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for model in ("fast", "openai/gpt-5.5:high", "gpt-5.5"):
            assert (await ask(server.url, asking(model=model), session)).status == 200
        for model in ("gpt-5.1-codex", "openai/gpt-4.1"):
            answer = await ask(server.url, asking(model=model), session)
            assert (answer.status, answer.error["code"]) == (403, "model_not_allowed")


async def test_a_model_nobody_has_is_a_404(proxy: Proxy, upstream: Upstream) -> None:
    toml = labelled(upstream, first="a").replace(
        "[[accounts]]", '[[accounts]]\nmodels = ["gpt-5*"]'
    )
    server = await proxy(toml)
    answer = await ask(server.url, asking(model="claude"))
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("status", [404, 405], ids=str)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_upstream_without_responses_is_a_501_when_it_is_the_only_one(
    proxy: Proxy, upstream: Upstream, *, status: int, stream: bool
) -> None:
    server = await proxy(pool({"first": upstream.url, "second": upstream.url}, in_order=True))
    upstream.plays["first"] = plain(status, {"detail": "Not Found"})
    assert (await ask(server.url, asking(stream=stream))).status == 200
    upstream.plays["second"] = plain(status, {"detail": "Not Found"})
    answer = await ask(server.url, asking(stream=stream))
    assert (answer.status, answer.error["code"]) == (501, "not_implemented")
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("dialect", "status", "name"),
    [("openai", 502, "upstream_error"), ("llmtr", 502, "provider_error")],
)
async def test_an_upstream_s_own_failure_has_the_dialect_s_name(
    dialect: str, status: int, name: str, proxy: Proxy, upstream: Upstream
) -> None:
    extra = f'error_dialect = "{dialect}"\n'
    server = await proxy(pool({"first": upstream.url}, extra=extra))
    upstream.plays["first"] = faulty_plays.html(200)
    answer = await ask(server.url, asking())
    assert (answer.status, answer.error["type"]) == (status, name)


async def test_chat_names_for_fields_work_on_responses(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"first": upstream.url}))
    form = {"name": "n", "schema": {"type": "object"}, "strict": True}
    told: dict[str, Any] = {
        "response_format": {"type": "json_schema", "json_schema": form},
        "max_tokens": 9,
    }
    answer = await ask(server.url, asking(**told, reasoning_effort="low", verbosity="high"))
    sent = upstream.seen[0].body
    assert answer.status == 200
    assert sent["text"] == {"verbosity": "high", "format": {"type": "json_schema", **form}}
    assert sent["max_output_tokens"] == 9
    assert sent["reasoning"] == {"effort": "low"}
    assert not set(told) & set(sent)
    assert set(answer.headers["x-lb-changed"].split(",")) >= set(told)


async def test_output_text_is_there_for_clients_without_an_sdk(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"first": upstream.url}))
    answer = await ask(server.url, asking())
    assert answer.body["output_text"] == answer.text
