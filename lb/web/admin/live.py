"""``GET /admin/live``: the vocabulary of events as it happens, as server-sent events."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web
from aiohttp_sse import sse_response

from lb.core.events import Event, Succeeded
from lb.web.admin.api import account_of
from lb.web.keys import DOORMAN, GATEWAY, LISTENERS

_MOST_WAITING = 1000  # a listener that falls further behind is let go and comes back anew


async def live(request: web.Request) -> web.StreamResponse:
    """One frame an event that changed an account: its name, and how the account stands now."""
    request.app[DOORMAN][0].check_admin(request)
    gateway, listeners = request.app[GATEWAY], request.app[LISTENERS]
    inbox: asyncio.Queue[Event] = asyncio.Queue(_MOST_WAITING)
    async with sse_response(request) as response:
        listeners.add(inbox)
        try:
            while response.is_connected() and not inbox.full():
                event = await inbox.get()
                slot = gateway.pool.slots.get(event.account)
                told: dict[str, Any] = {"at": event.at, "account": event.account}
                if slot is not None:
                    told["standing"] = account_of(slot, gateway.clock.now())
                name = type(event).__name__.lower()
                await response.send(msgspec.json.encode(told).decode(), event=name)
        finally:
            listeners.discard(inbox)
    return response


def publish(listeners: set["asyncio.Queue[Event]"], event: Event, *, changed: bool) -> None:
    """Tell every listener; a success that changed nothing is no news."""
    if not changed and isinstance(event, Succeeded):
        return
    for inbox in listeners:
        if not inbox.full():
            inbox.put_nowait(event)
