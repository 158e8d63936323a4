"""Alerts from a running proxy to a real webhook."""

import asyncio
from typing import Any

import pytest

from lb import config
from lb.core.events import Refused, Restored
from tests.clients import ask, asking, pool, until
from tests.conftest import Proxy
from tests.faulty_plays import error
from tests.receiver import receiving
from tests.scripted import Upstream


def with_alerts(upstream: Upstream, webhook: str, *names: str) -> str:
    toml = pool(dict.fromkeys(names or ("a", "b"), upstream.url))
    return f'{toml}\n[alerts]\nwebhook = "{webhook}"\nkind = "json"\n'


async def test_a_refused_account_is_told_once_by_a_webhook_that_fails_twice_first(
    upstream: Upstream, proxy: Proxy
) -> None:
    async with receiving() as receiver:
        receiver.answers.extend((500, 500))
        server: Any = await proxy(with_alerts(upstream, receiver.url))
        alarms = server.watching.house.alarms
        alarms.webhook.first_wait_s = 0.01
        now = server.gateway.clock.now()
        server.gateway.dispatch.learn(Refused("a", now, "needs login: run lb login a (spent)"))
        assert (await ask(server.url, asking())).status == 200, "nobody waits for a webhook"
        alarms.look()
        alarms.look()
        await until(lambda: receiver.kept)
        (told,) = receiver.kept
        assert (told["status"], told["title"]) == ("firing", "Account a needs login")
        assert len(receiver.heard) == 3
        assert alarms.sent == {"sent": 1}


async def test_once_more_when_it_is_over(
    upstream: Upstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lb.core.alerts.REST_S", 0.05)
    async with receiving() as receiver:
        server: Any = await proxy(with_alerts(upstream, receiver.url))
        alarms, now = server.watching.house.alarms, server.gateway.clock.now()
        server.gateway.dispatch.learn(Refused("a", now, "account_deactivated"))
        alarms.look()
        server.gateway.dispatch.learn(Restored("a", now, "a new login"))
        await asyncio.sleep(0.1)
        alarms.look()
        await until(lambda: len(receiver.kept) == 2)
        assert [told["status"] for told in receiver.kept] == ["firing", "over"]


async def test_the_last_message_leaves_before_the_server(upstream: Upstream, proxy: Proxy) -> None:
    async with receiving() as receiver:
        server: Any = await proxy(with_alerts(upstream, receiver.url))
        alarms = server.watching.house.alarms
        server.gateway.dispatch.learn(Refused("a", server.gateway.clock.now(), "deactivated"))
        alarms.look()
        await alarms.stop()
        assert len(receiver.kept) == 1


async def test_failed_requests_count_and_the_clients_own_faults_do_not(
    upstream: Upstream, proxy: Proxy
) -> None:
    server: Any = await proxy(pool({"a": upstream.url}))
    upstream.queue("a", error(400, "invalid_value", "invalid_request_error"), error(401, "x"))
    assert (await ask(server.url, asking())).status == 400
    assert (await ask(server.url, asking())).status == 503
    alarms = server.watching.house.alarms
    assert alarms._sliding.sums(server.gateway.clock.now()) == (2, 1)


async def test_budgets_and_balances_are_told_at_80_and_100_percent(
    upstream: Upstream, proxy: Proxy
) -> None:
    keys = """
    [[keys]]
    name = "alice"
    key = "lb-alice-1234"
    budget = { usd = 10, per = "month" }
    [[keys]]
    name = "bob"
    key = "lb-bob-12345"
    balance = 10
    """
    server: Any = await proxy(pool({"a": upstream.url}) + keys)
    alarms, limits = server.watching.house.alarms, server.gateway.keys.limits
    now = server.gateway.clock.now()
    assert alarms.look() == []
    limits.of("alice").spent("month", now).uusd = 8_000_000
    limits.of("bob").spent("total", now).uusd = 10_000_000
    assert [message.title for message in alarms.look()] == [
        "The budget of key alice is used to 80%",
        "The balance of key bob is used up",
        "The balance of key bob is used to 80%",
    ]
    assert alarms.look() == []


async def test_a_store_that_is_away_is_told(upstream: Upstream, proxy: Proxy) -> None:
    server: Any = await proxy(pool({"a": upstream.url}))
    server.memory.trouble = "store: disk full"
    assert server.watching.house.alarms._facts().store_away == "store: disk full"


async def test_a_reload_takes_up_another_webhook(upstream: Upstream, proxy: Proxy) -> None:
    server: Any = await proxy(pool({"a": upstream.url}))
    alarms = server.watching.house.alarms
    assert not alarms.webhook
    toml = with_alerts(upstream, "https://hooks.slack.com/services/x", "a")
    server.take_up(config.parse(toml, server.gateway.config.server.data_dir))
    assert alarms.webhook.url.reveal().startswith("https://hooks.slack.com")
