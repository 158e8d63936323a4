"""What is done once an answer is on its way: nobody waits for it, and it is done in one go.

The answers that ended in one turn of the loop are told of together, right after they were written.
"""

import asyncio
from collections.abc import Callable

import structlog

from lb.adapters import logs

_log = structlog.get_logger()


class Afterwards:
    """Work for the end of the present turn of the loop, in order; one that fails is logged."""

    def __init__(self) -> None:
        self._due: list[Callable[[], None]] = []

    def add(self, work: Callable[[], None]) -> None:
        """Do ``work`` soon."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._do)
        self._due.append(work)

    def _do(self) -> None:
        due, self._due = self._due, []
        for work in (*due, logs.flush):
            try:
                work()
            except Exception:  # noqa: BLE001  # the others are told all the same
                _log.exception("unexpected", after="an answer")
