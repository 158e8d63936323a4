"""``python -m bench compare /path/to/another/checkout``: this lb and that one, side by side.

For changing one thing at a time: short turns, many of them, the bare relay beside both.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from random import Random

from bench.contenders import ROOT, floor, lb
from bench.hot import SHAPES
from bench.rig import Rig
from bench.tables import Table, ratio, spread


def main(words: list[str]) -> int:
    """Measure and print."""
    told = _arguments().parse_args(words)
    table = Table(
        f"CPU per request, µs, {told.rounds} turns each",
        ["", "bare relay", "this lb", "other lb", "this / relay", "other / relay", "this / other"],
    )
    rng = Random(1)  # who comes after whom matters: always the same one, by a tenth
    with Rig(quick=True, plain=told.plain) as rig:
        makers = {"floor": floor, "this": lb(tree=told.tree), "other": lb(tree=told.other)}
        everyone = [rig.start(name, make) for name, make in makers.items()]
        rig.standing = everyone
        for key in told.shape or ["json", "stream50"]:
            shape = SHAPES[key]
            cpu: dict[str, list[float]] = defaultdict(list)
            for turn in range(told.rounds + 1):
                for who in rng.sample(everyone, len(everyone)):
                    limit = ("-n", shape.connections) if key == "paced" else ("-s", told.seconds)
                    many = ("-c", shape.connections, "-e", shape.events)
                    reading = rig.load(who, shape.body, *many, *limit)
                    if turn:
                        cpu[who.name].append(reading.cpu_each_us)
            cells = [spread(cpu[name]) for name in makers]
            ratios = [("this", "floor"), ("other", "floor"), ("this", "other")]
            table.add(shape.name, *cells, *(ratio(cpu[a], cpu[b]) for a, b in ratios))
    print(table.text())
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench compare", description=__doc__)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--tree", type=Path, default=ROOT, help="this checkout")
    parser.add_argument("--shape", action="append", choices=SHAPES)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each turn")
    parser.add_argument("--plain", action="store_true", help="upstream tells no rate limits")
    return parser
