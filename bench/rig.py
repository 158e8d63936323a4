"""Starts upstream and contenders, cores apart, and runs one measurement at a time."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attrs import define, field, frozen

from bench import bodies, processes
from bench.contenders import (
    KEY,
    PATH,
    ROOT,
    AbsentError,
    Contender,
    Maker,
    floor,
    lb,
    litellm,
    nginx,
    started,
)

HERE = Path(__file__).parent
LONGEST_RUN_S = 300.0


@frozen
class Reading:
    """One run of the load generator against one contender. Times in µs, (p50, p90, p99, p99.9).

    ``cpu_us`` is what the contender's processes used in user and system mode in that time.
    """

    good: int
    bad: int
    events: int
    bytes: int
    wall_s: float
    first_us: Sequence[float]
    total_us: Sequence[float]
    onway_us: Sequence[float]
    complaint: str
    cpu_us: float = 0.0

    @property
    def per_s(self) -> float:
        """Good answers a second."""
        return self.good / self.wall_s

    @property
    def cpu_each_us(self) -> float:
        """CPU for one request."""
        return self.cpu_us / max(1, self.good)


@define(eq=False)
class Rig:
    """Everything that runs: ``with Rig(...) as rig``."""

    quick: bool
    peers: tuple[str, ...] = ()
    plain: bool = False
    rounds: int = 0
    python: bool = False  # upstream and load on uvloop, even where there is a compiler
    tree: Path = ROOT  # the checkout whose lb is measured
    against: Path | None = None  # another one, to be measured beside it
    folder: Path = field(init=False)
    tools: dict[str, list[str]] = field(factory=dict)
    upstream: Contender = field(init=False)
    standing: list[Contender] = field(factory=list)
    _started: list[Contender] = field(factory=list)
    notes: list[str] = field(factory=list)
    _bodies: dict[bytes, Path] = field(factory=dict)
    _count: int = 0

    def __enter__(self) -> Self:
        """Build the tools and start the upstream."""
        processes.many_files()
        self.rounds = self.rounds or (2 if self.quick else 11)
        self.folder = Path(tempfile.mkdtemp(prefix="lb-bench-"))
        self.tools = _tools(self.folder, python=self.python)
        self.upstream = Contender("direct", 0)
        with processes.on(processes.OTHER_CORES):
            words = [] if self.plain else ["-l"]
            process = subprocess.Popen(  # noqa: S603  # our own program
                [*self.tools["upstream"], *words], cwd=ROOT, stdout=subprocess.PIPE
            )
        self.upstream.process = process
        if process.stdout is not None:
            self.upstream.port = int(process.stdout.readline())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop all of it."""
        for contender in (*self._started, self.upstream):
            contender.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name: str, make: Maker) -> Contender:
        """A fresh contender. Raises: AbsentError."""
        self._count += 1
        probe = bodies.small("bench-json", stream=False)
        folder = self.folder / f"{self._count}-{name}"
        contender = started(name, make, folder, self.upstream.port, probe)
        self._started.append(contender)
        return contender

    @contextmanager
    def fresh(self, name: str, make: Maker) -> Iterator[Contender]:
        """A contender for as long as the context lasts."""
        contender = self.start(name, make)
        try:
            yield contender
        finally:
            contender.stop()

    def lb(self, accounts: int = 10, keys: int = 1, workers: int = 1) -> Maker:
        """How to start the lb that is measured."""
        return lb(accounts, keys, self.tree, workers)

    def makers(self) -> dict[str, Maker]:
        """Who can be started here, by name; what is missing is noted."""
        found: dict[str, Maker] = {"nginx": nginx, "bare relay": floor, "lb": self.lb()}
        if self.against is not None:
            found["other lb"] = lb(tree=self.against)
        try:
            nginx(self.folder, 0, 0)
        except AbsentError as error:
            del found["nginx"]
            self.note(f"{error}; it is left out.")
        if "litellm" in self.peers:
            try:
                found["litellm"] = litellm(self.folder)
            except AbsentError as error:
                self.note(f"{error}; it is left out.")
        return found

    def all_standing(self) -> list[Contender]:
        """Direct and one of each, started once and kept for the whole run."""
        if not self.standing:
            direct = Contender("direct", self.upstream.port)
            self.standing = [direct]
            for name, make in self.makers().items():
                try:
                    self.standing.append(self.start(name, make))
                except AbsentError as error:
                    self.note(str(error))
        return self.standing

    def note(self, text: str) -> None:
        """Say something once, here and below the tables."""
        if text not in self.notes:
            print(f"  {text}", flush=True)
            self.notes.append(text)

    def body(self, body: bytes) -> Path:
        """A file with ``body`` in it."""
        if body not in self._bodies:
            path = self._bodies[body] = self.folder / f"body-{len(self._bodies)}.json"
            path.write_bytes(body)
        return self._bodies[body]

    def load(self, contender: Contender, body: bytes, *words: object) -> Reading:
        """Run the load generator to its end. Raises: RuntimeError when it cannot work at all."""
        contender.find_pids()
        before = processes.cpu_ns(contender.pids)
        process = self._load(contender, body, words, None)
        out, _ = process.communicate(timeout=LONGEST_RUN_S)
        cpu_us = (processes.cpu_ns(contender.pids) - before) / 1000
        if process.returncode:
            raise RuntimeError(f"the load generator failed against {contender.name}")
        return self._reading(contender, out, cpu_us)

    def _reading(self, contender: Contender, out: bytes, cpu_us: float) -> Reading:
        told: dict[str, Any] = json.loads(out.splitlines()[-1])
        reading = Reading(**told, cpu_us=cpu_us)
        if reading.bad:
            self.note(f"{contender.name}: {reading.bad} bad answers, {reading.complaint[:300]}")
        return reading

    @contextmanager
    def holding(self, contender: Contender, body: bytes, number: int) -> Iterator[None]:
        """While ``number`` streams are open and all of them have had content."""
        words = ("-c", number, "-w", "-s", LONGEST_RUN_S)
        process = self._load(contender, body, words, subprocess.PIPE)
        try:
            if process.stdout is None or b"holding" not in process.stdout.readline():
                raise RuntimeError(f"{contender.name} does not hold {number} streams")
            yield
        finally:
            process.communicate(timeout=60)

    def _load(
        self, contender: Contender, body: bytes, words: Iterable[object], stdin: int | None
    ) -> "subprocess.Popen[bytes]":
        command = [*self.tools["load"], str(contender.port), PATH, str(self.body(body))]
        command += ["-H", f"Authorization: Bearer {KEY}", *map(str, words)]
        with processes.on(processes.OTHER_CORES):
            return subprocess.Popen(  # noqa: S603  # our own program
                command, cwd=HERE.parent, stdin=stdin, stdout=subprocess.PIPE
            )


def _tools(folder: Path, *, python: bool) -> dict[str, list[str]]:
    """Upstream and load generator: C where there is a compiler, else Python on uvloop."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if python or compiler is None:
        print("  upstream and load run on uvloop, since there is no cc: they may be the bottleneck")
        return {n: [sys.executable, "-m", "bench.uv", n] for n in ("upstream", "load")}
    for name in ("upstream", "load"):
        command = [compiler, "-O2", "-o", str(folder / name), str(HERE / f"{name}.c")]
        subprocess.run(command, check=True)  # noqa: S603  # our own sources
    return {name: [str(folder / name)] for name in ("upstream", "load")}


def settle(seconds: float = 0.3) -> None:
    """Let what has just ended come to rest."""
    time.sleep(seconds)
