"""Client keys in the store, on every kind of database."""

from pathlib import Path

import pytest
from attrs import evolve

from lb.adapters.stores.client_keys import ClientKeys
from lb.config import Config
from lb.core.errors import Problem
from lb.core.keyring import Record
from lb.proxy.keys import Keys, keys_in
from tests import databases

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
        await kept.put(record)
    assert [evolve(record, changed_at=0) for record in await kept.load()] == [first, second]
    before = await kept.revision()
    turned = evolve(first, digest=b"1" * 32, old_digest=first.digest, old_prefix="x", old_until=NOW)
    await kept.put(turned)
    assert await kept.revision() != before
    assert evolve((await kept.load())[0], changed_at=0) == turned
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
