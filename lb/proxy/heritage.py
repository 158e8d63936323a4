"""What workers left that there are no more: fewer are wanted now, or none besides the one."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from attrs import define, field

from lb.adapters.journal import Journal, abandoned
from lb.adapters.shared import Place
from lb.adapters.stores import Store
from lb.core.book import Row
from lb.proxy import replay

_log = structlog.get_logger()


@define(eq=False)
class Heritage:
    """Their journals, taken over: rows for the store, events for the pool, then no folder."""

    _left: list[tuple[Journal, list[Row]]] = field(factory=list)

    @classmethod
    def of(cls, data_dir: Path, place: Place) -> "tuple[Heritage, list[dict[str, Any]]]":
        """What lies in ``data_dir``, and the events in it. The worker that leads takes it over."""
        heritage, events = cls(), list[dict[str, Any]]()
        for folder in abandoned(data_dir, place.count) if place.leads else ():
            try:
                journal = Journal(folder)
            except OSError as error:  # its worker has not ended yet
                _log.warning("journal_not_taken_over", folder=folder.name, reason=str(error))
                continue
            rows, told = replay.rest(journal)
            events += told
            heritage._left.append((journal, rows))
            _log.info("journal_taken_over", folder=folder.name, rows=len(rows), events=len(told))
        return heritage, events

    def __len__(self) -> int:
        return len(self._left)

    async def settle(self, store: Store) -> None:
        """Store the rows, and let go of the folders. Raises: StoreAway, OSError; try again then.

        A row that is stored twice counts once, so a crash in between costs nothing.
        """
        from lb.adapters.stores.adding import add_rows

        while self._left:
            journal, rows = self._left[0]
            if rows:
                await store.run(partial(add_rows, rows=rows))
            await asyncio.to_thread(journal.remove)
            del self._left[0]

    def close(self) -> None:
        """What is not stored stays where it is, for the next start."""
        for journal, _ in self._left:
            journal.close()
