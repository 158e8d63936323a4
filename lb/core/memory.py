"""What outlives a restart: the standing of an account, as plain data, and back.

``until`` is kept with the time it was saved, so that a clock that jumped while we were away can
only shorten an absence, never lengthen it.
"""

from typing import Any

import cattrs
from attrs import evolve

from lb.core.events import VOCABULARY, Blocked, Event
from lb.core.health import Health
from lb.core.slot import Slot
from lb.core.windows import Window

_converter = cattrs.Converter(forbid_extra_keys=False)


def standing(slot: Slot, now: float) -> dict[str, Any]:
    """The standing of ``slot`` at ``now`` (unix seconds) as JSON-able data."""
    told: dict[str, Any] = _converter.unstructure(
        {
            "saved_at": now,
            "health": slot.health,
            "windows": list(slot.windows),
            "blocks": list(slot.blocks.values()),
            "limit": slot.limit,
        }
    )
    return told


def restore(slot: Slot, saved: dict[str, Any], now: float) -> None:
    """Take up a saved standing. Raises: nothing; what cannot be read is forgotten."""
    try:
        saved_at = float(saved["saved_at"])
        health = _converter.structure(saved["health"], Health)
        windows = _converter.structure(saved["windows"], tuple[Window, ...])
        blocks = _converter.structure(saved["blocks"], tuple[Blocked, ...])
        limit = float(saved["limit"])
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError):
        return
    until = _sooner(health.until, saved_at, now)
    slot.health = evolve(health, until=until, since=min(health.since, now))
    slot.windows = windows
    slot.blocks = {
        block.model: evolve(block, until=_sooner(block.until, saved_at, now)) for block in blocks
    }
    slot.limit = max(1.0, min(limit, float(slot.account.max_in_flight)))


def _sooner(until: float, saved_at: float, now: float) -> float:
    return min(until, now + max(0.0, until - saved_at)) if until else until


def event_to_data(event: Event) -> dict[str, Any]:
    """An event as JSON-able data, with its name in the vocabulary."""
    told: dict[str, Any] = _converter.unstructure(event)
    return {"event": type(event).__name__.lower(), **told}


def event_of_data(data: dict[str, Any]) -> Event | None:
    """The event back; None for one this version does not know."""
    kind = VOCABULARY.get(str(data.get("event")))
    if kind is None:
        return None
    try:
        return _converter.structure(data, kind)
    except (cattrs.BaseValidationError, KeyError, TypeError, ValueError):
        return None
