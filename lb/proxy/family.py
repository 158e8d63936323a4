"""A worker among its siblings: what each tells the others, what they make of it, what they ask.

The standing of accounts, the owners of conversations, what is in flight and what client keys have
used are the same in all of them, some milliseconds apart. Nothing on the path of a request waits
for another worker, but for one case: a request names state nobody here knows the owner of.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from attrs import define, field

from lb.adapters import logs
from lb.adapters.clock import Clock
from lb.adapters.shared import Place, Shared, open_shared
from lb.core.changes import Changes
from lb.core.events import Event, Measured
from lb.core.limits import Limits
from lb.core.memory import event_of_data, restore, standing
from lb.core.pool import Pool
from lb.core.sharing import SharedAffinity, SharedLimits, SharedPool
from lb.core.slot import Slot
from lb.core.strategies import Strategy
from lb.core.tidings import (
    Ended,
    Flights,
    Happened,
    Holds,
    Listed,
    Logging,
    Pinned,
    Tiding,
    Used,
    Watched,
)

Question = Callable[[Any], Awaitable[Any]]
PIECE: Final = 2000  # pins told at a time: neither side is kept from its requests for long
READINGS_S: Final = 1.0  # between two that are told of an account
CATCH_UP_S: Final = 2.0  # for each answer, at the start
HERE_S: Final = 0.25  # how long a busy sibling is waited for where state has no known owner
_STATE: Final = frozenset({"previous_response_id"})
_log = structlog.get_logger()


def _no_event(event: Event) -> None:
    del event


def _no_row(row: dict[str, Any]) -> None:
    del row


def _no_count(requests: int, failed: int) -> None:
    del requests, failed


@define(eq=False)
class Family:
    """The worker at ``place``; a ``Mind`` to the way it speaks with the others.

    ``on_event`` hears what happened at others, ``on_row`` of requests that are over there, where
    somebody here ``watches``; ``on_ended`` how many. ``on_flight`` hears that places may have come
    free. ``questions`` are what others may ask.
    """

    place: Place
    clock: Clock
    shared: Shared
    changes: Changes
    pool: SharedPool
    limits: SharedLimits
    on_event: Callable[[Event], None] = _no_event
    on_row: Callable[[dict[str, Any]], None] = _no_row
    on_ended: Callable[[int, int], None] = _no_count
    on_flight: Callable[[], None] = lambda: None
    questions: dict[str, Question] = field(factory=dict)
    watches: Callable[[], bool] = lambda: False
    watchers: set[int] = field(factory=set)
    _readings: dict[str, Measured] = field(factory=dict)
    _pieces: dict[int, list[tuple[bytes, str, float]]] = field(factory=dict)

    @classmethod
    def of(cls, place: Place, clock: Clock, strategy: Strategy) -> "Family":
        """A worker that has not spoken to the others yet."""
        shared = open_shared(place)
        changes = Changes(shared.nudge, shared.lay, shared.look)
        pool = SharedPool(strategy, affinity=SharedAffinity(changes=changes), changes=changes)
        family = cls(place, clock, shared, changes, pool, SharedLimits(changes=changes))
        family.questions |= {
            "here": family._here,
            "everything": family._everything,
            "pins": family._pins,
        }
        return family

    # what is told

    def happened(self, event: Event, *, changed: bool) -> None:
        """An event of an account: told at once if it changed how the account stands.

        Readings of usage windows come with every answer; each account's newest is told now and
        then.
        """
        if changed:
            self.changes.happened(event)
        elif isinstance(event, Measured):
            if not self._readings:
                asyncio.get_running_loop().call_later(READINGS_S, self._tell_readings)
            self._readings[event.account] = event

    def _tell_readings(self) -> None:
        readings, self._readings = self._readings, {}
        for event in readings.values():
            self.changes.happened(event, soon=False)

    def before_end(self, slot: Slot) -> None:
        """The client is about to see the end of an answer, and may go on from it at once.

        Where its account stores it, the others can find whose it is before the client can name it.
        """
        if slot.account.takes(_STATE):
            self.shared.lay()

    def news(self) -> list[Tiding]:
        """What is to be told since this was last asked."""
        return self.changes.taken()

    def pressing(self) -> list[Tiding]:
        """Of the news, what others may have to look for before they are told."""
        return self.changes.pressing()

    def all_of_it(self) -> list[Tiding]:
        """What is under way here, for one who hears of us for the first time."""
        flights = {name: slot.own for name, slot in self.pool.slots.items() if slot.own}
        return [Flights(flights), self.limits.own(), Watched(self.watches())]

    # what is heard

    def hear(self, worker: int, tiding: Tiding) -> None:
        """Another worker told something."""
        match tiding:
            case Pinned():
                self._affinity.take_up(tiding.pins)
            case Flights():
                self.pool.flies(worker, tiding.now)
                self.on_flight()
            case Holds():
                self.limits.holds(worker, tiding)
            case Used():
                self.limits.of(tiding.key).take_up(tiding, self.clock.now())
            case _:
                self._hear_news(worker, tiding)

    def _hear_news(self, worker: int, tiding: Tiding) -> None:
        match tiding:
            case Ended():
                self.on_ended(tiding.requests, tiding.failed)
            case Listed():
                self.on_row(tiding.row)
            case Happened():
                event = event_of_data(tiding.event)
                if event is not None:
                    self.on_event(event)
            case Watched():
                (self.watchers.add if tiding.yes else self.watchers.discard)(worker)
            case Logging():
                logs.set_level(tiding.level)
                _log.warning("log_level", now=tiding.level)

    def lost(self, worker: int) -> None:
        """Another worker is gone: what it had in flight is over, here too."""
        self.pool.lost(worker)
        self.limits.lost(worker)
        self.watchers.discard(worker)
        self._pieces.pop(worker, None)
        self.on_flight()

    @property
    def _affinity(self) -> SharedAffinity:
        assert isinstance(self.pool.affinity, SharedAffinity)
        return self.pool.affinity

    # what is asked

    async def answer(self, name: str, what: Any) -> Any:
        """The answer to a question of another worker; None: there is none."""
        question = self.questions.get(name)
        return None if question is None else await question(what)

    async def caught_up(self, knows: Callable[[], bool]) -> None:
        """Until ``knows``, or all is heard that the others told before this was asked.

        What they have laid down is there at once, what they have written a turn of the loop or two
        later; one that has not told everything is asked, and answers behind it.
        """
        self.shared.look()
        for _ in range(2):
            if knows():
                return
            await asyncio.sleep(0)
        if knows():
            return
        await self.shared.ask("here", timeout_s=HERE_S)

    async def _here(self, what: Any) -> bool:
        """What was told before this answer is known by now."""
        del what
        return True

    async def _everything(self, what: Any) -> dict[str, Any]:
        """How accounts stand and what keys have used."""
        del what
        now = self.clock.now()
        standings = {name: standing(slot, now) for name, slot in self.pool.slots.items()}
        return {"standings": standings, "limits": self.limits.told(now)}

    async def _pins(self, what: Any) -> list[tuple[bytes, str, float]]:
        """A piece of the owners, by the number of who asks and of the piece; empty at the end."""
        worker, number = what
        if number == 0:
            self._pieces[worker] = self._affinity.told()
        pins = self._pieces.get(worker, [])[number * PIECE : (number + 1) * PIECE]
        if not pins:
            self._pieces.pop(worker, None)
        return pins

    async def catch_up(self, workers: list[int]) -> None:
        """Take up what the first of ``workers`` that answers knows."""
        for worker in workers:
            told = await self.shared.ask_one(worker, "everything", timeout_s=CATCH_UP_S)
            if told is None:
                continue
            self._take_up(told)
            number = 0
            while pins := await self.shared.ask_one(
                worker, "pins", (self.place.number, number), CATCH_UP_S
            ):
                self._affinity.take_up((key, account, until) for key, account, until in pins)
                number += 1
            _log.info("caught_up", with_worker=worker, pins=len(self.pool.affinity))
            return

    def _take_up(self, told: dict[str, Any]) -> None:
        """What changed last counts; what was used counts once, whoever knows of it."""
        now = self.clock.now()
        self.pool.standings = None
        for account, saved in told["standings"].items():
            slot = self.pool.slots.get(account)
            if slot is not None and saved["health"]["since"] >= slot.health.since:
                restore(slot, saved, now)
        for name, used in told["limits"].items():
            self.limits.of(name).at_least(used, now)


def parts_of(family: Family | None, strategy: Strategy) -> tuple[Pool, Limits]:
    """The pool and the limits of a worker, or of a server that is alone."""
    if family is None:
        return Pool(strategy), Limits()
    return family.pool, family.limits
