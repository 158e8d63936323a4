"""How many cores this process may use: what ``workers = "auto"`` means."""

import os
from pathlib import Path

LARGEST = 64
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Those it may run on, and no more than its container is given time for; at least one.

    ``quota`` is where cgroup v2 tells that: "200000 100000" for two cores, "max 100000" for all.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        told, period, *_ = quota.read_text().split()
        cores = min(cores, int(told) // int(period))
    except (OSError, ValueError):
        pass  # no cgroup, or no limit
    return max(1, min(cores, LARGEST))
