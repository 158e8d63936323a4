"""Whether a request costs more in a large pool, among many keys, after a long past."""

from collections import defaultdict
from contextlib import ExitStack

from bench import bodies
from bench.contenders import Contender
from bench.rig import Reading, Rig
from bench.tables import Table, ratio, spread

BASE = "10 accounts, 1 key, no pins"


def measure(rig: Rig) -> list[Table]:
    """One lb of each kind, in turn; upstream answers under one id, so that no pins come to be."""
    pins = 10_000 if rig.quick else 100_000
    body = bodies.small("bench-same", stream=False)
    grown = {"1,000 accounts": rig.lb(accounts=1000), "10,000 client keys": rig.lb(keys=10_000)}
    pinned = f"{pins:,} pins"
    found: dict[str, list[Reading]] = defaultdict(list)
    with ExitStack() as stack:

        def start(name: str) -> Contender:
            contender = stack.enter_context(rig.fresh("lb", grown.get(name, rig.lb())))
            contender.name = name
            return contender

        everyone = [start(BASE), *map(start, grown), start(pinned)]
        rig.load(everyone[-1], bodies.small("bench-json", stream=False), "-c", 64, "-n", pins // 2)
        for each in range(rig.rounds + 1):
            for place in range(len(everyone)):
                contender = everyone[(place + each) % len(everyone)]
                reading = rig.load(contender, body, "-c", 64, "-s", 0.5 if rig.quick else 0.8)
                if each:
                    found[contender.name].append(reading)
    table = Table(
        "Growth: CPU per request, µs (JSON, 64 at a time)",
        ["", "CPU", "ratio", "first good answer, s"],
    )
    base = [reading.cpu_each_us for reading in found[BASE]]
    for contender in everyone:
        mine = [reading.cpu_each_us for reading in found[contender.name]]
        table.add(contender.name, spread(mine), ratio(mine, base), f"{contender.start_s:.2f}")
    return [table]
