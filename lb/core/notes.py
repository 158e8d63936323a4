"""Why an account was picked and each other not: noted in a glance, put into words when asked."""

from collections.abc import Collection
from itertools import islice
from operator import attrgetter
from typing import Any

from attrs import frozen

from lb.core.account import Account, Ask
from lb.core.explain import Opinion, reason_of
from lb.core.pool import Pool
from lb.core.slot import Origin, Slot, Verdict

MOST_AT_FIRST = 16  # accounts; a first pick in a larger pool draws two, and so need not say more
MOST_LOOKS = 64


_LOOK = ("account", "health", "in_flight", "limit", "blocks", "windows", "probe_until")
_look = attrgetter(*_LOOK, "origin.until")
"""An account as it is just now: references only, nothing is judged yet."""


@frozen
class Note:
    """One pick ``at`` (unix seconds).

    ``home`` is the account the conversation belongs to, ``looks`` are all accounts but the
    ``unseen``, ``tried`` were out already.
    """

    at: float
    picked: Account
    verdict: Verdict
    home: str | None
    tried: frozenset[str]
    looks: tuple[tuple[Any, ...], ...]
    unseen: int

    def judged(self, ask: Ask) -> list[tuple[Slot, Verdict]]:
        """Each other account as it was, and what was thought of it."""
        others = [_then(look) for look in self.looks if look[0].id != self.picked.id]
        return [(slot, self._verdict(slot, ask)) for slot in others]

    def _verdict(self, slot: Slot, ask: Ask) -> Verdict:
        if not slot.account.enabled:
            return Verdict.PAUSED
        return Verdict.TRIED if slot.id in self.tried else slot.judge(ask, self.at)


def note_of(
    pool: Pool, ask: Ask, now: float, picked: tuple[Slot, Verdict], tried: Collection[str]
) -> Note:
    """What the pool was like at ``now`` (unix seconds) when it picked; ``tried`` were out.

    On the request path, so it only takes hold of what is there: 2 us for ten accounts.
    """
    slot, verdict = picked
    slots = pool.slots.values()
    most = MOST_LOOKS if tried else MOST_AT_FIRST
    looks: tuple[tuple[Any, ...], ...] = ()
    if tried or len(slots) <= most:
        looks = tuple(map(_look, islice(slots, most)))
    home = pool.home(ask, now)
    unseen = len(slots) - max(1, len(looks))
    return Note(now, slot.account, verdict, home, frozenset(tried), looks, unseen)


def _then(look: tuple[Any, ...]) -> Slot:
    """The slot as it was."""
    *told, origin_until = look
    return Slot(**dict(zip(_LOOK, told, strict=True)), origin=Origin(origin_until, streak=1))


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
