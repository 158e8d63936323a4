"""``make bench``: everything in one interleaved run. ``python -m bench --help`` says the rest."""

import argparse
import platform
import signal
import sys
import time
from pathlib import Path

from bench import compare, counted, hot, processes
from bench.contenders import ROOT
from bench.parts import PARTS
from bench.rig import Rig
from bench.tables import Table


def main(words: list[str]) -> int:
    """Measure and print; ``profile``, ``compare`` or ``count`` as the first word does that."""
    for ends in (signal.SIGTERM, signal.SIGHUP):  # what was started is stopped then, too
        signal.signal(ends, lambda number, _: sys.exit(128 + number))
    others = {"profile": hot.main, "compare": compare.main, "count": counted.main}
    if words and words[0] in others:
        return others[words[0]](words[1:])
    told = _arguments().parse_args(words)
    began = time.monotonic()
    print(f"{processes.machine()}, Python {platform.python_version()}", flush=True)
    tables: list[Table] = []
    rig = Rig(
        told.quick, tuple(told.peers), told.plain, told.rounds, told.python, told.tree, told.against
    )
    with rig:
        for name in told.only or PARTS:
            print(f"  {name} ...", flush=True)
            made = PARTS[name](rig)
            tables += made
            print("\n" + "\n".join(table.text() for table in made), flush=True)
        notes = rig.notes
    print(f"{time.monotonic() - began:.0f} s")
    if told.out:
        text = "\n".join(table.text() for table in tables)
        told.out.write_text(text + "".join(f"\n{note}\n" for note in notes))
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="all of it in two or three minutes")
    parser.add_argument("--only", action="append", choices=PARTS, help="just this; may be repeated")
    parser.add_argument("--peers", action="append", choices=["litellm"], default=[])
    parser.add_argument("--rounds", type=int, default=0, help="default 11, or 2 with --quick")
    parser.add_argument(
        "--plain", action="store_true", help="upstream tells no rate limits in its headers"
    )
    parser.add_argument("--python", action="store_true", help="as if there were no C compiler")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the checkout of lb to measure")
    parser.add_argument("--against", type=Path, help="another checkout, beside it")
    parser.add_argument("--out", type=Path, help="write the tables to this file, too")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
