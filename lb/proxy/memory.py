"""What outlives the process: the standing of the accounts, and the ledger.

Both go the same way: a fact is one small append to the journal on the request path; behind it, in
batches, ended segments of the journal are fed to the store and deleted whole. A store that is away
only makes the journal longer, a kill only makes the next start read it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import structlog
from attrs import define, field

from lb.adapters.clock import Clock
from lb.adapters.journal import Journal, folder_of
from lb.adapters.shared import ALONE, Place
from lb.adapters.stores import Store, StoreAway, open_store
from lb.config import Config
from lb.core.book import DAY_S, Book, day_of
from lb.core.events import Event, Succeeded
from lb.core.ledger import Admitted, Fact, Settled, lines_of
from lb.core.memory import event_of_data, event_to_data, restore, standing
from lb.core.pool import Pool
from lb.core.reports import Query
from lb.core.search import Search
from lb.proxy import replay
from lb.proxy.heritage import Heritage

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from lb.core.limits import Spending

T = TypeVar("T")
_log = structlog.get_logger()
RESTS_S = 1.0  # a store that is away is tried again after this
LAST_FLUSH_S = 5.0  # at the end: what is not stored by then is read at the next start


@define(eq=False)
class Memory:
    """``noted`` and ``note`` on the request path are one small append; ``flush`` runs behind it.

    ``trouble`` says what is wrong with journal or store, ``dropped`` counts the requests that have
    no row because neither would take it.
    """

    pool: Pool
    clock: Clock
    journal: Journal
    store: Store
    place: Place = ALONE
    before_look: Callable[[], Awaitable[object]] | None = None  # others store what they have, too
    trouble: str = ""
    dropped: int = 0
    _saved: dict[str, dict[str, Any]] = field(factory=dict)
    _known: list[dict[str, Any]] = field(factory=list)  # events of the journal, at start
    _dirty: set[str] = field(factory=set)
    _book: Book = field(factory=Book)  # as of the last segment that is stored
    _unbooked: set[str] = field(factory=set)
    _fresh: replay.Fresh = field(factory=replay.Fresh)
    _late: list[tuple[Fact, ...]] = field(factory=list)  # of booked requests: the disk was full
    _again_at: float = 0.0
    _waits_since: float = 0.0  # unix seconds; 0: nothing waits
    _lock: asyncio.Lock = field(factory=asyncio.Lock)
    _heritage: Heritage = field(factory=Heritage)

    @classmethod
    def open(cls, config: Config, pool: Pool, clock: Clock, place: Place = ALONE) -> "Memory":
        """Take ``data_dir``, or a worker's ``place`` in it; nothing is read yet.

        Raises: OSError when it cannot be used, BlockingIOError when another server uses it.
        """
        folder, limit = config.server.data_dir, config.ledger.journal_mb << 20
        lock = place.lock if place.leads else None
        journal = Journal(folder_of(folder, place.number), limit, lock)
        return cls(pool, clock, journal, open_store(config.server.database, folder), place)

    async def start(self) -> None:
        """Read what was kept, and put the accounts back as they stood.

        Requests that were under way when the server died get their end: interrupted.
        """
        past = await asyncio.to_thread(replay.past, self.journal)
        data_dir = self.journal.folder.parent
        self._heritage, events = await asyncio.to_thread(Heritage.of, data_dir, self.place)
        self._book = past.book
        self._known = sorted((*past.events, *events), key=lambda told: told.get("noted_at", 0.0))
        for row in past.open:
            self.note(row.interrupted(max(row.at, past.died_at)))
        from lb.adapters.stores.statements import load_standings

        try:
            self._saved = await self.store.run(load_standings)
        except StoreAway as error:
            self._complain("store", error)
        self.recall(self.pool.slots)

    def recall(self, accounts: Iterable[str]) -> None:
        """Put ``accounts`` back as they stood, saved first, then what the journal knows beyond."""
        now, wanted = self.clock.now(), set(accounts)
        for account in wanted & self._saved.keys():
            restore(self.pool.slots[account], self._saved[account], now)
            self.pool.changed(self.pool.slots[account])
        for entry in self._known:
            account = str(entry.get("account"))
            saved_at = self._saved.get(account, {}).get("saved_at", 0.0)
            if account not in wanted or entry.get("noted_at", 0.0) <= saved_at:
                continue
            event = event_of_data(entry)
            if event is not None:
                self.pool.learn(event)
                self._dirty.add(account)

    def noted(self, event: Event, *, changed: bool) -> None:
        """Keep ``event``: at once if it changed a standing, with the next batch if not."""
        if not changed and isinstance(event, Succeeded):
            return
        if changed and not self.journal.is_full:
            told = {**event_to_data(event), "noted_at": self.clock.now()}
            self._append(msgspec.json.encode(told) + b"\n")
        self._waits_since = self._waits_since or self.clock.now()
        self._dirty.add(event.account)

    def lag_s(self) -> float:
        """For how long the oldest of what is not stored has waited."""
        return max(0.0, self.clock.now() - self._waits_since) if self._waits_since else 0.0

    def note(self, *facts: Fact) -> None:
        """Keep facts of one request; let in while the journal is full, it has no row: counted."""
        first, last = facts[0], facts[-1]
        if isinstance(first, Admitted):
            if self.journal.is_full or not self._write(facts):
                self._drop(first)
        elif first.request_id not in self._unbooked and (self._late or not self._write(facts)):
            self._late.append(facts)
        if self._unbooked and isinstance(last, Settled):
            self._unbooked.discard(last.request_id)

    def _write(self, facts: tuple[Fact, ...]) -> bool:
        if not self._append(lines_of(facts)):
            return False
        self._fresh.add(self.journal.current, facts)
        return True

    def _append(self, line: bytes) -> bool:
        self._waits_since = self._waits_since or self.clock.now()
        try:
            self.journal.append(line)
        except OSError as error:
            self._complain("journal", error)
            return False
        return True

    def _drop(self, fact: Admitted) -> None:
        self._unbooked.add(fact.request_id)
        self.dropped += 1
        if self.dropped.bit_count() == 1:  # at 1, 2, 4, 8 ...: loud, but no flood
            full = self.journal.is_full
            _log.error("ledger_rows_dropped", dropped=self.dropped, journal_full=full)

    async def flush(self, *, now: bool = False) -> None:
        """Store what was noted; on trouble it stays in the journal.

        A store that was away a moment ago is left alone for a while, unless it must be ``now``.
        """
        if self._again_at > self.clock.now() and not now:
            return
        async with self._lock:
            try:
                if self.trouble:
                    await self.store.run(lambda _: None)  # nothing may be due, and it still away
                await self._flush()
            except StoreAway as error:
                self._again_at = self.clock.now() + RESTS_S
                self._complain("store", error)
            except OSError as error:
                self._complain("journal", error)
            else:
                self._recovered()

    async def _flush(self) -> None:
        while self._late and self._write(self._late[0]):
            del self._late[0]
        fresh = self._fresh.take()
        self.journal.cut()
        names, self._dirty = self._dirty, set()
        since, self._waits_since = self._waits_since, 0.0
        try:
            await self._save(names)
            for segment in self.journal.ended():
                await self._feed(segment, fresh.get(segment))
            await self._heritage.settle(self.store)
        except BaseException:
            self._dirty |= names
            self._waits_since = since or self._waits_since
            raise
        self._known = []

    async def _save(self, names: set[str]) -> None:
        at = self.clock.now()
        batch = {n: standing(self.pool.slots[n], at) for n in names if n in self.pool.slots}
        if batch:
            from lb.adapters.stores.statements import save_standings

            await self.store.run(lambda connection: save_standings(connection, batch))
            self._saved |= batch

    async def _feed(self, segment: Path, fresh: list[Fact] | None) -> None:
        """Store the rows that ended in ``segment``, then let go of it."""
        from lb.adapters.stores.adding import add_rows

        told = replay.facts(segment) if fresh is None else fresh
        book, rows = await asyncio.to_thread(replay.fed, told, self._book)
        if rows:
            await self.store.run(lambda connection: add_rows(connection, rows))
        if book.open or self._book.open:
            await asyncio.to_thread(replay.keep, self.journal, segment, book)
        self._book = book
        self.journal.delete(segment)

    async def usage(self, query: Query) -> dict[str, Any]:
        """The report of what was used, up to now. Raises: StoreAway."""
        from lb.adapters.stores.statements import usage

        return await self._looked(lambda connection: usage(connection, query))

    async def spent(self, since: float) -> "list[Spending]":
        """What each key has used since the start of a UTC day. Raises: StoreAway."""
        from lb.adapters.stores.statements import spent

        await self._up_to_now()
        return await self.store.run(lambda connection: spent(connection, since))

    async def search(self, wanted: Search) -> list[dict[str, Any]]:
        """A page of requests, up to now. Raises: TooSlow, StoreAway."""
        from lb.adapters.stores.searches import search

        return await self._looked(lambda connection: search(connection, wanted))

    async def request(self, request_id: str) -> dict[str, Any] | None:
        """One request's row; None when there is none. Raises: TooSlow, StoreAway."""
        from lb.adapters.stores.searches import request

        return await self._looked(lambda connection: request(connection, request_id))

    async def _looked(self, work: "Callable[[Connection], T]") -> T:
        if self.before_look is not None:
            await self.before_look()
        await self._up_to_now()
        return await self.store.look(work)

    async def _up_to_now(self) -> None:
        await self.flush(now=True)
        if self.trouble:
            raise StoreAway(self.trouble)

    async def forget(self, keep_days: float) -> None:
        """Let go of rows older than that; what they add up to stays. Raises: StoreAway."""
        from lb.adapters.stores.statements import forget

        before = day_of(self.clock.now() - keep_days * DAY_S)
        gone = await self.store.run(lambda connection: forget(connection, before))
        if gone:
            _log.info("ledger_rows_rolled_up", rows=gone, keep_days=keep_days)

    def status(self) -> dict[str, Any]:
        """How journal and store are doing, for people."""
        return {
            "store": self.store.name,
            "trouble": self.trouble or None,
            "journal_bytes": self.journal.size,
            "journal_limit_bytes": self.journal.limit,
            "dropped_requests": self.dropped,
        }

    def _complain(self, part: str, error: Exception) -> None:
        words = f"{part}: {error}"
        if words != self.trouble:
            _log.error("not_kept", part=part, reason=str(error))
        self.trouble = words

    def _recovered(self) -> None:
        if self.trouble and not self._late:
            _log.info("kept_again", was=self.trouble, dropped=self.dropped)
            self.trouble = ""

    async def close(self) -> None:
        """Flush and close; what the store does not take in time waits in the journal."""
        try:
            async with asyncio.timeout(LAST_FLUSH_S):
                await self.flush(now=True)
        except TimeoutError:
            _log.warning("left_in_journal", bytes=self.journal.size)
        self.journal.close()
        self._heritage.close()
        await self.store.close()
