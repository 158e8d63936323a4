"""What a worker that is not alone is wired with: what it hears, and what the others may ask it.

A part of ``app``, built beside it.
"""

import asyncio
from functools import partial
from typing import Any

from aiohttp import web

from lb.adapters.clock import Clock
from lb.adapters.shared import Place
from lb.app_watch import Ears
from lb.core.events import Event
from lb.core.strategies import Strategy
from lb.core.tidings import Listed
from lb.proxy.family import Family
from lb.proxy.gateway import Gateway
from lb.proxy.timelines import Timeline
from lb.web.admin.live import publish_news
from lb.web.admin.together import answers_of
from lb.web.keys import LISTENERS, News


def family_at(place: Place, clock: Clock, strategy: Strategy) -> Family | None:
    """A worker's family; None for a server that is alone."""
    return None if place.is_alone else Family.of(place, clock, strategy)


def join(family: Family, app: web.Application, gateway: Gateway, ears: Ears) -> None:
    """Tell the others what happens here, and hear what happens there."""
    listeners = app[LISTENERS]
    gateway.family, gateway.others = family, family.shared
    gateway.dispatch.before_end = family.before_end
    gateway.timelines.on_added = partial(_on_added, family, listeners)
    family.on_event = partial(_overheard, gateway, ears)
    family.on_row = partial(publish_news, listeners)
    family.on_flight = gateway.dispatch.queue.wake
    family.watches = lambda: bool(listeners)
    ears.family = family
    _ask_and_answer(family, app, gateway)


def _ask_and_answer(family: Family, app: web.Application, gateway: Gateway) -> None:
    keys, memory, shared = gateway.keys, gateway.memory, family.shared

    async def follow_keys(_: Any) -> bool:
        await keys.follow(memory.spent)
        return True

    async def store(_: Any) -> bool:
        await memory.flush(now=True)
        return True

    family.questions |= {"keys": follow_keys, "store": store, **answers_of(app)}
    keys.on_written = partial(shared.ask, "keys")
    memory.before_look = partial(shared.ask, "store")


def _on_added(family: Family, listeners: "set[asyncio.Queue[News]]", timeline: Timeline) -> None:
    publish_news(listeners, timeline)
    if family.watchers:
        family.changes.tell(Listed(timeline.row))


def _overheard(gateway: Gateway, ears: Ears, event: Event) -> None:
    """It happened at another worker, which keeps it: here it only counts, and is shown."""
    changed = gateway.pool.learn(event)
    ears.overheard(event, changed=changed)
    if changed:
        gateway.dispatch.queue.wake()
