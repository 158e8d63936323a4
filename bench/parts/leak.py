"""Whether memory and descriptors stay where they are over many requests."""

from bench import bodies, processes
from bench.rig import Rig, settle
from bench.tables import Table

LEGS = 10


def measure(rig: Rig) -> list[Table]:
    """JSON and streams by turns; the first half warms up (all pins have their place then)."""
    requests = 10_000 if rig.quick else 240_000
    json, stream = (bodies.small(f"bench-{k}", stream=k != "json") for k in ("json", "50"))
    marks: list[tuple[int, int]] = []
    with rig.fresh("lb", rig.lb()) as contender:
        for leg in range(LEGS):
            body = stream if leg % 2 else json
            rig.load(contender, body, "-c", 64, "-n", requests // LEGS)
            settle()
            marks.append((processes.rss_kb(contender.pids), processes.descriptors(contender.pids)))
    half, last = marks[LEGS // 2 - 1], marks[-1]
    table = Table(
        f"{requests:,} requests, JSON and 50 events by turns",
        ["", "after the first tenth", "at half", "at the end", "second half"],
    )
    growth = (last[0] / half[0] - 1) * 100
    table.add(
        "memory, MB", *(f"{m[0] / 1024:.1f}" for m in (marks[0], half, last)), f"{growth:+.1f} %"
    )
    table.add("descriptors", *(m[1] for m in (marks[0], half, last)), f"{last[1] - half[1]:+}")
    return [table]
