"""Client keys in the store, on every kind of database."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import Connection
from sqlalchemy.util import await_only

from lb.adapters.stores.client_keys import ClientKeys
from lb.config import Config
from lb.core.errors import Problem
from lb.core.keyring import Record
from lb.proxy.keys import MOST_TRIES, Keys, keys_in
from tests import databases
from tests.clients import WITHIN_S

NOW = 1_760_000_000.0


async def test_a_record_comes_back_as_it_was_put(database: str, tmp_path: Path) -> None:
    store = databases.opened(database, tmp_path)
    kept = ClientKeys(store)
    assert await kept.load() == []
    first = Record(
        "alice", b"\0" * 32, "sk-lb-abcdef", "team", {"rpm": 5, "models": ["gpt-*"]}, NOW
    )
    second = evolve(first, name="bob", digest=b"\xff" * 32, disabled=True)
    for record in (first, second):
        assert await kept.put(record)
    assert [evolve(record, changed_at=0) for record in await kept.load()] == [first, second]
    before = await kept.revision()
    turned = evolve((await kept.load())[0], digest=b"1" * 32, old_digest=first.digest)
    turned = evolve(turned, old_prefix="x", old_until=NOW)
    assert await kept.put(turned)
    assert await kept.revision() != before
    assert evolve((await kept.load())[0], changed_at=turned.changed_at) == turned
    before = await kept.revision()
    await kept.delete("bob")
    assert await kept.revision() != before
    assert [record.name for record in await kept.load()] == ["alice"]
    await store.close()


async def test_what_one_server_changes_another_follows(database: str, tmp_path: Path) -> None:
    stores = [databases.opened(database, tmp_path) for _ in range(2)]
    one, other = (keys_in(store, Config(), lambda: NOW) for store in stores)
    await one.create("alice", limits={"expires": "30d"})
    await other.follow()
    assert other.ring.by_name["alice"].plan.expires_at == NOW + 30 * 86400
    await other.change("alice", {"disabled": True})
    await one.follow()
    assert one.ring.by_name["alice"].note
    with pytest.raises(Problem, match="already"):
        await other.create("alice")
    await one.delete("alice")
    await other.follow()
    assert not other.ring
    for store in stores:
        await store.close()


async def test_a_record_is_written_only_over_the_one_it_was_made_of(
    database: str, tmp_path: Path
) -> None:
    store = databases.opened(database, tmp_path)
    kept = ClientKeys(store)
    new = Record("alice", b"1" * 32, "sk-lb-1", created_at=NOW)
    assert await kept.put(new)
    assert not await kept.put(evolve(new, digest=b"2" * 32)), "it is there by now"
    (seen,) = await kept.load()
    assert await kept.put(evolve(seen, disabled=True))
    assert not await kept.put(evolve(seen, plan="team")), "it is another one by now"
    (record,) = await kept.load()
    assert (record.digest, record.disabled, record.plan) == (b"1" * 32, True, "")
    assert record.changed_at > seen.changed_at
    await kept.delete("alice")
    assert not await kept.put(record), "it is gone by now"
    assert await kept.load() == []
    await store.close()


async def test_a_revision_grows_though_the_clock_of_who_writes_is_behind(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = databases.opened(database, tmp_path)
    kept = ClientKeys(store)
    await kept.put(Record("alice", b"1" * 32, "sk-lb-1"))
    before = await kept.revision()
    (seen,) = await kept.load()
    monkeypatch.setattr("time.time_ns", lambda: 1)
    assert await kept.put(evolve(seen, disabled=True))
    assert await kept.revision() > before
    await store.close()


async def test_who_follows_misses_no_change_that_is_committed_after_a_later_one(
    tmp_path: Path,
) -> None:
    async with databases.schema() as url:
        stores = [databases.opened(url, tmp_path) for _ in range(2)]
        slow, quick = map(ClientKeys, stores)
        for name in ("alice", "bob"):
            await quick.put(Record(name, name.encode(), "sk-lb-1"))
        alice, bob = await quick.load()
        written, go = asyncio.Event(), asyncio.Event()
        run = stores[0].run

        async def until_told() -> None:
            written.set()
            await go.wait()

        async def held(work: Callable[[Connection], Any]) -> Any:
            return await run(lambda connection: (work(connection), await_only(until_told()))[0])

        stores[0].run = held  # type: ignore[method-assign]
        revoking = asyncio.create_task(slow.put(evolve(alice, disabled=True)))
        await asyncio.wait_for(written.wait(), WITHIN_S)
        planning = asyncio.create_task(quick.put(evolve(bob, plan="team")))
        await asyncio.wait([planning], timeout=0.3)  # unless it waits its turn, it is through
        seen = await quick.revision()
        go.set()
        assert all(await asyncio.gather(revoking, planning))
        assert await quick.revision() != seen, "that alice's key opens no longer is never heard of"
        for store in stores:
            await store.close()


async def test_of_two_servers_that_make_a_key_of_one_name_one_does(
    database: str, tmp_path: Path
) -> None:
    stores = [databases.opened(database, tmp_path) for _ in range(2)]
    servers = [keys_in(store, Config(), lambda: NOW) for store in stores]
    for number in range(8):
        name = f"key-{number}"
        told = await asyncio.gather(
            *(server.create(name) for server in servers), return_exceptions=True
        )
        made = [each for each in told if isinstance(each, tuple)]
        (refused,) = (each for each in told if isinstance(each, Problem))
        assert (len(made), refused.status) == (1, 409)
        record, key = made[0]
        for server in servers:
            await server.follow()
            assert server.records[name].digest == sha256(key.reveal().encode()).digest()
            assert server.records[name] == record
    for store in stores:
        await store.close()


async def test_two_changes_of_two_servers_at_once_both_count(database: str, tmp_path: Path) -> None:
    stores = [databases.opened(database, tmp_path) for _ in range(2)]
    one, other = (keys_in(store, Config(), lambda: NOW) for store in stores)
    await one.create("alice", limits={"rpm": 5})
    for number in range(8):
        disabled = number % 2 == 0
        changed, (rotated, key) = await asyncio.gather(
            one.change("alice", {"disabled": disabled, "limits": {"rpd": number + 10}}),
            other.rotate("alice"),
        )
        assert changed.disabled is disabled
        assert rotated.digest == sha256(key.reveal().encode()).digest()
        await one.follow()
        record = one.records["alice"]
        assert (record.digest, record.disabled) == (rotated.digest, disabled)
        assert record.limits == {"rpm": 5, "rpd": number + 10}
    for store in stores:
        await store.close()


async def test_who_never_gets_a_change_through_is_told_so(tmp_path: Path) -> None:
    store = databases.opened("", tmp_path)
    keys, tries = keys_in(store, Config(), lambda: NOW), list[Record]()
    await keys.create("alice")

    async def overtaken(record: Record) -> bool:
        tries.append(record)
        return False

    keys.store = SimpleNamespace(
        put=overtaken, revision=keys.store.revision, load=keys.store.load, delete=keys.store.delete
    )
    with pytest.raises(Problem, match="try again") as told:
        await keys.change("alice", {"disabled": True})
    assert (told.value.status, len(tries)) == (409, MOST_TRIES)
    await store.close()


async def test_what_the_configuration_no_longer_has_opens_nothing(tmp_path: Path) -> None:
    from lb import config

    store = databases.opened("", tmp_path)
    planned = config.parse("[plans.team]\nrpm = 5\n", tmp_path)
    keys: Keys = keys_in(store, planned, lambda: NOW)
    await keys.create("alice", "team")
    assert keys.ring.by_name["alice"].plan.rpm == 5
    keys.take_up(Config())
    assert "not there any more" in keys.ring.by_name["alice"].refusal(NOW)
    keys.take_up(planned)
    assert keys.ring.by_name["alice"].refusal(NOW) == ""
    await store.close()
