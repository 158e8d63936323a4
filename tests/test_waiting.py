"""When every account is out for a moment, requests wait: fairly, without a herd, not for ever."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from lb.core.events import Exhausted
from tests.clients import Answer, account_states, ask, asking, client, get, pool, until
from tests.conftest import Proxy, Scripted
from tests.faulty_plays import error, limited, usage_limit
from tests.plays import Asked, End, Pause, Play, Step, healthy, saying
from tests.scripted import Upstream


def one_place(toml: str) -> str:
    return toml.replace("priority = 0", "priority = 0\nmax_in_flight = 1")


def texts(upstream: Upstream) -> list[Any]:
    return [asked.body["input"] for asked in upstream.seen]


def after(seconds: float, play: Play = healthy) -> Play:
    """``play``, but nothing at all for a while."""

    def late(asked: Asked) -> Iterable[Step]:
        yield Pause(seconds)
        yield from play(asked)

    return late


async def waiting(server: Any, number: int) -> None:
    await until(lambda: len(server.gateway.dispatch.queue) == number)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_storm_that_passes_costs_nobody_his_answer(
    *, stream: bool, scripted: Scripted, proxy: Proxy
) -> None:
    storm = asyncio.Event()
    upstreams = await scripted(3)
    for upstream in upstreams:
        upstream.choose = lambda _: None if storm.is_set() else limited(**{"retry-after-ms": "150"})
    urls = {name: upstream.url for name, upstream in zip("abc", upstreams, strict=True)}
    server = await proxy(pool(urls, patience_s=15))
    asyncio.get_running_loop().call_later(0.6, storm.set)
    async with client() as session:
        answers = await asyncio.gather(
            *(ask(server.url, asking(stream=stream), session) for _ in range(40))
        )
    assert [answer.status for answer in answers] == [200] * 40
    calls = sum(len(upstream.seen) for upstream in upstreams)
    assert calls <= 40 + 3 * 20, "a herd"
    assert server.gateway.pool.slots["a"].in_flight == 0


async def test_a_cooling_account_is_probed_by_one_request_and_then_serves_them_all(
    upstream: Upstream, proxy: Proxy
) -> None:
    upstream.queue("a", limited(**{"retry-after-ms": "200"}), after(0.3))
    server = await proxy(pool({"a": upstream.url}, patience_s=15))
    async with client() as session:
        first = asyncio.create_task(ask(server.url, asking("0", stream=True), session))
        await until(lambda: upstream.seen)
        rest = [
            asyncio.create_task(ask(server.url, asking(str(n), stream=True), session))
            for n in range(1, 8)
        ]
        await until(lambda: len(upstream.seen) == 2)
        await asyncio.sleep(0.15)
        assert len(upstream.seen) == 2, "only the probe may ask until it is answered"
        answers = await asyncio.gather(first, *rest)
    assert [answer.status for answer in answers] == [200] * 8
    assert len(upstream.seen) == 9


async def test_who_came_first_is_served_first(upstream: Upstream, proxy: Proxy) -> None:
    upstream.queue("a", after(0.1), *[after(0.02)] * 6)
    server = await proxy(one_place(pool({"a": upstream.url}, patience_s=15)))
    async with client() as session:
        tasks = []
        for number in range(7):
            task = asyncio.create_task(ask(server.url, asking(str(number)), session))
            tasks.append(task)
            if number == 0:
                await until(lambda: upstream.seen)
            else:
                await waiting(server, number)
        answers = await asyncio.gather(*tasks)
    assert [answer.status for answer in answers] == [200] * 7
    assert texts(upstream) == [str(number) for number in range(7)]


async def test_who_comes_while_others_wait_neither_pushes_in_nor_fails(
    upstream: Upstream, proxy: Proxy
) -> None:
    upstream.queue("a", limited(**{"retry-after-ms": "300"}))
    server = await proxy(pool({"a": upstream.url}, patience_s=15))
    answers: list[asyncio.Task[Answer]] = []
    async with client() as session:
        loop = asyncio.get_running_loop()
        over = loop.time() + 0.6
        while loop.time() < over:  # some of them come at the very moment the account is back
            answers.append(asyncio.create_task(ask(server.url, asking(), session)))
            await asyncio.sleep(0.004)
        statuses = {answer.status for answer in await asyncio.gather(*answers)}
    assert statuses == {200}


async def test_one_who_waits_for_the_last_account_keeps_nobody_from_the_others(
    scripted: Scripted, proxy: Proxy
) -> None:
    one, other = await scripted(2)
    one.queue("a", error(500, "server_error"))
    other.queue("b", limited(**{"retry-after-ms": "3000"}))
    server = await proxy(pool({"a": one.url, "b": other.url}, patience_s=15, in_order=True))
    async with client() as session:
        waits = asyncio.create_task(ask(server.url, asking("waits"), session))
        await waiting(server, 1)
        began = asyncio.get_running_loop().time()
        answer = await ask(server.url, asking("passes"), session)
        assert answer.status == 200
        assert asyncio.get_running_loop().time() - began < 1.0
        waits.cancel()


async def test_a_place_that_comes_free_goes_to_the_next_who_waits(
    upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = lambda _: [End.HANG]
    server = await proxy(one_place(pool({"a": upstream.url}, patience_s=15)))
    async with client() as session:
        first = asyncio.create_task(ask(server.url, asking("0"), session))
        await until(lambda: upstream.seen)
        second = asyncio.create_task(ask(server.url, asking("1"), session))
        await waiting(server, 1)
        del upstream.plays["a"]
        first.cancel()
        assert (await second).status == 200
    assert texts(upstream) == ["0", "1"]


async def test_one_who_leaves_the_queue_leaves_no_trace(upstream: Upstream, proxy: Proxy) -> None:
    upstream.queue("a", after(0.3))
    server = await proxy(one_place(pool({"a": upstream.url}, patience_s=15)))
    async with client() as session:
        first = asyncio.create_task(ask(server.url, asking("0"), session))
        await until(lambda: upstream.seen)
        gone = asyncio.create_task(ask(server.url, asking("gone"), session))
        await waiting(server, 1)
        gone.cancel()
        await waiting(server, 0)
        assert (await first).status == 200
        assert (await ask(server.url, asking("2"), session)).status == 200
    assert texts(upstream) == ["0", "2"]


async def test_patience_that_ends_says_when_to_come_back(upstream: Upstream, proxy: Proxy) -> None:
    upstream.plays["a"] = limited(**{"retry-after-ms": "100"})
    server = await proxy(pool({"a": upstream.url}, patience_s=0.5))
    began = asyncio.get_running_loop().time()
    answer = await ask(server.url, asking())
    assert 0.3 < asyncio.get_running_loop().time() - began < 3.0
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")
    assert float(answer.headers["retry-after"]) >= 1
    assert answer.headers["x-should-retry"] == "true"
    assert len(upstream.seen) <= 6


async def test_a_pool_without_a_place_says_so_when_patience_ends(
    upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = lambda _: [End.HANG]
    server = await proxy(one_place(pool({"a": upstream.url}, patience_s=0.3)))
    async with client() as session:
        hangs = asyncio.create_task(ask(server.url, asking(), session))
        await until(lambda: upstream.seen)
        answer = await ask(server.url, asking(), session)
        hangs.cancel()
    assert (answer.status, answer.error["code"]) == (503, "no_accounts")
    assert "1 busy" in answer.error["message"]
    assert answer.headers["retry-after"] == "1"
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("play", "code"),
    [
        (limited(**{"Retry-After": "600"}), "rate_limit_exceeded"),
        (usage_limit, "usage_limit_reached"),
    ],
)
async def test_nobody_waits_for_what_comes_too_late(
    play: Play, code: str, upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = play
    server = await proxy(pool({"a": upstream.url}, patience_s=15))
    began = asyncio.get_running_loop().time()
    answer = await ask(server.url, asking(stream=True))
    assert asyncio.get_running_loop().time() - began < 1.0
    assert (answer.status, answer.error["code"]) == (429, code)
    assert answer.headers["x-should-retry"] == "false"
    assert (await ask(server.url, asking())).status == 429
    assert len(upstream.seen) == 1, "a second request does not ask again"


async def test_a_client_that_waits_no_longer_is_not_kept_waiting(
    upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = limited(**{"Retry-After": "5"})
    server = await proxy(pool({"a": upstream.url}, patience_s=15))
    async with client() as session:
        headers = {"x-stainless-timeout": "2"}
        url = f"{server.url}/v1/responses"
        async with session.post(url, json=asking(), headers=headers) as response:
            assert response.status == 429


async def test_an_upstream_that_says_at_once_for_ever_is_not_hammered(
    upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = limited(**{"Retry-After": "0"})
    server = await proxy(pool({"a": upstream.url}, patience_s=0.5))
    answer = await ask(server.url, asking())
    assert answer.status == 429
    assert len(upstream.seen) <= 7


async def test_an_exhausted_account_that_is_due_and_bursts_is_not_hammered(
    upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = limited(**{"Retry-After": "30"})
    server = await proxy(pool({"a": upstream.url}))
    now = server.gateway.clock.now()
    server.gateway.dispatch.learn(Exhausted("a", now - 60, "usage_limit_reached", now - 1))
    assert (await ask(server.url, asking())).status == 429
    assert len(upstream.seen) == 1
    assert (await account_states(server.url))["a"]["state"] == "cooling"


async def test_those_who_wait_are_shown(upstream: Upstream, proxy: Proxy) -> None:
    upstream.queue("a", saying(None, interval_s=0.02))
    server = await proxy(one_place(pool({"a": upstream.url}, patience_s=15)))
    async with client() as session:
        first = asyncio.create_task(ask(server.url, asking(stream=True), session))
        await until(lambda: upstream.seen)
        second = asyncio.create_task(ask(server.url, asking(), session))
        await waiting(server, 1)
        assert (await get(server.url, "/admin/status"))["pool"]["waiting"] == 1
        await asyncio.gather(first, second)
