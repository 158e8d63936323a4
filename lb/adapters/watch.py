"""Tells when a file has changed. It looks; nothing else works on every file system and editor."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from attrs import define, field

EVERY_S = 0.5  # two looks and the reload fit into the two seconds that are promised

Look = tuple[int, int, int]
"""What tells one version of a file from another: mtime (ns), size (bytes), inode."""


def look(path: Path) -> Look | None:
    """How the file looks now; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  # Path.stat is twice as slow, and this runs for ever
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@define
class Watch:
    """Awaits ``changed()`` each time the file at ``path`` has become another one.

    ``known`` is how the file looks at birth: make the watch *before* the file is read, then no
    change falls in between. A file that is gone is no change; it may be about to be replaced. A new
    one is told only after two equal looks, so that a half written file is not read.
    """

    path: Path
    changed: Callable[[], Awaitable[None]]
    every_s: float = EVERY_S
    known: Look | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.known = look(self.path)

    async def run(self) -> None:
        """Watch until cancelled. What ``changed`` raises is logged; the watch goes on."""
        before = self.known
        while True:
            await asyncio.sleep(self.every_s)
            now = look(self.path)
            if now is not None and now == before and now != self.known:
                self.known = now
                await self._tell()
            before = now

    async def _tell(self) -> None:
        try:
            await self.changed()
        except Exception:  # noqa: BLE001  # a reload that fails must not end the watch
            structlog.get_logger(__name__).exception("watch_failed", path=str(self.path))
