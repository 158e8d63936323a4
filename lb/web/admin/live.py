"""``GET /admin/live``: the vocabulary of events as it happens, as server-sent events.

event: paused, exhausted ...   {"at", "account", "standing"}: how the account stands now
event: request                 a request that is over, as its row of the ledger
event: pool                    once a second: the pool and the accounts in numbers
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp import web
from aiohttp_sse import sse_response

from lb.core.events import Event, Measured, Succeeded
from lb.core.history import BUCKET_S
from lb.core.tidings import Watched
from lb.proxy.gateway import Gateway
from lb.web.admin.shown import accounts_of, one_of, pool_of
from lb.web.admin.together import TICK_ANSWER_S, add_up, counts_of
from lb.web.keys import DOORMAN, GATEWAY, HOUSE, LISTENERS, News

MOST_WAITING = 1000  # a listener that falls further behind is let go and comes back anew
TICK_S = 1.0
MOST_ROWS_A_TICK = 40  # nobody reads faster; the ledger has them all
_NO_NEWS = (Succeeded, Measured)


async def live(request: web.Request) -> web.StreamResponse:
    """Tell one listener, until it leaves or falls behind."""
    request.app[DOORMAN][0].check_admin(request)
    gateway, listeners = request.app[GATEWAY], request.app[LISTENERS]
    inbox: asyncio.Queue[News] = asyncio.Queue(MOST_WAITING)
    async with sse_response(request) as response:
        listeners.add(inbox)
        _watched(gateway, yes=True)
        try:
            async for name, told in _told(request, inbox):
                await response.send(msgspec.json.encode(told).decode(), event=name)
                if not response.is_connected():
                    break
        finally:
            listeners.discard(inbox)
            _watched(gateway, yes=bool(listeners))
    return response


def _watched(gateway: Gateway, *, yes: bool) -> None:
    """The other workers tell of their requests as long as somebody watches here."""
    if gateway.family is not None:
        gateway.family.changes.tell(Watched(yes))


async def _told(
    request: web.Request, inbox: "asyncio.Queue[News]"
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """What there is to tell, as it comes: (name of the frame, its data)."""
    gateway, house = request.app[GATEWAY], request.app[HOUSE]
    loop = asyncio.get_running_loop()
    due, rows, bucket = loop.time() + TICK_S, 0, 0
    while not inbox.full():
        if loop.time() >= due:
            now = gateway.clock.now()
            fresh, bucket = bucket != now // BUCKET_S, int(now // BUCKET_S)
            tick = _tick(gateway, now, unseen=max(0, rows - MOST_ROWS_A_TICK), whole=fresh)
            if others := await gateway.others.ask("counts", timeout_s=TICK_ANSWER_S):
                add_up(tick["pool"], tick["accounts"], [counts_of(gateway, house), *others])
            yield "pool", tick
            due, rows = loop.time() + TICK_S, 0
        try:
            async with asyncio.timeout_at(due):
                news = await inbox.get()
        except TimeoutError:
            continue
        if isinstance(news, Event):
            yield _event_told(gateway, news)
            continue
        rows += 1
        if rows <= MOST_ROWS_A_TICK:
            yield "request", news if isinstance(news, dict) else news.row


def _event_told(gateway: Gateway, event: Event) -> tuple[str, dict[str, Any]]:
    slot = gateway.pool.slots.get(event.account)
    told: dict[str, Any] = {"at": event.at, "account": event.account}
    if slot is not None:
        told["standing"] = one_of(gateway, slot, gateway.clock.now())
    return type(event).__name__.lower(), told


def _tick(gateway: Gateway, now: float, *, unseen: int, whole: bool) -> dict[str, Any]:
    """The numbers; the latencies only when a new one came (``whole``): they are most of it."""
    accounts = accounts_of(gateway, now)
    if not whole:
        for account in accounts:
            del account["latencies_ms"]
    return {
        "at": now,
        "pool": pool_of(gateway, now),
        "accounts": accounts,
        "unseen_requests": unseen,
        "problems": gateway.problems,
        "event_loop_lag_ms": round(gateway.lag_s * 1000, 2),
    }


def publish(listeners: "set[asyncio.Queue[News]]", event: Event, *, changed: bool) -> None:
    """Tell every listener; what changed no standing is no news, the next tick has its numbers."""
    if changed or not isinstance(event, _NO_NEWS):
        publish_news(listeners, event)


def publish_news(listeners: "set[asyncio.Queue[News]]", news: News) -> None:
    """Tell every listener that can still take it."""
    for inbox in listeners:
        if not inbox.full():
            inbox.put_nowait(news)
