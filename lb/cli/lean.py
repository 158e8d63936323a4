"""What a server does not need is not imported into it: memory and time at start, for nothing."""

import sys


def without_rich() -> None:
    """Import structlog as if rich were not installed; rich can be imported afterwards as ever.

    structlog takes all of rich and of its highlighter along, for tracebacks in colour. Ours are
    text before they get there (see ``adapters.logs``): 5 MB, and a tenth of the start.
    """
    if "rich" in sys.modules or "structlog" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # the documented way to say it is absent
    try:
        import structlog as _  # noqa: F401  # for what it leaves in sys.modules
    finally:
        del sys.modules["rich"]
