"""What a worker has done that the others do not know yet; gathered until it is told.

Whoever changes something marks it here, which costs next to nothing; what stood there a moment
before is overwritten, so that however busy the worker is, it tells each account and each key once.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field

from lb.core.events import Event
from lb.core.memory import event_to_data
from lb.core.spans import DAY_S
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

if TYPE_CHECKING:
    from lb.core.sharing import SharedMeter
    from lb.core.slot import Slot


def _nothing(*, soon: bool = False) -> None:
    del soon


@define(eq=False)
class Changes:
    """``nudge`` is called once something is to be told; ``soon``: it should not wait for more.

    ``lay`` puts what is pressing where the others find it now, ``look`` takes up what they put.
    """

    nudge: Callable[..., None] = _nothing
    lay: Callable[[], None] = _nothing
    look: Callable[[], None] = _nothing
    number: int = 0  # of the last Holds
    _events: list[dict[str, Any]] = field(factory=list)
    _slots: dict[str, "Slot"] = field(factory=dict)
    _meters: "dict[str, SharedMeter]" = field(factory=dict)
    _used: dict[tuple[str, int], list[Any]] = field(factory=dict)
    _pins: dict[bytes, tuple[str, float]] = field(factory=dict)
    _ended: list[int] = field(factory=lambda: [0, 0])
    _others: list[Tiding] = field(factory=list)
    _nudged: bool = False

    def happened(self, event: Event, *, soon: bool = True) -> None:
        """Something happened to an account; ``soon``: how it stands has changed."""
        self._events.append(event_to_data(event))
        if soon:
            self._nudged = True
            self.nudge(soon=True)
        elif not self._nudged:
            self._nudge()

    def moved(self, slot: "Slot") -> None:
        """A request has begun or ended at an account."""
        self._slots[slot.account.id] = slot
        if not self._nudged:
            self._nudge()

    def held(self, meter: "SharedMeter") -> None:
        """A request of a key was let in, or is over."""
        self._meters[meter.name] = meter
        if not self._nudged:
            self._nudge()

    def used(self, key: str, at: float, requests: int, tokens: int, uusd: int) -> None:
        """A key has used so much more, by a request that was let in ``at`` (unix seconds)."""
        day = (key, int(at // DAY_S))
        known = self._used.get(day)
        if known is None:
            self._used[day] = [at, requests, tokens, uusd]
        else:
            known[1] += requests
            known[2] += tokens
            known[3] += uusd
        if not self._nudged:
            self._nudge()

    def pinned(self, key: bytes, account: str, until: float) -> None:
        """``account`` owns what is hashed to ``key``."""
        self._pins[key] = (account, until)
        if not self._nudged:
            self._nudge()

    def ended(self, *, failed: bool) -> None:
        """A request is over."""
        self._ended[0] += 1
        self._ended[1] += failed
        if not self._nudged:
            self._nudge()

    def tell(self, tiding: Listed | Logging | Watched) -> None:
        """Something that is told as it is."""
        self._others.append(tiding)
        if not self._nudged:
            self._nudge()

    def _nudge(self) -> None:
        self._nudged = True
        self.nudge(soon=False)

    def pressing(self) -> list[Tiding]:
        """Of what there is to tell, what others may look for at any moment: owners, and limits."""
        told: list[Tiding] = []
        if self._pins:
            told.append(Pinned([(key, *owner) for key, owner in self._pins.items()]))
            self._pins = {}
        if self._meters:
            self.number += 1
            held = {name: meter.own for name, meter in self._meters.items()}
            told.append(Holds(self.number, held))
            self._meters = {}
        if self._used:
            told += (Used(key, *numbers) for (key, _), numbers in self._used.items())
            self._used = {}
        return told

    def taken(self) -> list[Tiding]:
        """All there is to tell, which is known from now on."""
        self._nudged = False
        told = self.pressing()
        if self._events:
            told += map(Happened, self._events)
            self._events = []
        if self._slots:
            told.append(Flights({name: slot.own for name, slot in self._slots.items()}))
            self._slots = {}
        if self._ended[0]:
            told.append(Ended(*self._ended))
            self._ended = [0, 0]
        if self._others:
            told += self._others
            self._others = []
        return told
