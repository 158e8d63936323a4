"""A part of a core for each of some processes, so that what grows with their number can be seen.

By the kernel's own quota where one may set it (cgroup v2 ``cpu.max``, or ``cpu.cfs_quota_us`` of
v1), else by stopping and continuing them in turns.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PERIOD_US = 20_000
_ROOTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/cpu"))


@contextmanager
def allowed(pids: Iterable[int], share: float) -> Iterator[str]:
    """While each of ``pids`` may use ``share`` of a core; gives how that is seen to."""
    pids = list(pids)
    with ExitStack() as stack:
        for root in (each for each in _ROOTS if (each / "cgroup.procs").exists()):
            try:
                for pid in pids:
                    stack.enter_context(_quota(root, pid, share))
            except OSError:
                stack.close()
                continue
            yield "a quota of the kernel's"
            return
        for pid in pids:
            stack.enter_context(_duty_cycle(pid, share))
        yield "SIGSTOP and SIGCONT in turns"


@contextmanager
def _quota(root: Path, pid: int, share: float) -> Iterator[None]:
    """A cgroup of its own for one process. Raises: OSError where that is not to be had."""
    group, quota_us = root / f"lb-bench-{pid}", round(PERIOD_US * share)
    group.mkdir()
    try:
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        elif (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            raise OSError(f"{root} rations no time")
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        with contextlib.suppress(OSError):
            (root / "cgroup.procs").write_text(str(pid))
        group.rmdir()


@contextmanager
def _duty_cycle(pid: int, share: float) -> Iterator[None]:
    """Run it for its share of each period, and stop it for the rest."""
    done = threading.Event()
    period_s = PERIOD_US / 1e6

    def turns() -> None:
        with contextlib.suppress(ProcessLookupError):
            while not done.is_set():
                os.kill(pid, signal.SIGSTOP)
                done.wait(period_s * (1 - share))
                os.kill(pid, signal.SIGCONT)
                done.wait(period_s * share)

    thread = threading.Thread(target=turns, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
