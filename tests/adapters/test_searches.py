"""Searching a store: the same as searching a list, along an index, within its time."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, text

from lb.adapters.stores import Store, StoreAway, TooSlow
from lb.adapters.stores.adding import add_rows
from lb.adapters.stores.searches import _page, request, search
from lb.core.book import Row, columns
from lb.core.ledger import Tokens
from lb.core.search import OUTCOMES, Cursor, Search, next_after
from tests.databases import opened

NOW = 1_800_000_000.0
HOSTILE = "%' OR 1=1 --"


@pytest.fixture
async def store(database: str, tmp_path: Path) -> AsyncIterator[Store]:
    one = opened(database, tmp_path)
    yield one
    await one.close()


def rows(number: int) -> list[Row]:
    chance = Random(number)
    return [
        Row(
            f"req_{n:05}",
            NOW - n // 3,  # three at a time share an instant
            key=chance.choice(["alice", "bob", HOSTILE]),
            account=chance.choice("abc"),
            model_asked=chance.choice(["gpt-5.5", "o3"]),
            tokens=Tokens(n, 0, 1, 0, "upstream"),
            cost_uusd=n or None,
            outcome=chance.choice([*OUTCOMES, "completed", "completed"]),
        )
        for n in range(number)
    ]


async def filled(store: Store, number: int = 200) -> list[dict[str, Any]]:
    """The rows of a store as they are told, newest first."""
    made = rows(number)
    await store.run(lambda connection: add_rows(connection, made))
    told = [columns(row) for row in made]
    for row in told:
        del row["day"]
    return sorted(told, key=lambda row: (row["at"], row["request_id"]), reverse=True)


async def found(store: Store, wanted: Search) -> list[dict[str, Any]]:
    return await store.look(lambda connection: search(connection, wanted))


@pytest.mark.parametrize(
    "wanted",
    [
        Search(),
        Search(key="alice"),
        Search(key=HOSTILE),
        Search(key="%"),
        Search(account="a", model="o3"),
        Search(key="alice", account="a", model="o3"),
        Search(key="bob", model="o3", outcome="completed"),
        Search(outcome="completed"),
        Search(outcome="failed", key="bob"),
        Search(since=NOW - 30, until=NOW - 10),
        Search(model="o3", limit=7),
    ],
)
async def test_a_store_finds_what_a_list_would(store: Store, wanted: Search) -> None:
    everything = await filled(store)
    assert await found(store, wanted) == wanted.of(everything)


async def test_pages_put_together_are_everything_once(store: Store) -> None:
    everything = await filled(store)
    told: list[dict[str, Any]] = []
    after: Cursor | None = None
    while True:
        page = await found(store, Search(limit=7, after=after))
        told += page
        cursor = next_after(page, 7)
        if cursor is None:
            break
        after = Cursor.read(cursor)
    assert told == everything


async def test_one_request_is_found_by_its_id(store: Store) -> None:
    everything = await filled(store, 3)
    assert await store.look(lambda c: request(c, "req_00001")) == everything[1]
    assert await store.look(lambda c: request(c, "req_%")) is None


async def test_a_question_may_not_write(store: Store) -> None:
    await filled(store, 3)
    with pytest.raises(StoreAway):
        await store.look(lambda c: c.execute(text("DELETE FROM ledger")))
    assert len(await found(store, Search())) == 3


async def test_a_question_that_takes_too_long_is_cut_and_nothing_waits_for_it(
    store: Store,
) -> None:
    await filled(store, 300)
    endless = text("SELECT count(*) FROM ledger a, ledger b, ledger c, ledger d")
    begun = time.monotonic()
    asked = asyncio.create_task(store.look(lambda c: c.execute(endless).all(), 0.3))
    await asyncio.sleep(0.05)
    await store.run(lambda connection: add_rows(connection, []))
    assert time.monotonic() - begun < 0.3, "what is written does not wait"
    with pytest.raises(TooSlow):
        await asked
    assert time.monotonic() - begun < 3
    assert len(await found(store, Search(limit=1))) == 1, "the next question is answered"


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Search(), "ledger_at"),
        (Search(key="alice"), "ledger_key_at"),
        (Search(account="a"), "ledger_account_at"),
        (Search(model="o3"), "ledger_model_at"),
        (Search(key="alice", account="a", model="o3"), "ledger_key_at"),
        (Search(account="a", model="o3"), "ledger_account_at"),
        (Search(key="alice", outcome="completed"), "ledger_key_at"),
        (Search(key="alice", outcome="failed"), "ledger_outcome_at"),
        (Search(outcome="failed"), "ledger_outcome_at"),
        (Search(outcome="completed"), "ledger_at"),
    ],
)
async def test_every_search_walks_along_an_index(
    wanted: Search, index: str, tmp_path: Path
) -> None:
    store = opened("", tmp_path)

    def plan(connection: Connection) -> str:
        compiled = _page(wanted, guesses=True).compile(
            dialect=connection.dialect, compile_kwargs={"literal_binds": True}
        )
        return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all())

    await filled(store)
    told = await store.look(plan)
    await store.close()
    assert f"INDEX {index} " in told or f"INDEX {index}'" in told
