"""What every store does alike: rows once, sums that outlive them, versions, absence."""

import random
import sqlite3
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, Table, func, inspect, select

from lb.adapters.stores import SCHEMES, Store, StoreAway
from lb.adapters.stores.adding import add_rows
from lb.adapters.stores.migrations import HEAD, migrate, settings, version_of
from lb.adapters.stores.statements import (
    forget,
    load_standings,
    save_standings,
    spent,
    usage,
)
from lb.adapters.stores.tables import ledger, metadata, sums
from lb.core.book import DAY_S, SUMS, Row
from lb.core.ledger import Tokens
from lb.core.limits import Spending
from lb.core.reports import Query
from tests.databases import opened

TODAY = 20_000


@pytest.fixture
async def store(database: str, tmp_path: Path) -> AsyncIterator[Store]:
    one = opened(database, tmp_path)
    yield one
    await one.close()


def row(number: int, day: float = TODAY, **fields: Any) -> Row:
    told: dict[str, Any] = {
        "key": "alice",
        "account": "a",
        "model_asked": "gpt-5.5",
        "tokens": Tokens(10, 2, 5, 1, "upstream"),
        "cost_uusd": 100,
        "attempts": 2,
        "outcome": "completed",
    }
    return Row(f"req_{number}", day * DAY_S, **{**told, **fields})


async def add(store: Store, *rows: Row) -> None:
    await store.run(lambda connection: add_rows(connection, rows))


async def counted(store: Store, table: Table) -> int:
    return await store.run(lambda c: c.scalar(select(func.count()).select_from(table)) or 0)


async def report(store: Store, **query: Any) -> dict[str, Any]:
    return await store.run(lambda connection: usage(connection, Query(**query)))


async def test_a_row_that_comes_twice_counts_once(store: Store) -> None:
    await add(store, row(1), row(2))
    await add(store, row(2), row(3))
    told = await report(store)
    assert told["requests"] == 3
    assert told["cost_uusd"] == 300
    assert await counted(store, ledger) == 3


async def test_work_that_fails_leaves_nothing(store: Store) -> None:
    def fails(connection: Connection) -> None:
        add_rows(connection, [row(1)])
        raise LookupError

    with pytest.raises(LookupError):
        await store.run(fails)
    assert (await report(store))["requests"] == 0


@pytest.mark.parametrize("by", ["key", "account", "model", "day"])
async def test_a_report_adds_up_by_whatever_one_asks(store: Store, by: str) -> None:
    rows = [
        row(number, TODAY + number % 2, key=f"key-{number % 2}", account=f"acc-{number % 2}")
        for number in range(10)
    ]
    for each in rows[::2]:
        each.model_asked = "o3"
    await add(store, *rows)
    told = await report(store, by=by)
    assert len(told["rows"]) == 2
    for name in SUMS:
        assert told[name] == sum(each[name] for each in told["rows"])
    assert told["attempts"] == 20
    if by == "day":
        assert [each["day"] for each in told["rows"]] == ["2024-10-04", "2024-10-05"]


async def test_a_cost_nobody_knows_is_counted_not_invented(store: Store) -> None:
    await add(store, row(1), row(2, cost_uusd=None))
    told = await report(store)
    assert (told["cost_uusd"], told["unpriced"]) == (100, 1)


async def test_instants_cut_a_report_to_the_second(store: Store) -> None:
    rows = [row(number, TODAY + number / 4) for number in range(16)]  # four days, every 6 hours
    await add(store, *rows)
    rng = random.Random(4)
    for _ in range(30):
        since, until = sorted((TODAY + rng.randint(-1, 20) / 4) * DAY_S for _ in range(2))
        expected = sum(since <= each.at < until for each in rows)
        assert (await report(store, since=since, until=until))["requests"] == expected
    assert (await report(store, since=(TODAY + 1.1) * DAY_S))["requests"] == 11
    assert (await report(store, until=(TODAY + 1.1) * DAY_S))["requests"] == 5


async def test_old_rows_go_and_their_sums_stay(store: Store) -> None:
    await add(store, *(row(number, TODAY + number / 4) for number in range(16)))
    before = await report(store, by="day")
    assert await store.run(lambda connection: forget(connection, TODAY + 2)) == 8
    assert await report(store, by="day") == before
    assert await counted(store, ledger) == 8
    cut = await report(store, since=(TODAY + 1.6) * DAY_S)
    assert cut["requests"] == 12, "a day whose rows are gone counts whole"


async def test_what_keys_have_spent_since_a_day_began(store: Store) -> None:
    await add(store, row(1), row(2, TODAY + 1), row(3, TODAY + 1, key="bob", cost_uusd=None))
    found = await store.run(lambda connection: spent(connection, (TODAY + 1) * DAY_S))
    assert sorted(found, key=lambda each: each.key) == [
        Spending("alice", 1, 15, 100),
        Spending("bob", 1, 15, 0),
    ]


async def test_the_standing_of_an_account_is_the_one_saved_last(store: Store) -> None:
    for at in (1.0, 2.0):
        batch = {"a": {"saved_at": at, "limit": at}}
        await store.run(partial(save_standings, standings=batch))
    assert await store.run(load_standings) == {"a": {"saved_at": 2.0, "limit": 2.0}}


async def test_an_empty_store_becomes_what_the_tables_say(store: Store) -> None:
    def differences(connection: Connection) -> list[Any]:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await store.run(version_of) == HEAD
    assert await store.run(differences) == []


def test_the_newest_version_is_the_one_that_is_wanted() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(settings()).get_current_head() == HEAD


async def test_a_store_of_version_1_keeps_its_standings(database: str, tmp_path: Path) -> None:
    """For SQLite one from before there were migrations: no table says its version."""
    if database:
        connection = await asyncpg.connect(database)
        await connection.execute(
            "CREATE TABLE standing (account TEXT PRIMARY KEY, saved_at DOUBLE PRECISION NOT NULL,"
            " told TEXT NOT NULL); INSERT INTO standing VALUES ('a', 7, '{\"saved_at\":7.0}');"
            "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);"
            "INSERT INTO alembic_version VALUES ('0001')"
        )
        await connection.close()
    else:
        with sqlite3.connect(tmp_path / "lb.sqlite3") as old:
            old.execute(
                "CREATE TABLE standing (account TEXT PRIMARY KEY, saved_at REAL NOT NULL,"
                " told TEXT NOT NULL) STRICT"
            )
            old.execute("INSERT INTO standing VALUES ('a', 7, '{\"saved_at\":7.0}')")
        old.close()
    store = opened(database, tmp_path)
    assert await store.run(load_standings) == {"a": {"saved_at": 7.0}}
    await add(store, row(1))
    tables = await store.run(lambda connection: inspect(connection).get_table_names())
    assert {"standing", "ledger", "daily", "client_keys", "alembic_version"} <= set(tables)
    await store.run(migrate)
    await store.close()


async def test_servers_that_start_together_migrate_once(database: str, tmp_path: Path) -> None:
    import asyncio

    stores = [opened(database, tmp_path) for _ in range(4)]
    await asyncio.gather(*(add(each, row(number % 2)) for number, each in enumerate(stores)))
    assert (await report(stores[0]))["requests"] == 2
    for each in stores:
        await each.close()


async def test_a_store_that_is_not_there_says_so(tmp_path: Path) -> None:
    away = opened("postgresql://127.0.0.1:1/nowhere", tmp_path)
    with pytest.raises(StoreAway):
        await report(away)
    await away.close()
    (tmp_path / "lb.sqlite3").write_bytes(b"this is no database at all" * 100)
    broken = opened("", tmp_path)
    with pytest.raises(StoreAway, match="not a database"):
        await report(broken)
    await broken.close()


async def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    store = opened("", tmp_path)
    await add(store, row(1))
    assert modes(tmp_path) == {0o600}
    await store.close()


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_every_scheme_opens(tmp_path: Path) -> None:
    assert {opened(f"{name}://" if name else "", tmp_path).name for name in SCHEMES} == {
        "sqlite",
        "postgresql",
    }


@pytest.mark.chaos
async def test_reports_on_a_million_rows_are_fast(store: Store) -> None:
    rng = random.Random(1)
    for batch in range(200):
        rows = [
            row(batch * 5000 + number, TODAY + rng.random() * 90, key=f"key-{rng.randrange(50)}")
            for number in range(5000)
        ]
        await add(store, *rows)
    assert await counted(store, sums) > 1000
    for query in ({"by": "day"}, {"by": "key", "since": (TODAY + 3.3) * DAY_S}):
        began = time.monotonic()
        told = await report(store, **query)
        took_s = time.monotonic() - began
        print(f"{store.name}: {query}: {told['requests']} requests in {took_s * 1000:.0f} ms")  # noqa: T201  # a measurement
        assert took_s < 0.5
