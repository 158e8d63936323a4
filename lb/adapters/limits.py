"""What the system lets one process have, and what it takes."""

import os
import resource
import sys
from pathlib import Path

import structlog

FEW = 4096  # open files: about two thousand streams

_log = structlog.get_logger()


def allow_many_connections() -> None:
    """Raise the limit of open files to what is allowed: each stream takes two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        hard = soft
    if hard != resource.RLIM_INFINITY and hard < FEW:
        _log.warning("few_open_files", limit=hard, streams=hard // 2, hint="raise ulimit -n")


def resident_bytes() -> int:
    """The memory this process has now; where the system does not say, the most it ever had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
