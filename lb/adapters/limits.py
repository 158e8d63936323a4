"""What the system lets one process have."""

import resource

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
