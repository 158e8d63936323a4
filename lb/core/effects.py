"""What an event does to a slot beyond its health: a table, one function each."""

from collections.abc import Callable

from lb.core.events import (
    Blocked,
    Doubted,
    Event,
    Exhausted,
    Measured,
    Refused,
    Restored,
    Succeeded,
    Throttled,
)
from lb.core.health import State
from lb.core.slot import Mishap, Slot
from lb.core.windows import merge

_LONG_WINDOW_S = 3600.0  # plan windows are longer; per-minute ones say nothing of a spent quota


def restores(slot: Slot, event: Measured) -> bool:
    """Whether a reading proves that an exhausted account's plan window started anew early."""
    if slot.health.state is not State.EXHAUSTED or event.at <= slot.health.since:
        return False
    plan = [w for w in event.windows if w.span_s is not None and w.span_s >= _LONG_WINDOW_S]
    return bool(plan) and all(window.used < 1.0 for window in plan)


def _succeeded(slot: Slot, event: Event) -> None:
    del event
    slot.counts.succeeded += 1
    slot.speed_up()


def _failed(slot: Slot, event: Event) -> None:
    slot.counts.failed += 1
    slot.mishap = Mishap(event.at, str(getattr(event, "reason", "")))


def _exhausted(slot: Slot, event: Event) -> None:
    _failed(slot, event)
    slot.plan_canary(event.at)


def _blocked(slot: Slot, event: Event) -> None:
    if isinstance(event, Blocked):
        slot.blocks = {m: b for m, b in slot.blocks.items() if b.until > event.at}
        slot.blocks[event.model] = event


def _measured(slot: Slot, event: Event) -> None:
    if isinstance(event, Measured):
        slot.windows = merge(slot.windows, event.windows)


def _restored(slot: Slot, event: Event) -> None:
    del event
    slot.limit = float(slot.account.max_in_flight)
    slot.blocks = {}


EFFECTS: dict[type[Event], Callable[[Slot, Event], None]] = {
    Succeeded: _succeeded,
    Doubted: _failed,
    Refused: _failed,
    Throttled: _failed,
    Exhausted: _exhausted,
    Blocked: _blocked,
    Measured: _measured,
    Restored: _restored,
}
