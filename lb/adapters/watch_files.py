"""Tells when a set of files has changed: one came, one went, one became another."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import structlog
from attrs import define, field

from lb.adapters.watch import EVERY_S, Look, look

Looks = dict[Path, Look]


def changed_at(path: str | Path) -> float:
    """When the file last changed or was put in its place (unix seconds); 0: there is none."""
    try:
        return os.stat(path).st_ctime  # noqa: PTH116  # as in watch.look
    except OSError:
        return 0.0


@define
class FilesWatch:
    """Awaits ``changed()`` each time the files that ``paths()`` names are not what they were.

    What a file looks like counts after two equal looks, so that a half written one is not told.
    Files are looked at apart: one that never rests does not hide the others.
    """

    paths: Callable[[], Iterable[Path]]
    changed: Callable[[], Awaitable[None]]
    every_s: float = EVERY_S
    known: Looks = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.known = self._looks()

    async def run(self) -> None:
        """Watch until cancelled. What ``changed`` raises is logged; the watch goes on."""
        before = self.known
        while True:
            await asyncio.sleep(self.every_s)
            now = self._looks()
            settled = _settled(self.known, before, now)
            if settled != self.known:
                self.known = settled
                await self._tell()
            before = now

    def _looks(self) -> Looks:
        found = ((path, look(path)) for path in self.paths())
        return {path: seen for path, seen in found if seen is not None}

    async def _tell(self) -> None:
        try:
            await self.changed()
        except Exception:  # noqa: BLE001  # a reload that fails must not end the watch
            structlog.get_logger(__name__).exception("watch_failed")


def _settled(known: Looks, before: Looks, now: Looks) -> Looks:
    """``known``, brought up to what was seen twice."""
    settled: Looks = {}
    for path in {*known, *now}:
        seen = now.get(path) if now.get(path) == before.get(path) else known.get(path)
        if seen is not None:
            settled[path] = seen
    return settled
