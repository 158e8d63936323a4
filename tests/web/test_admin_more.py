"""What the dashboard asks besides: probes, the configuration, rates, and what is told live."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from lb.core import events
from lb.core.secret import Secret
from lb.core.windows import WEEK_S, Window
from lb.web.admin.config import plain
from lb.web.admin.live import MOST_ROWS_A_TICK
from tests.clients import MODEL, WITHIN_S, account_states, ask, asking, get, pool
from tests.conftest import Proxy
from tests.faulty_plays import error
from tests.scripted import Upstream


async def probed(url: str, account: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/admin/accounts/{account}/probe") as response,
    ):
        return response.status, await response.json()


@asynccontextmanager
async def told_live(url: str) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, Any]]]]:
    """The frames of /admin/live as they come: (name, data)."""

    async def frames(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        name = ""
        async for line in response.content:
            if line.startswith(b"event:"):
                name = line[6:].strip().decode()
            elif line.startswith(b"data:"):
                yield name, json.loads(line[5:])

    async with aiohttp.ClientSession() as session, session.get(f"{url}/admin/live") as response:
        yield frames(response)


async def next_of(frames: AsyncIterator[tuple[str, dict[str, Any]]], wanted: str) -> dict[str, Any]:
    async with asyncio.timeout(WITHIN_S):
        async for name, data in frames:
            if name == wanted:
                return data
    raise AssertionError(wanted)


async def test_a_probe_asks_the_account_and_says_what_it_said(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    status, told = await probed(server.url, "a")
    assert (status, told["ok"]) == (200, True)
    assert told["said"].startswith("lists ")
    assert told["ms"] >= 0
    assert (await probed(server.url, "nobody"))[0] == 404


async def test_a_refused_account_that_answers_a_probe_serves_again(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    server.gateway.dispatch.learn(events.Refused("a", server.gateway.clock.now(), "revoked"))
    assert (await probed(server.url, "a"))[1]["account"]["state"] == "ready"


async def test_a_probe_of_a_host_that_is_away_says_so(proxy: Proxy) -> None:
    server = await proxy(pool({"a": "http://127.0.0.1:9"}))
    status, told = await probed(server.url, "a")
    assert (status, told["ok"]) == (200, False)
    assert told["said"]
    assert told["account"]["state"] == "ready", "a host's fault marks no account"


async def test_the_configuration_is_told_without_its_secrets(
    upstream: Upstream, proxy: Proxy
) -> None:
    toml = pool({"a": upstream.url}).replace('api_key = "a"', 'api_key = "sk-planted-secret"')
    server = await proxy(toml + '\n[[keys]]\nname = "alice"\nkey = "sk-alice-planted-0123456789"\n')
    told = await get(server.url, "/admin/config")
    assert "planted" not in json.dumps(told)
    account = told["config"]["accounts"][0]
    assert account["api_key"] == "***"
    assert told["config"]["server"]["patience_s"] == 0.0
    assert told["problems"] == []


def test_whatever_looks_like_a_secret_is_stars() -> None:
    told = plain(
        {
            "headers": {"x-secret": Secret("planted")},
            "digest": b"planted",
            "url": "postgresql://me:planted@host/db",
            "labels": frozenset({"b", "a"}),
            "path": Path("x"),
            "none": Secret(""),
        }
    )
    assert "planted" not in json.dumps(told)
    assert told["url"] == "postgresql://***@host/db"
    assert (told["labels"], told["path"], told["none"]) == (["a", "b"], "x", None)


async def test_rates_errors_and_latencies_are_told_of_each_account(
    upstream: Upstream, proxy: Proxy
) -> None:
    names = {"a": upstream.url, "b": upstream.url}
    server = await proxy(pool(names, in_order=True))
    upstream.queue("a", error(500, "server_error"))
    for _ in range(3):
        await ask(server.url, asking())
    states = await account_states(server.url)
    assert states["a"]["error_share"] > 0
    assert states["b"]["error_share"] == 0
    assert states["b"]["requests_per_s"] > 0
    assert states["b"]["latencies_ms"][-1] > 0
    assert len(states["b"]["latencies_ms"]) == 60
    told = (await get(server.url, "/admin/status"))["pool"]
    assert 0 < told["error_share"] < 1
    assert told["runway"] == {"empty_at": None, "metered": 0, "unmetered": 2}


async def test_states_are_told_in_words_and_windows_with_their_forecast(
    upstream: Upstream, proxy: Proxy
) -> None:
    names = {"a": upstream.url, "b": upstream.url}
    server = await proxy(pool(names))
    now, learn = server.gateway.clock.now(), server.gateway.dispatch.learn
    learn(events.Measured("a", now, (Window("week", 1.0, now + 86400, WEEK_S, now),)))
    learn(events.Exhausted("a", now, "usage_limit_reached", now + 86400))
    learn(events.Measured("b", now, (Window("week", 0.9, now + 5 * 86400, WEEK_S, now),)))
    states = await account_states(server.url)
    assert states["a"]["words"] == "weekly limit"
    assert states["b"]["words"] == "ready"
    assert now < states["b"]["windows"][0]["empty_at"] < now + 86400
    assert (await get(server.url, "/admin/status"))["pool"]["runway"]["empty_at"] > now


async def test_requests_and_the_pools_numbers_are_told_live(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    async with told_live(server.url) as frames:
        answer = await ask(server.url, asking())
        row = await next_of(frames, "request")
        assert row["request_id"] == answer.headers["x-request-id"]
        assert row["model_asked"] == MODEL
        tick = await next_of(frames, "pool")
        assert tick["accounts"][0]["counts"]["succeeded"] == 1
        assert "latencies_ms" in tick["accounts"][0]


async def test_a_flood_of_requests_is_told_in_part_and_counted(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    async with told_live(server.url) as frames:
        await next_of(frames, "pool")
        await asyncio.gather(*(ask(server.url, asking()) for _ in range(MOST_ROWS_A_TICK + 30)))
        rows, unseen = 0, 0
        async with asyncio.timeout(5):
            async for name, data in frames:
                rows += name == "request"
                unseen += data["unseen_requests"] if name == "pool" else 0
                if rows + unseen >= MOST_ROWS_A_TICK + 30:
                    break
    assert rows + unseen == MOST_ROWS_A_TICK + 30
