"""``python -m bench count``: how many instructions a request takes, by valgrind's callgrind.

Times drift from minute to minute, instructions do not: what an alteration is worth shows to half a
percent on a busy machine, too. The kernel's are not among them, nor is what waiting for memory
costs; ``compare`` has the last word.
"""

import argparse
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from bench import contenders
from bench.contenders import ROOT, Contender, Maker
from bench.hot import SHAPES
from bench.parts.shapes import Shape
from bench.rig import Rig
from bench.tables import Table

WARM, SPECIALIZED = 600, 300  # requests before it counts: without, and with callgrind's eye on it
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def main(words: list[str]) -> int:
    """Count and print."""
    told = _arguments().parse_args(words)
    if shutil.which("valgrind") is None:
        print("valgrind is not installed (Debian, Ubuntu: apt-get install valgrind)")
        return 1
    contenders.START_S = 600.0  # everything takes fifty times as long
    os.environ["PYTHONHASHSEED"] = "0"
    table = Table(
        f"Instructions a request, in thousands, of {told.requests} requests",
        ["", "event loop", "other threads", "in all", "/ bare relay"],
    )
    with Rig(quick=True, plain=told.plain) as rig:
        for key in told.shape or ["json", "stream50"]:
            makers: dict[str, Maker] = {"bare relay": contenders.floor}
            makers["this lb"] = contenders.lb(tree=told.tree)
            if told.other is not None:
                makers["other lb"] = contenders.lb(tree=told.other)
            least = 0.0
            for name, make in makers.items():
                loop, others = _counted(rig, name, make, (SHAPES[key], told.requests))
                least = least or loop
                cells = [f"{each / 1000:,.0f}" for each in (loop, others, loop + others)]
                ratio = f"{(loop + others) / least:.2f}"
                table.add(f"{SHAPES[key].name}, {name}", *cells, ratio)
    print(table.text())
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench count", description=__doc__)
    parser.add_argument("other", type=Path, nargs="?", help="another checkout, beside this one")
    parser.add_argument("--tree", type=Path, default=ROOT, help="this checkout")
    parser.add_argument("--shape", action="append", choices=SHAPES)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--plain", action="store_true", help="upstream tells no rate limits")
    return parser


def _counted(rig: Rig, name: str, make: Maker, what: tuple[Shape, int]) -> tuple[float, float]:
    """Instructions a request: of the thread with most of them, and of all others together."""
    shape, requests = what
    out = rig.folder / f"counted-{time.monotonic_ns()}"

    def watched(folder: Path, port: int, upstream: int) -> list[str]:
        eye = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes"]
        return [*eye, f"--callgrind-out-file={out}", *make(folder, port, upstream)]

    many = ("-c", shape.connections, "-e", shape.events, "-n")
    with rig.fresh(name, watched) as contender:
        rig.load(contender, shape.body, *many, WARM)
        _tell(contender, "--instr=on")
        rig.load(contender, shape.body, *many, SPECIALIZED)
        _tell(contender, "--zero")
        reading = rig.load(contender, shape.body, *many, requests)
        _tell(contender, "--dump")
    files = out.parent.glob(f"{out.name}.1*")
    found = (_TOTAL.search(file.read_text(errors="replace")) for file in files)
    threads = sorted((int(total[1]) for total in found if total is not None), reverse=True)
    each = [count / max(1, reading.good) for count in threads]
    return each[0], sum(each[1:])


def _tell(contender: Contender, word: str) -> None:
    if contender.process is None:
        return
    command = ["callgrind_control", word, str(contender.process.pid)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # valgrind's own
    time.sleep(1)
