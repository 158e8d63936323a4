"""What the dashboard asks of a long ledger, and whether anybody waits for it."""

import asyncio
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter, process_time, thread_time, time
from typing import Any

from sqlalchemy import Connection

from bench.parts import asked
from bench.rig import Rig
from bench.tables import Table, middle
from lb.adapters.ids import request_id
from lb.adapters.stores import Store, open_store
from lb.adapters.stores.adding import add_rows
from lb.adapters.stores.searches import request, search
from lb.adapters.stores.statements import usage
from lb.core.book import Row
from lb.core.ledger import Tokens
from lb.core.reports import BY, Query
from lb.core.search import OUTCOMES, Cursor, Search

NOW = time()
DAYS = 89  # what is older than 90 is forgotten as soon as a server runs
BATCH = 20_000
KEYS, ACCOUNTS, MODELS = 40, 12, 8
Question = Callable[[Connection], Any]


def measure(rig: Rig) -> list[Table]:
    """A million rows (a tenth of them with --quick) in SQLite."""
    rows, times = (100_000, 40) if rig.quick else (1_000_000, 200)
    with tempfile.TemporaryDirectory() as folder:
        tables = asyncio.run(_measured(Path(folder), rows, times))
        return [*tables, asked.compared(rig, Path(folder, "lb.sqlite3"), rows)]


async def _measured(folder: Path, rows: int, times: int) -> list[Table]:
    table = Table(
        f"The dashboard's questions of {rows:,} requests (SQLite), ms",
        ["", "p50", "p95", "worst", "event loop late by, p99"],
        f"{KEYS} keys, {ACCOUNTS} accounts, {MODELS} models, {DAYS} days; asked {times} times.",
    )
    store = open_store(None, folder)
    chance = Random(1)
    for first in range(0, rows, BATCH):
        batch = [_row(chance, n, rows) for n in range(first, min(rows, first + BATCH))]
        await store.run(partial(add_rows, rows=batch))
    for words, question in _questions(chance, rows).items():
        took, late = await _asked(store, question, times)
        table.add(words, *(f"{1000 * value:.1f}" for value in (*took, late)))
    adding = Table("Rows added to it, CPU of a row, µs", ["rows at a time", "", "with its commit"])
    for number in (20, 200, 2000):
        each = [await _added(store, chance, number, turn) for turn in range(20)]
        adding.add(number, *(f"{middle(cost):.1f}" for cost in zip(*each, strict=True)))
    await store.close()
    return [table, adding]


async def _added(store: Store, chance: Random, number: int, turn: int) -> tuple[float, float]:
    """CPU µs for each of ``number`` rows of one batch: of the statements, of the whole process.

    A second's worth; each request came up to ten seconds before its row.
    """
    batch = [_row(chance, n, number) for n in range(number)]
    for row in batch:
        row.at = NOW + turn - 10 * chance.random()
        row.request_id = request_id(row.at)
    spent_s: list[float] = []

    def adds(connection: Connection) -> None:
        began = thread_time()
        add_rows(connection, batch)
        spent_s.append(thread_time() - began)

    began = process_time()
    await store.run(adds)
    return 1e6 * spent_s[0] / number, 1e6 * (process_time() - began) / number


def _row(chance: Random, number: int, rows: int) -> Row:
    skewed = int(KEYS * chance.random() ** 3)  # few keys ask most
    return Row(
        f"req_{number:08}",
        NOW - DAYS * 86400 * (1 - number / rows),
        key=f"key-{skewed}",
        account=f"account-{chance.randrange(ACCOUNTS)}",
        model_asked=f"model-{int(MODELS * chance.random() ** 2)}",
        tokens=Tokens(1000, 500, 100, 0, "upstream"),
        cost_uusd=1000,
        attempts=1,
        outcome=chance.choice(OUTCOMES) if chance.random() < 0.02 else "completed",
    )


def _questions(chance: Random, rows: int) -> dict[str, Callable[[], Question]]:
    """What a page asks, each time of somebody else."""

    def found(**told: Callable[[], Any]) -> Callable[[], Question]:
        def question() -> Question:
            wanted = Search(limit=100, **{name: value() for name, value in told.items()})
            return lambda connection: search(connection, wanted)

        return question

    def report(by: str, days: int) -> Callable[[], Question]:
        query = Query(by, NOW - days * 86400 + 4321.0)
        return lambda: lambda connection: usage(connection, query)

    def one() -> Question:
        return lambda connection: request(connection, f"req_{chance.randrange(rows):08}")

    def some(what: str, many: int) -> Callable[[], str]:
        return lambda: f"{what}-{chance.randrange(many)}"

    def far_back() -> Cursor:
        return Cursor(NOW - chance.random() * DAYS * 86400, "req_")

    key, model, account = some("key", KEYS), some("model", MODELS), some("account", ACCOUNTS)
    return {
        "the newest requests": found(),
        "of a key": found(key=key),
        "of an account": found(account=account),
        "of a model": found(model=model),
        "that failed": found(outcome=lambda: "failed"),
        "of a key, a model and an account": found(key=key, model=model, account=account),
        "of a key, that failed": found(key=key, outcome=lambda: "failed"),
        "of a key nobody has": found(key=lambda: "nobody"),
        "a page far back": found(after=far_back),
        "one request": one,
        **{f"usage of a month by {by}": report(by, 30) for by in BY},
        "usage of a day by key": report("key", 1),
    }


async def _asked(
    store: Store, question: Callable[[], Question], times: int
) -> tuple[tuple[float, float, float], float]:
    """(p50, p95, worst) of the answers, and how late the event loop was meanwhile (seconds)."""
    lags: list[float] = []
    watch = asyncio.create_task(_watched(lags))
    took = []
    for _ in range(times):
        began = perf_counter()
        await store.look(question(), 30.0)
        took.append(perf_counter() - began)
    watch.cancel()
    took.sort()
    lags = sorted(lags) or [0.0]
    return (_at(0.5, took), _at(0.95, took), took[-1]), _at(0.99, lags)


def _at(share: float, values: list[float]) -> float:
    """The value below which that share of the sorted ``values`` is."""
    return values[min(len(values) - 1, int(share * len(values)))]


async def _watched(lags: list[float]) -> None:
    while True:
        due = perf_counter() + 0.001
        await asyncio.sleep(0.001)
        lags.append(max(0.0, perf_counter() - due))
