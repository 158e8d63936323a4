"""Streams at the pace of a model: how long each event is on its way, and what it costs."""

from collections import defaultdict

from bench import bodies
from bench.rig import Reading, Rig
from bench.tables import Table, middle, ratio, spread

GAP_MS = 100
STREAMS = 500


def measure(rig: Rig) -> list[Table]:
    """STREAMS at once, an event of each every GAP_MS."""
    events = 40 if rig.quick else 80
    body = bodies.small(f"bench-{events}-{GAP_MS}", stream=True)
    everyone = [each for each in rig.all_standing() if each.name != "litellm"]
    found: dict[str, list[Reading]] = defaultdict(list)
    for each in range(min(7, rig.rounds) if not rig.quick else 1):
        for number in range(len(everyone)):
            contender = everyone[(number + each) % len(everyone)]
            words = ("-c", STREAMS, "-n", STREAMS, "-t", "-e", events)
            found[contender.name].append(rig.load(contender, body, *words))
    table = Table(
        f"{STREAMS} streams with an event every {GAP_MS} ms each",
        [
            *("", "on its way p50, ms", "/ nginx", "p99, ms"),
            *("added p50, ms", "CPU an event, µs", "/ nginx"),
        ],
        "Upstream writes into each event when it sent it. One core carries"
        f" {STREAMS * 1000 // GAP_MS:,} events a second here.",
    )
    direct = [reading.onway_us[0] / 1000 for reading in found["direct"]]
    way = {n: [r.onway_us[0] for r in found[n]] for n in found}
    cpu = {n: [r.cpu_us / max(1, r.events) for r in found[n]] for n in found}
    for contender in everyone:
        readings = found[contender.name]
        p50 = [reading.onway_us[0] / 1000 for reading in readings]
        p99 = [reading.onway_us[2] / 1000 for reading in readings]
        added = f"{middle(p50) - middle(direct):.2f}"
        mine = cpu[contender.name]
        through = contender.name != "direct"
        table.add(
            contender.name,
            spread(p50, "{:.3f}"),
            ratio(way[contender.name], way["nginx"]) if through and "nginx" in way else "-",
            spread(p99, "{:.2f}"),
            added if through else "-",
            spread(mine, "{:.1f}") if through else "-",
            ratio(mine, cpu["nginx"]) if through and "nginx" in cpu else "-",
        )
    return [table]
