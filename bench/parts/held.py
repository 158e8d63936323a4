"""Start and memory: to the first good answer, idle, and for each stream that is held open."""

import time

from bench import bodies, processes
from bench.contenders import AbsentError, Contender
from bench.rig import Rig, settle
from bench.tables import Table, spread

HELD_S = 1.5  # streams stand this long before memory is read: an event of each has passed


def measure(rig: Rig) -> list[Table]:
    """A fresh process of each for this: what ran before leaves memory behind."""
    counts = (500, 2000) if rig.quick else (500, 4000)
    starts = 1 if rig.quick else 3
    table = Table(
        "Start and memory",
        ["", "first good answer, s", "idle, MB", *(f"{n:,} streams, KB each" for n in counts)],
        "A fresh process; *idle* after its first answer. Streams with an event a second; resident"
        " memory beyond idle, for each stream.",
    )
    for name, make in rig.makers().items():
        if name == "litellm":
            counts_here: tuple[int, ...] = ()
        else:
            counts_here = counts
        times = []
        try:
            for _ in range(starts):
                with rig.fresh(name, make) as contender:
                    times.append(contender.start_s)
            with rig.fresh(name, make) as contender:
                settle()
                idle = processes.rss_kb(contender.pids)
                each = [_held(rig, contender, number, idle) for number in counts_here]
        except AbsentError as error:
            rig.note(str(error))
            continue
        cells = [f"{kb:.1f}" for kb in each] + ["-"] * (len(counts) - len(each))
        table.add(name, spread(times, "{:.2f}"), f"{idle / 1024:.0f}", *cells)
    return [table]


def _held(rig: Rig, contender: Contender, number: int, idle_kb: int) -> float:
    body = bodies.small("bench-100000-1000", stream=True)
    with rig.holding(contender, body, number):
        time.sleep(HELD_S)
        contender.find_pids()
        held_kb = processes.rss_kb(contender.pids)
    settle(1.0)
    return (held_kb - idle_kb) / number
