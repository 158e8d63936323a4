"""``python -m bench profile --shape json``: where lb spends its time, as a sorted table.

With py-spy (when it is installed) by sampling, else with cProfile, which makes small functions look
dearer than they are. Either way shares are turned into µs a request by what a request costs
unobserved. Only the request path: lb is warm when the look begins.
"""

import argparse
import pstats
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from attrs import define

from bench.contenders import ROOT, Contender, Maker, written
from bench.parts.shapes import Shape
from bench.rig import Rig
from bench.tables import Table

SHAPES = {
    "json": Shape("JSON", "bench-json", 64),
    "stream50": Shape("50 events", "bench-50", 64, 50),
    "stream1000": Shape("1000 events", "bench-1000", 16, 1000),
    "paced": Shape("paced", "bench-40-50", 200, 40),
}
_OBSERVED = """
import cProfile, signal, sys
sys.path[0] = {tree!r}
from lb.cli import main
profile = cProfile.Profile()
signal.signal(signal.SIGPROF, lambda *_: profile.enable())
signal.signal(signal.SIGUSR2, lambda *_: profile.disable())
main(['serve', '--config', {config!r}], standalone_mode=False)
profile.disable()
profile.dump_stats({out!r})
"""


@define
class Row:
    """A function: µs a request in itself and with all it calls, and calls a request."""

    name: str
    own_us: float
    all_us: float
    calls: float = 0.0


def main(words: list[str]) -> int:
    """Profile and print."""
    told = _arguments().parse_args(words)
    shape = SHAPES[told.shape]
    sampler = None if told.cprofile else shutil.which("py-spy")
    with Rig(quick=True, plain=told.plain, tree=told.tree) as rig:
        with rig.fresh("lb", rig.lb()) as lb:
            rig.load(lb, shape.body, "-c", shape.connections, "-s", 1)
            reading = rig.load(lb, shape.body, "-c", shape.connections, "-s", told.seconds)
            cost_us = reading.cpu_each_us
            if sampler is not None:
                rows = _sampled(rig, lb, shape, sampler, told)
        if sampler is None:
            rows = _traced(rig, shape, told)
    total = sum(row.own_us for row in rows) or 1.0
    for row in rows:
        row.own_us *= cost_us / total
        row.all_us *= cost_us / total
    how = "py-spy" if sampler else "cProfile"
    table = Table(
        f"{shape.name}: {cost_us:.0f} µs of CPU a request, by {how}",
        ["function", "own, µs", "with all it calls, µs", "calls"],
    )
    rows.sort(key=lambda row: -(row.all_us if told.by == "all" else row.own_us))
    for row in rows[: told.top]:
        calls = f"{row.calls:.1f}" if row.calls else ""
        table.add(row.name, f"{row.own_us:.1f}", f"{row.all_us:.1f}", calls)
    print(table.text())
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench profile", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="json")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--top", type=int, default=50)
    parser.add_argument("--by", choices=("own", "all"), default="own")
    parser.add_argument("--cprofile", action="store_true", help="even when py-spy is installed")
    parser.add_argument("--native", action="store_true", help="py-spy: look into C, too")
    parser.add_argument("--plain", action="store_true", help="upstream tells no rate limits")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout of lb to look at")
    return parser


def _traced(rig: Rig, shape: Shape, told: argparse.Namespace) -> list[Row]:
    """By cProfile: every call of every function."""
    out = rig.folder / "profile"

    def make(folder: Path, port: int, upstream: int) -> list[str]:
        config = str(written(folder, port, upstream))
        program = _OBSERVED.format(tree=str(told.tree), config=config, out=str(out))
        return [sys.executable, "-c", program]

    maker: Maker = make
    with rig.fresh("lb", maker) as contender:
        rig.load(contender, shape.body, "-c", shape.connections, "-s", 1)
        _signal(contender, signal.SIGPROF)
        reading = rig.load(contender, shape.body, "-c", shape.connections, "-s", told.seconds)
        _signal(contender, signal.SIGUSR2)
    stats = pstats.Stats(str(out)).stats  # type: ignore[attr-defined]  # as pstats' own docs use it
    each = 1e6 / max(1, reading.good)
    return [
        Row(_named(*where), own_s * each, all_s * each, calls * each / 1e6)
        for where, (_, calls, own_s, all_s, _) in stats.items()
        if "epoll" not in where[2] and "run_until_complete" not in where[2]
    ]


def _signal(contender: Contender, number: signal.Signals) -> None:
    if contender.process is not None:
        contender.process.send_signal(number)
    time.sleep(0.3)


def _named(file: str, line: int, function: str) -> str:
    if file == "~":
        return function
    parts = Path(file).parts
    packages = [n for n, part in enumerate(parts) if part in ("lb", "site-packages")]
    start = packages[-1] + (parts[packages[-1]] == "site-packages") if packages else -1
    return f"{'/'.join(parts[start:])}:{line} {function}"


def _sampled(
    rig: Rig, contender: Contender, shape: Shape, sampler: str, told: argparse.Namespace
) -> list[Row]:
    """By py-spy: what was on the stack, 500 times a second, while it had the CPU."""
    out = rig.folder / "stacks"
    words = ["record", "--format", "raw", "--function", "--rate", "500", "--nonblocking"]
    words += ["--native"] if told.native else []
    words += ["--duration", str(int(told.seconds)), "--output", str(out)]
    process = subprocess.Popen(  # noqa: S603  # a profiler the user has installed
        [sampler, *words, "--pid", str(contender.pids[0])], stderr=subprocess.DEVNULL
    )
    rig.load(contender, shape.body, "-c", shape.connections, "-s", told.seconds + 1)
    process.wait(60)
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for row in out.read_text().splitlines():
        stack, _, count = row.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        for frame in set(frames):
            within[frame] += int(count)
    return [Row(name, float(own[name]), float(count)) for name, count in within.items()]
