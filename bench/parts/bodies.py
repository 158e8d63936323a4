"""Large request bodies: what they add, and how much memory they take."""

from collections import defaultdict

from bench import bodies, processes
from bench.contenders import Contender
from bench.rig import Reading, Rig, settle
from bench.tables import Table, middle, spread

SIZES = {"1 MB": 1 << 20, "8 MB": 8 << 20}
CROWD = 100


def measure(rig: Rig) -> list[Table]:
    """One at a time, and a crowd of the largest at once."""
    everyone = [each for each in rig.all_standing() if each.name != "litellm"]
    table = Table(
        "Large request bodies (Codex-like, streamed answer of 50 events)",
        ["", "added p50, ms", "CPU, ms", "memory at its peak, MB"],
        "One at a time; memory beyond what the process held before.",
    )
    for name, size in SIZES.items():
        body = bodies.codex("bench-50", size, stream=True)
        number = (8 if rig.quick else 20) if size < 4 << 20 else (4 if rig.quick else 10)
        found: dict[str, list[Reading]] = defaultdict(list)
        peaks: dict[str, list[float]] = defaultdict(list)
        for each in range(rig.rounds):
            for place in range(len(everyone)):
                contender = everyone[(place + each) % len(everyone)]
                reading, peak = _peak(rig, contender, body, "-n", number)
                found[contender.name].append(reading)
                peaks[contender.name].append(peak)
        direct = [reading.total_us[0] for reading in found["direct"]]
        for contender in everyone[1:]:
            mine = found[contender.name]
            added = [(r.total_us[0] - d) / 1000 for r, d in zip(mine, direct, strict=True)]
            cpu = f"{middle([reading.cpu_each_us for reading in mine]) / 1000:.2f}"
            most = f"{max(peaks[contender.name]):.0f}"
            table.add(f"{name}, {contender.name}", spread(added, "{:.2f}"), cpu, most)
    return [table, _crowd(rig)]


def _peak(rig: Rig, contender: Contender, body: bytes, *words: object) -> tuple[Reading, float]:
    """A run, and the memory at its peak beyond that before, in MB."""
    if contender.process is None:
        return rig.load(contender, body, *words), 0.0
    contender.find_pids()
    processes.forget_peak(contender.pids)
    before = processes.rss_kb(contender.pids)
    reading = rig.load(contender, body, *words)
    peak = processes.rss_kb(contender.pids, "VmHWM") - before
    settle()
    return reading, peak / 1024


def _crowd(rig: Rig) -> Table:
    table = Table(
        f"{CROWD} bodies of 8 MB at once",
        ["", "all answered after, s", "CPU each, ms", "memory at its peak, MB"],
        "A fresh process of each; memory in all.",
    )
    body = bodies.codex("bench-50", SIZES["8 MB"], stream=True)
    for name, make in rig.makers().items():
        if name == "litellm":
            continue
        with rig.fresh(name, make) as contender:
            reading = rig.load(contender, body, "-c", CROWD, "-n", CROWD)
            peak = processes.rss_kb(contender.pids, "VmHWM") / 1024
        table.add(
            name, f"{reading.wall_s:.1f}", f"{reading.cpu_each_us / 1000:.1f}", f"{peak:,.0f}"
        )
    return table
