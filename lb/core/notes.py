"""Why an account was picked and each other not: noted in a glance, put into words when asked."""

from collections.abc import Collection, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any

from msgspec import Struct

from lb.core.account import Account, Ask
from lb.core.explain import Opinion, reason_of
from lb.core.pool import Found, Pool
from lb.core.slot import Origin, Slot, Verdict

MOST_AT_FIRST = 16  # accounts; a first pick in a larger pool draws two, and so need not say more
MOST_LOOKS = 64


_STANDING = ("account", "health", "limit", "blocks", "windows", "probe_until")
_standing = attrgetter(*_STANDING, "origin.until")
"""An account as it is until something happens to it: references only, nothing is judged yet."""
_load = attrgetter("in_flight")


class Note(Struct, frozen=True, gc=False):
    """One pick ``at`` (unix seconds).

    ``home`` is the account the conversation belongs to, ``looks`` are all accounts but the
    ``unseen`` and ``loads`` how many requests each had in flight, ``tried`` were out already. A
    thousand of them are kept, out of the sight of the collector of cycles.
    """

    at: float
    picked: Account
    verdict: Verdict
    home: str | None
    tried: frozenset[str]
    looks: tuple[tuple[Any, ...], ...]
    loads: Sequence[int]
    unseen: int

    def judged(self, ask: Ask) -> list[tuple[Slot, Verdict]]:
        """Each other account as it was, and what was thought of it."""
        looks = zip(self.looks, self.loads, strict=True)
        others = [_then(*look) for look in looks if look[0][0].id != self.picked.id]
        return [(slot, self._verdict(slot, ask)) for slot in others]

    def _verdict(self, slot: Slot, ask: Ask) -> Verdict:
        if not slot.account.enabled:
            return Verdict.PAUSED
        return Verdict.TRIED if slot.id in self.tried else slot.judge(ask, self.at)


def note_of(pool: Pool, now: float, picked: Found, tried: Collection[str]) -> Note:
    """What the pool was like at ``now`` (unix seconds) when it picked; ``tried`` were out.

    On the request path, so it only takes hold of what is there; how the accounts stand is taken
    once and shared by all picks until something happens to one.
    """
    slot, verdict, home = picked
    number = len(pool.slots)
    looks, loads = _looks(pool, MOST_LOOKS if tried else MOST_AT_FIRST, always=bool(tried))
    unseen = number - max(1, len(looks))
    return Note(now, slot.account, verdict, home, frozenset(tried), looks, loads, unseen)


def _looks(
    pool: Pool, most: int, *, always: bool
) -> tuple[tuple[tuple[Any, ...], ...], Sequence[int]]:
    slots = pool.slots.values()
    if len(slots) > most:
        few = [*islice(slots, most)] if always else []
        return tuple(map(_standing, few)), _loads(few)
    if pool.standings is None:
        pool.standings = tuple(map(_standing, slots))
    return pool.standings, _loads(slots)


def _loads(slots: Collection[Slot]) -> Sequence[int]:
    """In a byte each where they are small: thousands are kept."""
    try:
        return bytes(map(_load, slots))
    except ValueError:
        return tuple(map(_load, slots))


def _then(standing: tuple[Any, ...], in_flight: int) -> Slot:
    """The slot as it was."""
    *stood, origin_until = standing
    told = dict(zip(_STANDING, stood, strict=True))
    return Slot(**told, in_flight=in_flight, origin=Origin(origin_until, streak=1))


def why(note: Note, ask: Ask, strategy: str) -> str:
    """Why the picked one was, in words."""
    if note.home == note.picked.id:
        return "it holds the conversation"
    moved = f"; {note.home} holds the conversation but could not serve" if note.home else ""
    if note.verdict is Verdict.SECOND:
        return f"second choice: nobody better was left{moved}"
    if not note.looks and note.unseen:
        return f"chosen by the strategy '{strategy}' among {note.unseen + 1}{moved}"
    ready = sum(_rivals(note, slot, verdict) for slot, verdict in note.judged(ask))
    if not ready:
        return f"the only one that could serve{moved}"
    return f"chosen by the strategy '{strategy}' among {ready + 1} that could serve{moved}"


def _rivals(note: Note, slot: Slot, verdict: Verdict) -> bool:
    """Whether another one might have been picked as well."""
    return verdict is Verdict.READY and slot.account.priority <= note.picked.priority


def opinions(note: Note, ask: Ask) -> list[Opinion]:
    """Why each other was not, in words."""
    return [_opinion(note, slot, verdict, ask) for slot, verdict in note.judged(ask)]


def _opinion(note: Note, slot: Slot, verdict: Verdict, ask: Ask) -> Opinion:
    if not slot.account.enabled:
        return Opinion(slot.id, "out", "disabled in the configuration")
    if verdict is Verdict.READY and slot.account.priority > note.picked.priority:
        reason = f"of priority {slot.account.priority}: only when no earlier one can serve"
        return Opinion(slot.id, "ready", reason)
    if verdict is Verdict.TRIED:
        return Opinion(slot.id, "out", "tried already")
    word = {Verdict.READY: "ready", Verdict.SECOND: "second choice"}.get(verdict, "out")
    return Opinion(slot.id, word, reason_of(slot, verdict, ask))
