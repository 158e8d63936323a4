"""What a second worker brings: requests a second, and what the company costs each request.

Each worker gets the same: a core of its own where there are enough for load and upstream besides,
else a quarter of one, so that those two are never what is measured.
"""

import contextlib
import json
import os
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import bodies, processes
from bench.allowance import allowed
from bench.contenders import Contender
from bench.rig import Reading, Rig
from bench.tables import Table, middle, ratio, spread

SHARE = 0.25
NUMBERS = (1, 2)
CONNECTIONS = 128  # the kernel spreads them by chance: with few one worker could be left idle


def measure(rig: Rig) -> list[Table]:
    """One worker and two, in turn."""
    found: dict[int, list[Reading]] = defaultdict(list)
    evenness: list[float] = []
    seconds, body = (1.0, 2.0)[not rig.quick], bodies.small("bench-json", stream=False)
    words = ("-c", CONNECTIONS, "-s", seconds)
    with ExitStack() as stack:
        families = {
            n: stack.enter_context(rig.fresh(f"{n} workers", rig.lb(workers=n))) for n in NUMBERS
        }
        how = ""
        for each in range(rig.rounds + 1):
            for number in NUMBERS if each % 2 else reversed(NUMBERS):
                family = families[number]
                before = _served(family)
                with _each_alike(family) as told:
                    reading = rig.load(family, body, *words)
                how = told
                if each:  # the first round only warms up
                    found[number].append(reading)
                    if number > 1:
                        served = [n - before.get(pid, 0) for pid, n in _served(family).items()]
                        evenness.append(min(served) / max(1, *served))
    return [_table(found, evenness, how)]


def _table(found: dict[int, list[Reading]], evenness: list[float], how: str) -> Table:
    table = Table(
        f"Workers (JSON, {CONNECTIONS} at a time)",
        ["", "answers a second", "ratio", "CPU per request, µs", "ratio", "p99, ms"],
        f"Each worker has {how}; load and upstream have the rest. Ratios are medians of the"
        f" rounds'. Of two workers the one with less to do answered {middle(evenness):.2f} of what"
        " the other did (the kernel spreads connections by chance).",
    )
    rates = {number: [reading.per_s for reading in found[number]] for number in NUMBERS}
    cpu = {number: [reading.cpu_each_us for reading in found[number]] for number in NUMBERS}
    for number in NUMBERS:
        table.add(
            "1 worker" if number == 1 else f"{number} workers",
            spread(rates[number]),
            ratio(rates[number], rates[1]),
            spread(cpu[number]),
            ratio(cpu[number], cpu[1]),
            f"{middle([reading.total_us[2] for reading in found[number]]) / 1000:.1f}",
        )
    return table


@contextmanager
def _each_alike(family: Contender) -> Iterator[str]:
    """Every worker has as much of the machine; gives how."""
    pids = sorted(_workers(family))
    if len(processes.CORES) >= max(NUMBERS) + 2:
        for pid, core in zip(pids, processes.CORES, strict=False):
            _pin(pid, {core})
        yield "a core of its own"
        return
    for pid in pids:
        _pin(pid, set(processes.CORES))
    with allowed(pids, SHARE) as how:
        yield f"{SHARE:.0%} of a core, by {how}"


def _pin(pid: int, cores: set[int]) -> None:
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def _workers(family: Contender) -> set[int]:
    return {each["pid"] for each in _status(family).get("workers", [])} or set(family.pids)


def _served(family: Contender) -> dict[int, int]:
    return {each["pid"]: each["requests"] for each in _status(family).get("workers", [])}


def _status(family: Contender) -> dict[str, list[dict[str, int]]]:
    url = f"http://127.0.0.1:{family.port}/admin/status"
    with urllib.request.urlopen(url, timeout=20) as answer:  # our own server
        told: dict[str, list[dict[str, int]]] = json.load(answer)
    return told
