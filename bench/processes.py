"""CPU and memory of a tree of processes, as the kernel tells it (Linux: /proc)."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORES = set(CORES[:1])
OTHER_CORES = set(CORES[1:]) or PROXY_CORES
"""The proxy has a core of its own; upstream and load share the others."""


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """What is started meanwhile runs on ``cores``."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def many_files() -> None:
    """Let what is started hold as many sockets as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def tree(pid: int) -> list[int]:
    """A process and all that came of it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def cpu_ns(pids: list[int]) -> int:
    """User and system time of the processes so far, all their threads."""
    return sum(map(_cpu_ns, pids))


def _cpu_ns(pid: int) -> int:
    """To the nanosecond where the scheduler keeps accounts; else utime + stime, in ticks."""
    proc = Path(f"/proc/{pid}")
    try:
        threads = list((proc / "task").iterdir())
        return sum(int((each / "schedstat").read_text().split()[0]) for each in threads)
    except OSError:
        try:
            fields = (proc / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0
        return (int(fields[11]) + int(fields[12])) * _TICK_NS


def rss_kb(pids: list[int], what: str = "VmRSS") -> int:
    """Resident memory of the processes now; ``VmHWM``: at its peak since ``forget_peak``."""
    return sum(_status_kb(pid, what) for pid in pids)


def _status_kb(pid: int, what: str) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in text.splitlines() if row.startswith(what)), 0)


def forget_peak(pids: list[int]) -> None:
    """Measure peaks from now on."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def descriptors(pids: list[int]) -> int:
    """How many files and sockets the processes hold."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def machine() -> str:
    """This machine in a line."""
    text = Path("/proc/cpuinfo").read_text()
    model = next((r.partition(":")[2].strip() for r in text.splitlines() if "model name" in r), "?")
    system, release = os.uname().sysname, os.uname().release.split("-")[0]
    memory = f"{_meminfo_kb() / 1024 / 1024:.0f} GiB"
    return f"{model}, {len(CORES)} cores, {memory}, {system} {release}"


def _meminfo_kb() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1])
