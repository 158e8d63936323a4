"""The chat door meets what every door does: limits, the ledger, other clients, a restart."""

import asyncio
from typing import Any

import pytest

from lb.core.ledger import Admitted, Settled
from lb.web.admitting import shutting_down
from tests.clients import Answer, client, pool, until
from tests.conftest import Proxy, Served
from tests.plays import End, Pause, healthy, saying
from tests.scripted import Upstream
from tests.tenants import call, key_of, keys
from tests.test_asides import facts_of

SAID = [{"role": "user", "content": "hello"}]


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-5.5", "messages": SAID, **fields}


async def ask(server: Served, body: dict[str, Any], key: str = "") -> Answer:
    return await call(server.url, "POST", "/v1/chat/completions", body, key=key)


async def said(server: Served, body: dict[str, Any], key: str = "") -> bytes:
    """All the bytes of a stream."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"{server.url}/v1/chat/completions"
    async with client() as session, session.post(url, json=body, headers=headers) as response:
        return await response.read()


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_chat_counts_within_the_limits_and_has_its_row(
    proxy: Proxy, upstream: Upstream, *, stream: bool
) -> None:
    server = await proxy(pool({"a": upstream.url}) + keys(alice="rpm = 1\ntpm = 100000"))
    facts, key = facts_of(server), key_of("alice")
    if stream:
        assert (await said(server, chat(stream=True), key)).endswith(b"data: [DONE]\n\n")
    else:
        answer = await ask(server, chat(), key)
        assert answer.headers["x-ratelimit-remaining-minute"] == "0"
    refused = await ask(server, chat(stream=stream), key)
    assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) > 0
    (admitted,) = (fact for fact in facts if isinstance(fact, Admitted))
    (settled,) = (fact for fact in facts if isinstance(fact, Settled))
    assert (admitted.key, admitted.model, admitted.stream) == ("alice", "gpt-5.5", stream)
    assert settled.outcome == "completed"
    assert settled.tokens.source == "upstream"
    meter = server.gateway.keys.limits.of("alice")
    assert (meter.in_flight, meter.held_tokens) == (0, 0)


async def test_a_chat_without_money_is_a_402(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"a": upstream.url}) + keys(alice="balance = 0"))
    answer = await ask(server, chat(), key_of("alice"))
    assert (answer.status, answer.error["code"]) == (402, "insufficient_balance")
    assert not upstream.seen


async def test_clients_that_chat_have_caches_of_their_own(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"a": upstream.url}) + keys(alice="", bob=""))
    for name in ("alice", "bob"):
        await ask(server, chat(prompt_cache_key="one"), key_of(name))
    first, second = (each.body["prompt_cache_key"] for each in upstream.seen)
    assert "one" not in {first, second}
    assert first != second


async def test_a_chat_that_breaks_off_ends_in_an_error(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"a": upstream.url}))
    upstream.plays["a"] = lambda asked: [*list(healthy(asked))[:8], End.CUT]
    told = await said(server, chat(stream=True))
    assert b'"error":{' in told
    assert b"[DONE]" not in told
    assert b"event:" not in told


async def test_a_chat_ends_with_the_server_in_words(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"a": upstream.url}))
    upstream.plays["a"] = lambda asked: [*list(healthy(asked))[:8], Pause(20.0)]
    facts = facts_of(server)
    asked = asyncio.create_task(said(server, chat(stream=True)))
    await until(lambda: server.gateway.deliveries and upstream.seen)
    await asyncio.sleep(0.2)
    server.gateway.cut(shutting_down())
    assert b"server_shutdown" in await asked
    (settled,) = (fact for fact in facts if isinstance(fact, Settled))
    assert settled.outcome == "interrupted"


async def test_a_slow_chat_is_kept_alive(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"a": upstream.url}, extra="keepalive_s = 0.05\n"))
    upstream.plays["a"] = lambda asked: [Pause(0.3), *saying("Done.")(asked)]
    told = await said(server, chat(stream=True))
    assert told.startswith(b":")
    assert told.endswith(b"data: [DONE]\n\n")
