"""A store that is slow or away stops no request: rows wait in the journal, and it is said."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lb.adapters.stores import StoreAway
from lb.core.ledger import Admitted, Settled, Tokens
from lb.core.reports import Query
from tests.clients import WITHIN_S, ask, asking, get, pool
from tests.conftest import Proxy
from tests.databases import rows_in
from tests.scripted import Upstream


class Away:
    """Stands before a store and lets nothing through until it is back."""

    name = "away"

    def __init__(self, store: Any) -> None:
        self.store = store
        self.back = False

    async def run(self, work: Callable[[Any], Any]) -> Any:
        if not self.back:
            raise StoreAway("scripted")
        return await self.store.run(work)

    async def look(self, work: Callable[[Any], Any]) -> Any:
        if not self.back:
            raise StoreAway("scripted")
        return await self.store.look(work)

    async def close(self) -> None:
        await self.store.close()


async def test_rows_wait_in_the_journal_until_the_store_is_back(
    upstream: Upstream, proxy: Proxy, tmp_path: Path
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    memory = server.gateway.memory
    away = memory.store = Away(memory.store)
    for _ in range(5):
        assert (await ask(server.url, asking())).status == 200
        await memory.flush(now=True)
    told = (await get(server.url, "/admin/status"))["ledger"]
    assert "scripted" in told["trouble"]
    assert told["journal_bytes"] > 500
    assert (await get(server.url, "/ready")) == {"status": "ready", "store": "away"}
    with pytest.raises(StoreAway):
        await memory.usage(Query())
    away.back = True
    assert (await memory.usage(Query()))["requests"] == 5
    assert (await get(server.url, "/ready"))["store"] == "ok"
    assert memory.journal.size == 0
    assert len(await rows_in("", tmp_path / "data-0")) == 5


async def test_a_postgresql_that_is_not_there_stops_nothing(
    upstream: Upstream, proxy: Proxy
) -> None:
    """Keys of the file open; whether the store has others nobody knows, so no key opens nothing."""
    extra = 'database = "postgresql://127.0.0.1:1/nowhere"'
    keys = '\n[[keys]]\nname = "k"\nkey = "a-key-of-the-file-0001"\n'
    server = await proxy(pool({"a": upstream.url}, extra=extra) + keys)
    headers = {"Authorization": "Bearer a-key-of-the-file-0001"}
    async with aiohttp.ClientSession(headers=headers) as session:
        assert (await ask(server.url, asking(), session)).status == 200
    assert (await get(server.url, "/ready"))["store"] == "away"


async def test_a_full_journal_goes_on_without_rows_and_counts_them(
    upstream: Upstream, proxy: Proxy, tmp_path: Path
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    memory = server.gateway.memory
    away = memory.store = Away(memory.store)
    assert (await ask(server.url, asking())).status == 200
    memory.journal.limit = 1
    for _ in range(3):
        assert (await ask(server.url, asking())).status == 200
    assert (await get(server.url, "/admin/status"))["ledger"]["dropped_requests"] == 3
    away.back = True
    await memory.flush(now=True)
    assert (await ask(server.url, asking())).status == 200
    assert (await memory.usage(Query()))["requests"] == 2
    assert len(await rows_in("", tmp_path / "data-0")) == 2


async def test_a_disk_that_is_full_for_a_while_costs_no_row_of_those_let_in(
    upstream: Upstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = (await proxy(pool({"a": upstream.url}))).gateway.memory
    memory.note(Admitted("r", 1000.0, "k", "m"))

    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as scripted:
        scripted.setattr(memory.journal, "append", full)
        memory.note(Settled("r", "a", "m", Tokens(), None, 1, 0, None, 5, "completed"))
        memory.note(Admitted("s", 1000.0, "k", "m"))
        assert "No space left" in memory.trouble
    assert memory.dropped == 1
    assert (await memory.usage(Query()))["requests"] == 1


async def test_a_slow_store_keeps_nobody_waiting(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    memory = server.gateway.memory
    run, gate = memory.store.run, asyncio.Event()

    async def slow(work: Callable[[Any], Any]) -> Any:
        await gate.wait()
        return await run(work)

    memory.store.run = slow
    async with asyncio.timeout(WITHIN_S):
        for _ in range(5):
            assert (await ask(server.url, asking())).status == 200
    gate.set()
    assert (await memory.usage(Query()))["requests"] == 5


async def test_old_rows_are_rolled_up_by_the_clock(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    await ask(server.url, asking())
    memory = server.gateway.memory
    before = await memory.usage(Query("model"))
    await memory.forget(keep_days=-2)  # as if it were the day after tomorrow
    assert await memory.usage(Query("model")) == before


async def test_the_report_of_the_admin_api(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    await ask(server.url, asking())
    await ask(server.url, asking(stream=True, reasoning={"effort": "high"}))
    for by, name in (("key", ""), ("account", "a"), ("model", "gpt-5.5")):
        told = await get(server.url, f"/admin/usage?by={by}&since=1d")
        (row,) = told["rows"]
        assert row[by] == name
        assert row["requests"] == told["requests"] == told["attempts"] == 2
        assert told["output_tokens"] > 0
        assert told["cost_uusd"] > 0
    assert (await get(server.url, "/admin/usage?until=2001-01-01"))["requests"] == 0


@pytest.mark.parametrize("query", ["by=colour", "since=soon", "until=-1x"])
async def test_a_report_nobody_can_make_is_refused(
    query: str, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    url = f"{server.url}/admin/usage?{query}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == query.partition("=")[0]
