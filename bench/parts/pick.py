"""The scheduler's choice alone, in this process: ``pool.pick`` and ``pool.release``."""

from random import Random
from time import perf_counter_ns

from bench.rig import Rig
from bench.tables import Table, spread
from lb.core.account import Account, Ask
from lb.core.events import Measured, Succeeded
from lb.core.pool import LOOK_AT_ALL, Pool
from lb.core.strategies import STRATEGIES
from lb.core.windows import Window

COUNTS = (10, 100, 1000)
NOW = 1_760_000_000.0


def measure(rig: Rig) -> list[Table]:
    """For pools of several sizes, requests of several kinds."""
    asks = {
        "no conversation": Ask(model="gpt-5.5"),
        "a new conversation": Ask(model="gpt-5.5", session="session:new"),
        "a known conversation": Ask(model="gpt-5.5", session="session:known"),
    }
    rows = [(words, ask, "balanced") for words, ask in asks.items()]
    rows += [(name, asks["no conversation"], name) for name in STRATEGIES if name != "balanced"]
    table = Table(
        "The scheduler's choice alone, µs",
        ["", *(f"{count:,} accounts" for count in COUNTS)],
        "Every account has answered before and told two usage windows; strategy *balanced* where"
        " none is named.",
    )
    for words, ask, strategy in rows:
        cells = [_timed(_pool(count, strategy), ask, 1 if rig.quick else 5) for count in COUNTS]
        table.add(words, *(spread(times, "{:.1f}") for times in cells))
    return [table]


def _pool(count: int, strategy: str) -> Pool:
    pool = Pool(STRATEGIES[strategy])
    accounts = [Account(f"account-{n:04}", "openai", max_in_flight=64) for n in range(count)]
    pool.update(accounts)
    for account in accounts:
        windows = (
            Window("requests", 0.01, NOW + 1, 60.0, NOW),
            Window("tokens", 0.02, NOW + 1, 60.0, NOW),
        )
        pool.learn(Measured(account.id, NOW, windows))
        pool.slots[account.id].load.saw(0.4, NOW)
        pool.learn(Succeeded(account.id, NOW))
    pool.affinity.pin("", ("session:known",), accounts[count // 2].id, NOW)
    return pool


def _timed(pool: Pool, ask: Ask, repeats: int) -> list[float]:
    rng = Random(1)
    number = 20 * LOOK_AT_ALL  # a whole number of rounds, each with its look at all
    times = []
    for _ in range(repeats):
        began = perf_counter_ns()
        for _ in range(number):
            found = pool.pick(ask, NOW, rng)
            if found is not None:
                pool.release(found[0])
        times.append((perf_counter_ns() - began) / number / 1000)
    return times
