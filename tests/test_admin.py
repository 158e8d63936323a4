"""The admin API: what it shows, what it does, and whom it answers."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from lb.core.events import Blocked, Exhausted, Throttled
from tests.clients import MODEL, WITHIN_S, account_states, ask, asking, get, pool, until
from tests.conftest import Proxy
from tests.faulty_plays import error
from tests.scripted import Upstream

TOKEN = "admin-token-of-the-test"
WITH_TOKEN = f'admin_token = "{TOKEN}"'


async def call(
    url: str, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url + path, headers=headers) as response,
    ):
        return response.status, await response.json()


async def act(url: str, account: str, action: str) -> tuple[int, Any]:
    return await call(url, f"/admin/accounts/{account}/{action}", "POST")


async def test_the_status_shows_the_pool_and_every_account(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url, "b": upstream.url}, in_order=True))
    upstream.queue("a", error(500, "server_error"))
    await ask(server.url, asking())
    told = await get(server.url, "/admin/status")
    assert told["ready"] is True
    assert told["version"]
    assert told["uptime_s"] >= 0
    assert told["strategy"] == "balanced"
    assert told["config"]["problems"] == []
    assert told["pool"] | {"pins": 0} == told["pool"] | {"accounts": 2, "in_flight": 0, "pins": 0}
    a, b = told["accounts"]
    assert (a["id"], a["state"], a["reason"]) == ("a", "doubtful", "500 server_error")
    assert a["counts"] == {"requests": 1, "succeeded": 0, "failed": 1}
    assert a["last_error"]["reason"] == "500 server_error"
    assert abs(a["last_error"]["at"] - time.time()) < 5
    assert (b["id"], b["state"], b["reason"]) == ("b", "ready", None)
    assert b["counts"] == {"requests": 1, "succeeded": 1, "failed": 0}
    assert b["latency_ms"] >= 0
    assert await get(server.url, "/admin/accounts/b") == b


async def test_limits_blocks_and_windows_are_shown_with_their_times(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url, "b": upstream.url}))
    now = server.gateway.clock.now()
    learn = server.gateway.dispatch.learn
    learn(Exhausted("a", now, "usage_limit_reached", now + 7200))
    learn(Blocked("b", now, MODEL, now + 600, "model_not_found"))
    states = await account_states(server.url)
    assert (states["a"]["state"], states["a"]["until"]) == ("exhausted", now + 7200)
    assert [b["model"] for b in states["b"]["blocks"]] == [MODEL]
    assert states["b"]["state"] == "ready"
    assert "1 exhausted until" in (await get(server.url, "/admin/status"))["pool"]["text"]


async def test_nothing_the_admin_api_says_is_secret(upstream: Upstream, proxy: Proxy) -> None:
    toml = pool({"a": upstream.url}).replace('api_key = "a"', 'api_key = "sk-planted-secret"')
    server = await proxy(toml + '\n[[keys]]\nname = "alice"\nkey = "sk-alice-planted"\n')
    for path in ("/admin/status", "/admin/accounts/a", f"/admin/explain?model={MODEL}"):
        assert "planted" not in json.dumps(await get(server.url, path))


async def test_a_paused_account_serves_nobody_until_it_is_resumed(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    assert (await act(server.url, "a", "pause"))[1]["state"] == "paused"
    answer = await ask(server.url, asking())
    assert (answer.status, answer.error["code"]) == (503, "no_accounts")
    assert "1 paused" in answer.error["message"]
    assert not upstream.seen
    assert (await act(server.url, "a", "reset"))[1]["state"] == "paused", "only resume does it"
    assert (await act(server.url, "a", "resume"))[1]["state"] == "ready"
    assert (await ask(server.url, asking())).status == 200


async def test_a_reset_forgets_what_an_upstream_said(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    now = server.gateway.clock.now()
    server.gateway.dispatch.learn(Throttled("a", now, "rate_limit_exceeded", now + 600))
    assert (await ask(server.url, asking())).status == 429
    assert (await act(server.url, "a", "reset"))[1]["state"] == "ready"
    assert (await ask(server.url, asking())).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/admin/accounts/nobody", 404, "account_not_found"),
        ("POST", "/admin/accounts/nobody/pause", 404, "account_not_found"),
        ("POST", "/admin/accounts/a/explode", 404, "unknown_url"),
        ("GET", "/admin/accounts/a/pause", 405, "method_not_supported"),
        ("GET", "/admin/explain", 400, "missing_required_parameter"),
        ("GET", "/admin/nothing", 404, "unknown_url"),
    ],
)
async def test_what_cannot_be_done_is_told_in_an_envelope(
    method: str, path: str, status: int, code: str, *, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    told, body = await call(server.url, path, method)
    assert (told, body["error"]["code"]) == (status, code)
    assert set(body["error"]) >= {"message", "type", "param", "code"}


async def test_explain_says_who_would_serve_and_why_each_other_would_not(
    upstream: Upstream, proxy: Proxy
) -> None:
    names = dict.fromkeys("abcde", upstream.url)
    toml = pool(names).replace('api_key = "e"', 'api_key = "e"\nmodels = ["gpt-4*"]')
    server = await proxy(toml)
    now = server.gateway.clock.now()
    learn = server.gateway.dispatch.learn
    learn(Exhausted("b", now, "usage_limit_reached", now + 7200))
    learn(Blocked("c", now, MODEL, now + 600, "model_not_found"))
    await act(server.url, "d", "pause")
    told = await get(server.url, f"/admin/explain?model={MODEL}&session=s")
    assert (told["chosen"], told["model"], told["strategy"]) == ("a", MODEL, "balanced")
    reasons = {each["id"]: (each["verdict"], each["reason"]) for each in told["accounts"]}
    assert reasons["a"] == ("chosen", "0 in flight")
    assert reasons["b"] == ("out", "usage_limit_reached")
    assert reasons["c"] == ("out", f"the upstream said it has no {MODEL} (model_not_found)")
    assert reasons["d"] == ("out", "paused by an operator")
    assert reasons["e"] == ("out", "its models do not include this one")
    assert server.gateway.pool.slots["a"].in_flight == 0, "nothing is reserved"


async def test_explain_knows_where_a_conversation_belongs(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool(dict.fromkeys("abcdefgh", upstream.url)))
    answer = await ask(server.url, asking(prompt_cache_key="s"))
    told = await get(server.url, f"/admin/explain?model={MODEL}&session=s")
    assert told["chosen"] == answer.headers["x-lb-account"]


async def test_the_live_feed_tells_what_happens_as_it_happens(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/admin/live") as response,
    ):
        assert response.content_type == "text/event-stream"
        await act(server.url, "a", "pause")
        async with asyncio.timeout(WITHIN_S):
            raw = b""
            while b"\r\n\r\n" not in raw and b"\n\n" not in raw:
                raw += await response.content.readany()
    lines = raw.decode().splitlines()
    assert "event: paused" in lines
    told = json.loads(next(line for line in lines if line.startswith("data:"))[5:])
    assert (told["account"], told["standing"]["state"]) == ("a", "paused")


async def test_a_listener_that_leaves_is_forgotten(upstream: Upstream, proxy: Proxy) -> None:
    from lb.web.keys import LISTENERS

    server: Any = await proxy(pool({"a": upstream.url}))
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/admin/live"):
        await until(lambda: len(server.app[LISTENERS]) == 1)
    await until(lambda: not server.app[LISTENERS])


DOORS = [("GET", "/admin/status"), ("GET", "/admin/live"), ("POST", "/admin/accounts/a/pause")]


@pytest.mark.parametrize(("method", "path"), DOORS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-For": "127.0.0.1"}, 401),
        ({"Forwarded": "for=127.0.0.1"}, 401),
        ({"X-Real-IP": "127.0.0.1"}, 401),
        ({"X-Forwarded-Host": "localhost"}, 401),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8642"}, 421),
        ({"Host": "localhost.evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_this_machine_is_trusted_only_when_it_speaks_for_itself(
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    *,
    upstream: Upstream,
    proxy: Proxy,
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    told, body = await call(server.url, path, method, headers)
    assert told == status
    assert set(body["error"]) >= {"message", "type", "param", "code"}
    assert server.gateway.pool.slots["a"].health.state.value == "ready"


async def test_the_own_page_of_this_server_may_act(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    for host in ("localhost", "127.0.0.1"):
        place = f"{host}:{server.url.rpartition(':')[2]}"
        headers = {"Host": place, "Origin": f"http://{place}"}
        assert (await call(server.url, "/admin/status", headers=headers))[0] == 200


async def test_the_admin_token_opens_from_anywhere(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}, extra=WITH_TOKEN))
    for shown in (
        {"Authorization": f"Bearer {TOKEN}"},
        {"authorization": f"bearer   {TOKEN} "},
        {"x-admin-token": TOKEN},
    ):
        headers = {**shown, "Host": "pool.example", "X-Forwarded-For": "203.0.113.9"}
        assert (await call(server.url, "/admin/status", headers=headers))[0] == 200


async def test_a_wrong_admin_token_gets_the_same_answer_whatever_it_is(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}, extra=WITH_TOKEN))
    answers = {
        json.dumps(await call(server.url, "/admin/status", headers={"Authorization": shown}))
        for shown in (
            "Bearer x",
            f"Bearer {TOKEN[:-1]}",
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN.upper()}",
            "Bearer " + "y" * 4000,
            "Bearer \xff\xfe",
        )
    }
    assert len(answers) == 1
    status, body = json.loads(answers.pop())
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert TOKEN not in json.dumps(body)
