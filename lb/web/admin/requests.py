"""``GET /admin/requests`` and ``/admin/requests/{id}``: what was asked, and what became of it."""

from typing import Any

from aiohttp import web

from lb.adapters.stores import StoreAway
from lb.core.errors import Blame, Problem, bad_request
from lb.core.reports import instant
from lb.core.search import FILTERS, MOST_ROWS, OUTCOMES, Cursor, Search, next_after
from lb.proxy.gateway import Gateway
from lb.web.admin.together import timeline_anywhere
from lb.web.keys import DOORMAN, GATEWAY

LONGEST_FILTER = 200  # characters: the ledger keeps no longer name


async def search(request: web.Request) -> web.Response:
    """A page of requests, newest first, by the parameters that ``Search`` and ``Cursor`` name.

    While the store is away, or has no answer in time, the page comes from what is remembered here.
    """
    request.app[DOORMAN][0].check_admin(request)
    gateway = request.app[GATEWAY]
    wanted = _search(request, gateway.clock.now())
    rows, source, why = await _rows(gateway, wanted)
    return web.json_response(
        {
            "object": "list",
            "source": source,
            "why": why or None,
            "data": rows,
            "next": next_after(rows, wanted.limit),
        }
    )


async def retrieve(request: web.Request) -> web.Response:
    """One request: its row, and its timeline while it is among the last few thousand."""
    request.app[DOORMAN][0].check_admin(request)
    gateway, request_id = request.app[GATEWAY], request.match_info["id"]
    told = await timeline_anywhere(gateway, request_id)
    row = await _row(gateway, request_id)
    if told is not None:
        return web.json_response({**told, "request": row or told["request"]})
    if row is None:
        raise Problem(
            f"There is no request '{request_id[:100]}' in the ledger.",
            status=404,
            type="invalid_request_error",
            code="request_not_found",
            param="id",
            blame=Blame.CLIENT,
        )
    return web.json_response({"request": row, "attempts": None, "rules": None})


def _search(request: web.Request, now: float) -> Search:
    """What is looked for. Raises: Problem (400)."""
    query = request.query
    told: dict[str, Any] = {name: query.get(name, "")[:LONGEST_FILTER] for name in FILTERS}
    if told["outcome"] and told["outcome"] not in OUTCOMES:
        raise bad_request(f"'outcome' must be one of {', '.join(OUTCOMES)}.", "outcome")
    for name in ("since", "until"):
        told[name] = _instant(query.get(name, ""), name, now)
    limit = query.get("limit", "50")
    if not limit.isdecimal() or not 1 <= int(limit[:9]) <= MOST_ROWS:
        raise bad_request(f"'limit' must be a whole number from 1 to {MOST_ROWS}.", "limit")
    after = Cursor.read(query["cursor"]) if query.get("cursor") else None
    if query.get("cursor") and after is None:
        raise bad_request("'cursor' must be the 'next' of a page before.", "cursor")
    return Search(**told, limit=int(limit), after=after)


def _instant(text: str, name: str, now: float) -> float | None:
    """Unix seconds; None for an empty text. Raises: Problem (400)."""
    found = instant(text, now) if text else None
    if text and found is None:
        raise bad_request(f"'{name}' must be like 7d, 2026-01-31 or unix seconds.", name)
    return found


async def _rows(gateway: Gateway, wanted: Search) -> tuple[list[dict[str, Any]], str, str]:
    """The page, where it comes from, and why not from the ledger ("": it does)."""
    try:
        return await gateway.memory.search(wanted), "ledger", ""
    except StoreAway as error:
        return wanted.of(gateway.timelines.rows()), "memory", str(error)


async def _row(gateway: Gateway, request_id: str) -> dict[str, Any] | None:
    try:
        return await gateway.memory.request(request_id)
    except StoreAway:
        return None
