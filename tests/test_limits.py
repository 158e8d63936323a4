"""Limits over real sockets: exact under concurrency, told in headers, refused in words."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from lb.core.prices import Price
from tests.clients import MODEL, Answer, asking, client, pool, until
from tests.conftest import Proxy, Served
from tests.plays import End, Pause, Play, healthy
from tests.scripted import Upstream
from tests.tenants import ask_as, call, key_of, keys

PRICE = Price(input=1.0, output=10.0)
"""USD for a million tokens; a scripted answer uses some tokens of each."""


async def _many(url: str, key: str, number: int) -> list[Answer]:
    async with client() as session:
        asked = (ask_as(url, key, session=session) for _ in range(number))
        return await asyncio.gather(*asked)


async def test_200_at_once_on_50_a_minute_are_50(proxy: Proxy, upstream: Upstream) -> None:
    accounts = pool({"one": upstream.url}, patience_s=10)
    server = await proxy(accounts + keys(alice="rpm = 50", bob="rpm = 1000"))
    answers, others = await asyncio.gather(
        _many(server.url, key_of("alice"), 200), _many(server.url, key_of("bob"), 20)
    )
    assert Counter(answer.status for answer in answers) == {200: 50, 429: 150}
    assert {answer.status for answer in others} == {200}
    assert len(upstream.seen) == 70
    refused = [answer for answer in answers if answer.status == 429]
    for answer in refused:
        assert answer.error["code"] == answer.error["type"] == "rate_limit_exceeded"
        assert "requests per minute (rpm): limit 50, used 50" in answer.error["message"]
        assert 1 <= int(answer.headers["retry-after"]) <= 61
        assert answer.headers["x-ratelimit-remaining-minute"] == "0"
    left = sorted(int(a.headers["x-ratelimit-remaining-minute"]) for a in answers)[150:]
    assert max(left) <= 49


async def test_every_answer_tells_what_is_left(proxy: Proxy, upstream: Upstream) -> None:
    limits = "rpm = 5\nrpd = 100\ntpm = 90000"
    server = await proxy(pool({"one": upstream.url}) + keys(alice=limits, bob=""))
    key = key_of("alice")
    answers = [
        await ask_as(server.url, key),
        await ask_as(server.url, key, asking(stream=True)),
        await ask_as(server.url, key, {"model": MODEL, "input": 5}),
        await call(server.url, "GET", "/v1/models", key=key),
        await call(server.url, "GET", "/v1/models/none", key=key),
    ]
    assert [answer.status for answer in answers] == [200, 200, 400, 200, 404]
    for answer in answers:
        assert answer.headers["x-ratelimit-limit-minute"] == "5"
        assert answer.headers["x-ratelimit-limit-day"] == "100"
        assert answer.headers["x-ratelimit-limit-requests"] == "5"
        assert answer.headers["x-ratelimit-limit-tokens"] == "90000"
        now = time.time()
        assert now - 1 <= int(answer.headers["x-ratelimit-reset-minute"]) <= now + 62
        assert int(answer.headers["x-ratelimit-reset-day"]) % 86400 == 0
    left = [int(answer.headers["x-ratelimit-remaining-minute"]) for answer in answers]
    assert left == [4, 3, 3, 3, 3]
    unlimited = await ask_as(server.url, key_of("bob"))
    assert not [name for name in unlimited.headers if "ratelimit" in name]


async def test_so_many_at_once_and_no_more(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"one": upstream.url}) + keys(alice="max_parallel = 3"))
    upstream.plays["one"] = slowly(0.3)
    answers = await _many(server.url, key_of("alice"), 10)
    assert Counter(answer.status for answer in answers) == {200: 3, 429: 7}
    assert "requests at once (max_parallel)" in answers[-1].error.get("message", "") or any(
        "max_parallel" in answer.error.get("message", "") for answer in answers
    )
    assert (await ask_as(server.url, key_of("alice"))).status == 200


def slowly(seconds: float) -> Play:
    """A good answer that takes its time."""

    def play(asked: Any) -> Any:
        yield Pause(seconds)
        yield from healthy(asked)

    return play


async def test_a_place_comes_back_however_a_request_ends(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"one": upstream.url}) + keys(alice="max_parallel = 1"))
    key, meter = key_of("alice"), server.gateway.keys.limits.of("alice")
    endings: list[Play] = [healthy, lambda _: [End.CUT], lambda _: [End.RESET]]
    for play in endings:
        upstream.plays["one"] = play
        await ask_as(server.url, key, asking(stream=True))
        assert meter.in_flight == 0
    upstream.plays["one"] = lambda _: [End.HANG]
    async with client() as session:
        told = {"Authorization": f"Bearer {key}"}
        asked = session.post(f"{server.url}/v1/responses", json=asking(), headers=told)
        gone = asyncio.ensure_future(asked)
        await until(lambda: meter.in_flight == 1)
        gone.cancel()
    await until(lambda: meter.in_flight == 0)
    assert (meter.held_tokens, meter.held_uusd) == (0, 0)


async def test_tokens_are_held_by_estimate_and_settled_by_what_was_used(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"one": upstream.url}) + keys(alice="tpm = 100000\ntpd = 200000"))
    meter = server.gateway.keys.limits.of("alice")
    upstream.plays["one"] = slowly(0.2)
    asked = asyncio.create_task(ask_as(server.url, key_of("alice"), asking(max_output_tokens=7000)))
    await until(lambda: meter.in_flight)
    assert 7000 < meter.held_tokens < 7200
    usage = (await asked).body["usage"]
    assert meter.held_tokens == 0
    now = time.time()
    used = usage["input_tokens"] + usage["output_tokens"]
    assert meter.tokens.used(now) == meter.spent("day", now).tokens == used > 0


@pytest.fixture
async def priced(proxy: Proxy, upstream: Upstream) -> Any:
    async def start(limits: str) -> Served:
        prices = f"[prices.'{MODEL}']\ninput = 1.0\noutput = 10.0\n"
        return await proxy(pool({"one": upstream.url}) + prices + keys(alice=limits))

    return start


async def _cost(server: Served) -> int:
    """What one scripted answer costs (uusd)."""
    usage = (await ask_as(server.url, key_of("alice"))).body["usage"]
    cached = usage["input_tokens_details"]["cached_tokens"]
    return PRICE.cost_uusd(usage["input_tokens"], cached, usage["output_tokens"])


async def test_a_budget_overshoots_by_what_was_in_flight_at_most(priced: Any) -> None:
    probe = await priced("")
    cost = await _cost(probe)
    budget = 0.01  # USD, the least there is
    server = await priced(f'budget = {{ usd = {budget}, per = "day" }}\nmax_parallel = 8')
    meter, admitted = server.gateway.keys.limits.of("alice"), 0
    while True:
        answers = await _many(server.url, key_of("alice"), 8)
        admitted += sum(answer.status == 200 for answer in answers)
        spent = [answer for answer in answers if "budget" in answer.error.get("message", "")]
        if len(spent) == 8:
            break
        assert admitted < 10_000
    uusd = meter.spent("day", time.time()).uusd
    assert uusd == admitted * cost
    assert budget * 10**6 <= uusd <= budget * 10**6 + 8 * cost
    assert spent[0].status == 429
    assert "0.01 USD per day" in spent[0].error["message"]
    assert "resets at" in spent[0].error["message"]
    assert int(spent[0].headers["retry-after"]) > 0


async def test_an_empty_balance_is_a_402_until_it_is_topped_up(priced: Any) -> None:
    server = await priced("")
    made = await call(server.url, "POST", "/admin/keys", {"name": "dora", "balance": 0.001})
    key = made.body["api_key"]
    while (answer := await ask_as(server.url, key)).status == 200:
        pass
    assert answer.status in (402, 429)  # 429 while the rest is only held
    answer = await ask_as(server.url, key)
    assert (answer.status, answer.error["code"]) == (402, "insufficient_balance")
    await call(server.url, "PATCH", "/admin/keys/dora", {"balance": 1.0})
    assert (await ask_as(server.url, key)).status == 200


async def test_what_was_used_outlives_a_restart(
    proxy: Proxy, upstream: Upstream, tmp_path: Any
) -> None:
    from attrs import evolve

    from lb import app, config

    text = pool({"one": upstream.url}) + keys(alice="rpd = 3")
    told = config.parse(text, tmp_path)
    told = evolve(told, server=evolve(told.server, data_dir=tmp_path / "kept"))
    statuses = []
    for _ in range(2):
        async with app.running(told, port=0) as server:
            statuses += [(await ask_as(server.url, key_of("alice"))).status for _ in range(2)]
    assert statuses == [200, 200, 200, 429]


async def test_money_is_spent_on_priced_models_only(proxy: Proxy, upstream: Upstream) -> None:
    limits = "budget = { usd = 5 }"
    server = await proxy(pool({"one": upstream.url}) + keys(alice=limits, bob=""))
    body = asking() | {"model": "of-no-price"}
    refused = await ask_as(server.url, key_of("alice"), body)
    assert (refused.status, refused.error["code"]) == (403, "model_not_priced")
    assert (await ask_as(server.url, key_of("bob"), body)).status == 200


async def test_a_plan_says_which_models_and_how_much_thought(
    proxy: Proxy, upstream: Upstream
) -> None:
    plan = '[plans.p]\nmodels = ["gpt-*"]\ndeny = ["gpt-6*"]\nmax_effort = "low"\n'
    server = await proxy(pool({"one": upstream.url}) + plan + keys(alice='plan = "p"'))
    key = key_of("alice")
    refused = await ask_as(server.url, key, asking() | {"model": "gpt-6.1-sol"})
    assert refused.status == 403
    assert refused.error == {
        "message": "This API key does not have access to model 'gpt-6.1-sol'",
        "type": "invalid_request_error",
        "code": "model_not_allowed",
        "param": "model",
    }
    refused = await ask_as(server.url, key, asking(reasoning={"effort": "high"}))
    assert (refused.status, refused.error["code"]) == (400, "unsupported_capability")
    assert (await ask_as(server.url, key, asking(reasoning={"effort": "low"}))).status == 200
    listed = await call(server.url, "GET", "/v1/models", key=key)
    assert [model["id"] for model in listed.body["data"]] == ["gpt-4.1", "gpt-5.5"]
    hidden = await call(server.url, "GET", "/v1/models/gpt-6.1-sol", key=key)
    assert hidden.status == 404


async def test_a_plan_says_which_accounts(proxy: Proxy, upstream: Upstream) -> None:
    accounts = pool({"a": upstream.url, "b": upstream.url})
    limits = {"alice": 'accounts = ["b"]', "bob": ""}
    server = await proxy(accounts + keys(**limits))
    for _ in range(6):
        assert (await ask_as(server.url, key_of("alice"))).status == 200
    assert set(upstream.asked()) == {"b"}
    await call(server.url, "POST", "/admin/accounts/b/pause")
    refused = await ask_as(server.url, key_of("alice"))
    assert (refused.status, refused.error["code"]) == (503, "no_accounts")
    assert "1 paused" in refused.error["message"]
    assert (await ask_as(server.url, key_of("bob"))).headers["x-lb-account"] == "a"


async def test_a_key_sees_its_own_account_and_only_that(proxy: Proxy, upstream: Upstream) -> None:
    plan = "[plans.p]\nrpm = 9\nexpires = 2099-12-31\n"
    server = await proxy(pool({"one": upstream.url}) + plan + keys(alice='plan = "p"', bob=""))
    await ask_as(server.url, key_of("alice"))
    told = (await call(server.url, "GET", "/v1/usage", key=key_of("alice"))).body
    assert told["plan"] == "p"
    assert told["key"]["name"] == "alice"
    assert told["key"]["masked"] == key_of("alice")[:12] + "…"
    assert told["limits"][0] | {"resets_at": 0} == {
        "name": "rpm",
        "limit": 9,
        "used": 1,
        "remaining": 8,
        "resets_at": 0,
    }
    assert told["used"]["requests_day"] == 1
    assert told["remaining_days"] > 365
    other = (await call(server.url, "GET", "/v1/usage", key=key_of("bob"))).body
    assert other["used"]["requests_day"] == 0
    assert (await call(server.url, "GET", "/v1/usage", key="wrong")).status == 401


async def test_a_new_plan_counts_at_once_and_what_was_used_stays(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"one": upstream.url}))
    key = (await call(server.url, "POST", "/admin/keys", {"name": "x", "rpm": 2})).body["api_key"]
    told = [(await ask_as(server.url, key)).status for _ in range(3)]
    await call(server.url, "PATCH", "/admin/keys/x", {"rpm": 3})
    told += [(await ask_as(server.url, key)).status for _ in range(2)]
    assert told == [200, 200, 429, 200, 429]
