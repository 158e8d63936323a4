"""Reports from sums: the same as adding up every row, however it was cut, added or migrated."""

from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, create_engine, func, inspect, select, text

from lb.adapters.stores import Store
from lb.adapters.stores.adding import WIDEST, add_rows
from lb.adapters.stores.migrations import HEAD, migrate, version_of
from lb.adapters.stores.postgresql import _engine
from lb.adapters.stores.statements import forget, spent, usage
from lb.adapters.stores.tables import daily, sums
from lb.core.book import DAY_S, SUMS, Row, columns, day_of
from lb.core.ledger import Tokens
from lb.core.reports import BY, HOUR_S, Query, date_of, parts
from tests.databases import opened

TODAY = 20_000
DAYS = 4

instants = some.one_of(
    some.integers(0, DAYS * 24).map(lambda hour: TODAY * DAY_S + hour * HOUR_S),
    some.floats(TODAY * DAY_S, (TODAY + DAYS) * DAY_S),
)
rows = some.builds(
    lambda at, names, tokens, cost, attempts: Row(
        "",
        at,
        key=names[0],
        account=names[1],
        model_asked=names[2],
        tokens=tokens,
        cost_uusd=cost,
        attempts=attempts,
        outcome="completed",
    ),
    at=instants,
    names=some.tuples(some.sampled_from("kl"), some.sampled_from("ab"), some.sampled_from("mno")),
    tokens=some.builds(
        Tokens,
        some.integers(0, 1 << 40),
        some.integers(0, 9),
        some.integers(0, 9),
        some.integers(0, 9),
        some.sampled_from(["upstream", "none"]),
    ),
    cost=some.none() | some.integers(0, 1 << 40),
    attempts=some.integers(0, 3),
)
cuts = some.tuples(some.none() | instants, some.none() | instants)


def added_up(told: Iterable[dict[str, Any]], query: Query) -> dict[Any, dict[str, int]]:
    """What a report says of rows, one at a time."""
    found: dict[Any, dict[str, int]] = {}
    for row in told:
        if (query.since or 0) <= row["at"] < (query.until or 1e12):
            by = {"model": row["model_asked"], "day": date_of(day_of(row["at"]))}
            total = found.setdefault(by.get(query.by, row.get(query.by)), dict.fromkeys(SUMS, 0))
            counted = {**row, "requests": 1, "cost_uusd": row["cost_uusd"] or 0}
            counted["unpriced"] = row["cost_uusd"] is None and row["usage_from"] != "none"
            for name in SUMS:
                total[name] += counted[name]
    return found


def numbered(given_: list[Row], first: int = 0) -> list[Row]:
    for number, row in enumerate(given_, first):
        row.request_id = f"req_{number}"
    return given_


def _empty(connection: Connection, table: str) -> None:
    connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608


def _drop(connection: Connection, table: str) -> None:
    connection.execute(text(f"DROP TABLE {table}"))


async def emptied(store: Store) -> None:
    for table in ("ledger", "sums", "daily"):
        await store.run(partial(_empty, table=table))


async def test_a_report_is_the_sum_of_its_rows(database: str, tmp_path: Path) -> None:
    store = opened(database, tmp_path)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(some.lists(rows, max_size=30), some.integers(1, 30), some.lists(cuts, max_size=4))
    async def holds(given_: list[Row], batch: int, asked: list[tuple[Any, Any]]) -> None:
        await emptied(store)
        numbered(given_)
        for first in range(0, len(given_), batch):  # each batch says some of the last again
            some_rows = given_[max(0, first - 2) : first + batch]
            await store.run(partial(add_rows, rows=some_rows))
        told = [columns(row) for row in given_]
        for by, (since, until) in ((by, cut) for by in BY for cut in [*asked, (None, None)]):
            query = Query(by, since, until)
            report = await store.run(partial(usage, query=query))
            expected = added_up(told, query)
            assert {row.pop(by): row for row in report["rows"]} == expected
            for name in SUMS:
                assert report[name] == sum(total[name] for total in expected.values())

    await _each(holds)
    await store.close()


async def _each(holds: Any) -> None:
    """Run an asynchronous property in the loop there is."""
    import asyncio

    loop, inner = asyncio.get_running_loop(), holds.hypothesis.inner_test

    def now(*args: Any, **kwargs: Any) -> None:
        asyncio.run_coroutine_threadsafe(inner(*args, **kwargs), loop).result()

    holds.hypothesis.inner_test = now
    await asyncio.to_thread(holds)


@pytest.mark.parametrize("number", [1, 2, WIDEST - 1, WIDEST, 3 * WIDEST + 5])
async def test_a_batch_of_any_size_is_added_once(
    number: int, database: str, tmp_path: Path
) -> None:
    store = opened(database, tmp_path)
    made = numbered([Row("", TODAY * DAY_S + n, key=f"k{n % 3}") for n in range(number)])
    for _ in range(2):
        await store.run(lambda connection: add_rows(connection, made))
    report = await store.run(lambda connection: usage(connection, Query("key")))
    assert report["requests"] == number
    (told, *_) = await store.run(lambda connection: spent(connection, TODAY * DAY_S))
    assert told.requests == -(-number // 3)
    await store.close()


async def test_sums_can_be_made_anew_from_what_is_kept(database: str, tmp_path: Path) -> None:
    """Days are in the sums, and again as rows or, where those are gone, in full."""
    store = opened(database, tmp_path)
    made = numbered([Row("", (TODAY + n / 7) * DAY_S, key=f"k{n % 3}") for n in range(50)])
    await store.run(lambda connection: add_rows(connection, made))
    before = await store.run(lambda connection: usage(connection, Query("day")))
    assert await store.run(lambda connection: forget(connection, TODAY + 3)) == 21
    await store.run(lambda connection: add_rows(connection, made[:3]))  # late ones, of a gone day
    await store.run(lambda connection: forget(connection, TODAY + 4))

    def kept(connection: Connection) -> tuple[int, int, int]:
        full = connection.scalar(select(func.sum(daily.c.requests)))
        hours = select(func.sum(sums.c.requests), func.min(sums.c.number))
        number, first = connection.execute(hours.where(sums.c.span_s == HOUR_S)).one()
        return int(full), int(number) // len(("key", "account", "model")), first

    assert await store.run(kept) == (28 + 3, 22, (TODAY + 4) * 24)
    after = await store.run(lambda connection: usage(connection, Query("day")))
    assert after["requests"] == before["requests"] + 3
    await store.close()


@given(cut=cuts, kept_from=some.none() | some.integers(TODAY - 1, TODAY + DAYS))
def test_the_parts_of_a_report_are_the_whole_of_it_once(
    cut: tuple[float | None, float | None], kept_from: int | None
) -> None:
    since, until = cut
    if since is not None and until is not None and since > until:
        since, until = until, since
    told = parts(Query("key", since, until), kept_from)
    spans = [(each[0] * HOUR_S, each[1] * HOUR_S) for each in told.hours] + list(told.rows)
    first, last = told.days
    begin, end = (first or 0) * DAY_S, (last if last is not None else TODAY + DAYS + 1) * DAY_S
    if begin < end:
        spans.append((begin, end))
    spans.sort()
    assert all(a[1] == b[0] for a, b in pairwise(spans)), "no gap, no overlap"
    assert all(end - begin < HOUR_S for begin, end in told.rows)
    if spans and kept_from is not None and kept_from < TODAY:
        assert spans[0][0] == (since or 0)
        assert spans[-1][1] == (until if until is not None else (TODAY + DAYS + 1) * DAY_S)


def _of_version_3(connection: Connection, told: list[dict[str, Any]]) -> None:
    """A store as version 3 left it: two days are gone but for their sums, one in part."""
    migrate(connection, "0003")
    for row in told:
        days = {"model": row["model_asked"], "requests": 1} | {
            "unpriced": int(row["cost_uusd"] is None and row["usage_from"] != "none"),
            "cost_uusd": row["cost_uusd"] or 0,
        }
        full = {name: (row | days)[name] for name in ("day", "key", "account", "model", *SUMS)}
        more = ", ".join(f"{name} = daily.{name} + excluded.{name}" for name in SUMS)
        into = _into("daily", full) + " ON CONFLICT (day, key, account, model) DO UPDATE SET "
        connection.execute(text(into + more), full)
        if row["at"] >= (TODAY + 1.5) * DAY_S:
            connection.execute(text(_into("ledger", row)), row)


def _into(table: str, row: dict[str, Any]) -> str:
    given_ = ", ".join(f":{name}" for name in row)
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({given_})"  # noqa: S608


def _indexes(connection: Connection) -> Any:
    """Every index as the store itself tells it."""
    if connection.dialect.name == "postgresql":
        asked = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
        schema = str(connection.scalar(text("SELECT current_schema()")))
        found = connection.execute(text(asked))
        return sorted((name, told.replace(schema, "")) for name, told in found)
    asked = "SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name"
    return [tuple(row) for row in connection.execute(text(asked))]


def _shape(connection: Connection) -> Any:
    """What there is: each table's columns and key, each index."""
    there = inspect(connection)
    tables = {
        name: (
            [(column["name"], str(column["type"])) for column in there.get_columns(name)],
            there.get_pk_constraint(name)["constrained_columns"],
        )
        for name in sorted(there.get_table_names())
    }
    return tables, _indexes(connection), version_of(connection)


async def _started(database: str, folder: Path, work: Any) -> None:
    """Do ``work`` to a database nobody has opened yet."""
    if database:
        engine = _engine(database)
        async with engine.begin() as connection:
            await connection.run_sync(work)
        await engine.dispose()
        return
    plain = create_engine(f"sqlite:///{folder / 'lb.sqlite3'}")
    with plain.begin() as connection_:
        work(connection_)
    plain.dispose()


async def test_an_older_store_says_the_same_after_it_is_migrated(
    database: str, tmp_path: Path
) -> None:
    made = numbered([Row("", (TODAY + n / 5) * DAY_S, key=f"k{n % 3}") for n in range(30)])
    for row in made[::4]:
        row.tokens, row.cost_uusd = Tokens(3, 2, 1, 0, "upstream"), 7
    told = [columns(row) for row in made]
    await _started(database, tmp_path, lambda connection: _of_version_3(connection, told))
    store = opened(database, tmp_path)
    for by in BY:
        report = await store.run(partial(usage, query=Query(by)))
        assert {row.pop(by): row for row in report["rows"]} == added_up(told, Query(by))
    cut = Query("key", (TODAY + 3.21) * DAY_S, (TODAY + 5.33) * DAY_S)
    report = await store.run(lambda connection: usage(connection, cut))
    assert {row.pop("key"): row for row in report["rows"]} == added_up(told, cut)
    gone = await store.run(lambda c: c.scalar(select(func.sum(daily.c.requests))))
    assert gone == sum(row["at"] < (TODAY + 1.5) * DAY_S for row in told)
    assert await store.run(version_of) == HEAD
    await store.close()


async def test_a_store_made_at_once_is_what_the_migrations_make(
    database: str, tmp_path: Path
) -> None:
    folder = tmp_path / "migrated"
    folder.mkdir()

    def migrated(connection: Connection) -> None:
        migrate(connection, "0001")
        migrate(connection)

    await _started(database, folder, migrated)
    store = opened(database, folder)
    shape = await store.run(_shape)
    if database:
        for name in shape[0]:
            await store.run(partial(_drop, table=name))
        await store.close()
        store = opened(database, folder)
    else:
        await store.close()
        store = opened("", tmp_path / "made")
    assert await store.run(_shape) == shape
    await store.close()
