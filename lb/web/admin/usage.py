"""``GET /admin/usage``: what was used, by key, account, model or day."""

from aiohttp import web

from lb.adapters.stores import StoreAway, TooSlow
from lb.core.errors import Blame, Problem, bad_request
from lb.core.reports import BY, Query, instant
from lb.web.keys import DOORMAN, GATEWAY


async def report(request: web.Request) -> web.Response:
    """Totals, then rows. ``since`` and ``until``: 7d, a date, or unix seconds.

    Raises: Problem (400; 503 while the store is away).
    """
    request.app[DOORMAN][0].check_admin(request)
    gateway = request.app[GATEWAY]
    query = _query(request, gateway.clock.now())
    try:
        told = await gateway.memory.usage(query)
    except TooSlow:
        raise Problem(
            "The report took too long; ask for a shorter time (since, until).",
            status=503,
            code="report_too_slow",
            blame=Blame.GATEWAY,
            should_retry=False,
        ) from None
    except StoreAway as error:
        raise Problem(
            f"The ledger's store is away ({error}); its rows wait in the journal.",
            status=503,
            code="store_away",
            blame=Blame.GATEWAY,
            retry_after_s=5.0,
        ) from None
    told["dropped_requests"] = gateway.memory.dropped
    return web.json_response(told)


def _query(request: web.Request, now: float) -> Query:
    by = request.query.get("by", "key")
    if by not in BY:
        raise bad_request(f"'by' must be one of {', '.join(BY)}.", "by")
    instants = {}
    for name in ("since", "until"):
        text = request.query.get(name, "")
        instants[name] = instant(text, now) if text else None
        if text and instants[name] is None:
            raise bad_request(f"'{name}' must be like 7d, 2026-01-31 or unix seconds.", name)
    return Query(by, instants["since"], instants["until"])
