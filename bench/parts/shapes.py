"""CPU per request and requests a second, for answers of several shapes, many at a time."""

from collections import defaultdict

from attrs import frozen

from bench import bodies
from bench.rig import Reading, Rig
from bench.tables import Table, ratio, spread

FLOOR = "bare relay"


@frozen
class Shape:
    """What is asked for, and how many ask at a time; ``events`` 0: no stream."""

    name: str
    model: str
    connections: int
    events: int = 0

    @property
    def body(self) -> bytes:
        """The request."""
        return bodies.small(self.model, stream=bool(self.events))


SHAPES = (
    Shape("JSON, 64 at a time", "bench-json", 64),
    Shape("50 events, 64 at a time", "bench-50", 64, 50),
    Shape("200 events, 64 at a time", "bench-200", 64, 200),
    Shape("1000 events, 16 at a time", "bench-1000", 16, 1000),
)


def measure(rig: Rig) -> list[Table]:
    """Round by round, everyone in turn."""
    seconds = 0.5 if rig.quick else 0.8
    everyone = rig.all_standing()
    found: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for each in range(rig.rounds + 1):
        for shape in SHAPES:
            for number in range(len(everyone)):
                contender = everyone[(number + each) % len(everyone)]
                wanted = shape.events if contender.name != "litellm" else 0
                words = ("-c", shape.connections, "-e", wanted, "-s", seconds if each else 0.3)
                reading = rig.load(contender, shape.body, *words)
                if each:  # the first round only warms up
                    found[shape.name, contender.name].append(reading)
    names = [contender.name for contender in everyone]
    return [_cpu(found, names), _rate(found, names)]


def _cpu(found: dict[tuple[str, str], list[Reading]], names: list[str]) -> Table:
    table = Table(
        "CPU per request, µs",
        ["", *(name for name in names if name != "direct"), "lb / bare relay"],
        "User and system time of the whole process tree, from the kernel:"
        " median (lowest-highest) of the rounds. The ratio is the median of the rounds' ratios.",
    )
    for shape in SHAPES:
        each = {name: [r.cpu_each_us for r in found[shape.name, name]] for name in names}
        cells = [spread(each[name]) for name in names if name != "direct"]
        table.add(shape.name, *cells, ratio(each.get("lb", []), each.get(FLOOR, [])))
    return table


def _rate(found: dict[tuple[str, str], list[Reading]], names: list[str]) -> Table:
    table = Table(
        "Answers a second",
        ["", *names],
        "The proxy on one core, upstream and load together on the other:"
        " *direct* is what those two can do.",
    )
    for shape in SHAPES:
        cells = [spread([r.per_s for r in found[shape.name, name]]) for name in names]
        table.add(shape.name, *cells)
    return table
