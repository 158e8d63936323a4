"""The bank test: the ledger comes to what the upstream counted for itself, to the token.

Clients end in every way at every event; in the second half the server is killed, again and again.
In full size: ``make chaos``.
"""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lb.core.reports import Query
from tests.banking import COUNTED, OUTCOMES, Bank, Errand, errands
from tests.clients import asking, client, pool, until
from tests.conftest import Proxy
from tests.databases import rows_in
from tests.plays import End
from tests.scripted import Upstream
from tests.servers import Killable

ACCOUNTS = ("a", "b", "c")
CLIENTS = 64


def toml(upstream: Upstream, database: str, extra: str = "") -> str:
    store = f'database = "{database}"\n' if database else ""
    server = f'log_level = "error"\n{store}'
    return pool(dict.fromkeys(ACCOUNTS, upstream.url), patience_s=5, extra=server) + extra


async def send(url: str, todo: list[Errand], bank: Bank) -> list[str]:
    """``CLIENTS`` clients share the errands; the ids of those that were told one."""
    ids: list[str] = []
    await _send(url, todo, bank, ids)
    return ids


async def _send(url: str, todo: list[Errand], bank: Bank, ids: list[str]) -> None:
    """As ``send``; those whose server dies under them give up."""
    queue = iter(todo)

    async def work() -> None:
        async with client() as session:
            for errand in queue:
                try:
                    request_id = await errand.run(session, url, bank)
                except aiohttp.ClientError:
                    return
                if request_id:
                    ids.append(request_id)

    await asyncio.gather(*(work() for _ in range(CLIENTS)))


def books(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {name: sum(row[name] for row in rows) for name in COUNTED}


async def _bank(total: int, database: str, upstream: Upstream, proxy: Proxy, folder: Path) -> None:
    bank, todo = Bank(random.Random(4)), errands(total, random.Random(5))
    upstream.choose = bank.choose
    server = await proxy(toml(upstream, database))
    ids = await send(server.url, todo, bank)
    await until(lambda: not server.gateway.deliveries)
    report = await server.gateway.memory.usage(Query("day"))
    rows = await rows_in(database, folder / "data-0")
    assert len(rows) == len(todo)
    assert set(ids) <= {row["request_id"] for row in rows}
    outcomes = Counter(OUTCOMES[errand.ending] for errand in todo)
    assert Counter(row["outcome"] for row in rows) == outcomes
    assert books(rows) == {name: bank.tokens[name] for name in COUNTED}
    assert sum(row["attempts"] for row in rows) == bank.attempts == len(upstream.seen)
    assert report["requests"] == len(todo)
    assert {name: report[name] for name in COUNTED} == books(rows)
    assert report["cost_uusd"] == sum(row["cost_uusd"] or 0 for row in rows) > 0
    assert server.gateway.memory.status()["dropped_requests"] == 0


async def test_the_ledger_is_what_the_upstream_counted(
    database: str, upstream: Upstream, proxy: Proxy, tmp_path: Path
) -> None:
    await _bank(160, database, upstream, proxy, tmp_path)


@pytest.mark.chaos
async def test_a_long_ledger_is_what_the_upstream_counted(
    database: str, upstream: Upstream, proxy: Proxy, tmp_path: Path
) -> None:
    await _bank(5000, database, upstream, proxy, tmp_path)


async def _killed(total: int, kills: int, database: str, upstream: Upstream, folder: Path) -> None:
    bank, rng = Bank(random.Random(4)), random.Random(6)
    upstream.choose = bank.choose
    todo = errands(total, random.Random(7))
    server = Killable(folder, toml(upstream, database))
    ids: list[str] = []
    share = len(todo) // (kills + 1)
    for round_ in range(kills + 1):
        await server.start()
        part = todo[round_ * share :] if round_ == kills else todo[round_ * share :][:share]
        if round_ == kills:
            ids += await send(server.url, part, bank)
            continue
        sending = asyncio.create_task(_send(server.url, part, bank, ids))
        await asyncio.sleep(rng.uniform(0.05, 0.4))
        await server.kill()
        await sending
    await server.stop()
    rows = await rows_in(database, server.data_dir)
    found = {row["request_id"]: row for row in rows}
    assert len(found) == len(rows) <= len(todo)
    assert set(ids) <= set(found), "a request that was answered has no row"
    assert {row["outcome"] for row in rows} <= {*OUTCOMES.values(), "interrupted"}
    asked, booked = len(upstream.seen), sum(row["attempts"] for row in rows)
    assert asked <= booked <= asked + kills * CLIENTS
    told = [row for row in rows if row["outcome"] != "interrupted"]
    assert all(books(told)[name] <= bank.tokens[name] for name in COUNTED)
    assert server.journal_left() == []


async def test_a_server_that_is_killed_loses_no_row(
    database: str, upstream: Upstream, tmp_path: Path
) -> None:
    await _killed(200, 2, database, upstream, tmp_path)


@pytest.mark.chaos
async def test_a_server_that_is_killed_often_loses_no_row(
    database: str, upstream: Upstream, tmp_path: Path
) -> None:
    await _killed(4000, 12, database, upstream, tmp_path)


async def test_requests_in_flight_at_a_kill_end_as_interrupted(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.choose = lambda _: lambda _: [End.HANG]
    server = Killable(tmp_path, toml(upstream, ""))
    await server.start()
    async with client() as session:
        hanging = [
            asyncio.create_task(session.post(f"{server.url}/v1/responses", json=asking()))
            for _ in range(20)
        ]
        await until(lambda: len(upstream.seen) == 20)
        await server.kill()
        await asyncio.gather(*hanging, return_exceptions=True)
    await server.start()
    await server.kill()  # what the second life began, the third must not do again
    await server.start()
    await server.stop()
    rows = await rows_in("", server.data_dir)
    assert [row["outcome"] for row in rows] == ["interrupted"] * 20
    assert sum(row["attempts"] for row in rows) == 20
    assert {row["account"] for row in rows} <= set(ACCOUNTS)


async def test_a_client_that_leaves_is_drained_where_its_plan_says_so(
    upstream: Upstream, proxy: Proxy, tmp_path: Path
) -> None:
    bank = Bank(random.Random(4))
    upstream.choose = bank.choose
    plan = (
        '\n[plans.p]\non_disconnect = "drain"\ndrain_tokens = 1000\n'
        '[[keys]]\nname = "k"\nplan = "p"\nkey = "drained-key-0001"\n'
    )
    server = await proxy(toml(upstream, "", plan))
    headers = {"Authorization": "Bearer drained-key-0001"}
    async with aiohttp.ClientSession(headers=headers) as session:
        body = Errand("complete", 0, 1).body
        async with session.post(f"{server.url}/v1/responses", json=body) as answer:
            await answer.content.readany()
    await until(lambda: not server.gateway.deliveries and not server.gateway.behind.tasks)
    await server.gateway.memory.flush()
    (row,) = await rows_in("", tmp_path / "data-0")
    assert row["usage_from"] == "upstream"
    assert {name: row[name] for name in COUNTED} == {name: bank.tokens[name] for name in COUNTED}
    assert row["key"] == "k"
