"""Time to the first byte of the body, one request at a time, and the time to the last."""

from collections import defaultdict

from bench.parts.shapes import Shape
from bench.rig import Reading, Rig
from bench.tables import Table, middle, spread

SHAPES = (
    Shape("JSON", "bench-json", 1),
    Shape("50 events", "bench-50", 1, 50),
)


def measure(rig: Rig) -> list[Table]:
    """What each adds to the direct way, in ms."""
    number = 400 if rig.quick else 2000
    everyone = rig.all_standing()
    found: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for each in range(rig.rounds):
        for shape in SHAPES:
            for place in range(len(everyone)):
                contender = everyone[(place + each) % len(everyone)]
                count = number if contender.name != "litellm" else number // 10
                reading = rig.load(contender, shape.body, "-n", count, "-s", 30)
                found[shape.name, contender.name].append(reading)
    table = Table(
        "Added time, one request at a time, ms",
        ["", "first byte p50", "first byte p99", "last byte p50", "CPU, µs"],
        "Against the direct way in the same round; the percentile here less the percentile there.",
    )
    for shape in SHAPES:
        direct = found[shape.name, "direct"]
        for contender in everyone[1:]:
            mine = found[shape.name, contender.name]
            pairs = list(zip(mine, direct, strict=True))
            p50 = [(a.first_us[0] - b.first_us[0]) / 1000 for a, b in pairs]
            p99 = [(a.first_us[2] - b.first_us[2]) / 1000 for a, b in pairs]
            last = [(a.total_us[0] - b.total_us[0]) / 1000 for a, b in pairs]
            cpu = f"{middle([reading.cpu_each_us for reading in mine]):,.0f}"
            cells = (spread(times, "{:.2f}") for times in (p50, p99, last))
            table.add(f"{shape.name}, {contender.name}", *cells, cpu)
    return [table]
