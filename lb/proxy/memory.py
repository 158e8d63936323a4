"""Keeps the standing of the accounts over restarts: journal first, then the store, in batches."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import structlog
from attrs import define, field

from lb.adapters.clock import Clock
from lb.adapters.journal import Journal
from lb.adapters.stores.sqlite import SQLite
from lb.core.events import Event, Spent, Succeeded
from lb.core.memory import event_of_data, event_to_data, restore, standing
from lb.core.pool import Pool

_log = structlog.get_logger()


@define(eq=False)
class Memory:
    """``noted`` on the request path is one small append; ``flush`` runs behind it."""

    pool: Pool
    clock: Clock
    journal: Journal
    store: SQLite
    _dirty: set[str] = field(factory=set)
    _dirty_since: float = 0.0
    trouble: str = ""

    @classmethod
    def open(cls, folder: Path, pool: Pool, clock: Clock) -> "Memory":
        """Open what is kept in ``folder`` and put the accounts back as they stood.

        Raises: OSError, sqlite3.Error when the folder cannot be used.
        """
        memory = cls(pool, clock, Journal(folder / "journal.jsonl"), SQLite(folder / "lb.sqlite3"))
        memory.recall(pool.slots)
        return memory

    def recall(self, accounts: Iterable[str]) -> None:
        """Put ``accounts`` back as they stood, saved first, then what the journal knows beyond."""
        now = self.clock.now()
        saved = self.store.load()
        wanted = set(accounts)
        for account in wanted & saved.keys():
            restore(self.pool.slots[account], saved[account], now)
        for entry in self.journal.entries():
            account = str(entry.get("account"))
            if account not in wanted:
                continue
            if entry.get("noted_at", 0.0) <= saved.get(account, {}).get("saved_at", 0.0):
                continue
            event = event_of_data(entry)
            if event is not None:
                self.pool.learn(event)
                self._dirty.add(account)

    def noted(self, event: Event, *, changed: bool) -> None:
        """Keep ``event``: at once if it changed a standing, with the next batch if not."""
        if isinstance(event, Spent):
            return
        if changed:
            try:
                self.journal.append({**event_to_data(event), "noted_at": self.clock.now()})
            except OSError as error:
                self._complain("journal", error)
        if changed or not isinstance(event, Succeeded):
            if not self._dirty:
                self._dirty_since = self.clock.now()
            self._dirty.add(event.account)

    def lag_s(self) -> float:
        """For how long the oldest of what is not stored has waited."""
        return self.clock.now() - self._dirty_since if self._dirty else 0.0

    async def flush(self) -> None:
        """Store what changed since the last time; on trouble it stays in the journal."""
        if not self._dirty:
            return
        names, self._dirty = self._dirty, set()
        since = self._dirty_since
        now, size = self.clock.now(), self.journal.size
        batch = {
            name: standing(self.pool.slots[name], now) for name in names if name in self.pool.slots
        }
        try:
            await asyncio.to_thread(self.store.save, batch)
        except Exception as error:  # noqa: BLE001  # a store that is away must never stop a request
            self._dirty, self._dirty_since = self._dirty | names, since
            self._complain("store", error)
            return
        self.trouble = ""
        self.journal.forget(size)

    def _complain(self, part: str, error: Exception) -> None:
        words = f"{part}: {error}"
        if words != self.trouble:
            _log.error("not_kept", part=part, reason=str(error))
        self.trouble = words

    async def close(self) -> None:
        """Flush and close."""
        await self.flush()
        self.journal.close()
        self.store.close()
