"""``GET /v1/usage``: a key's own account of itself, and the headers that go with every answer."""

from aiohttp import web

from lb.core import allowance
from lb.web.keys import ARRIVAL, GATEWAY, client_of


async def own(request: web.Request) -> web.Response:
    """The plan of the key that asks, what it has used, and what is left."""
    client = client_of(request)
    now = request.app[GATEWAY].clock.now()
    return web.json_response(allowance.told_of(client.key, client.meter, now))


async def tell_limits(request: web.Request, response: web.StreamResponse) -> None:
    """Put what is left of the client's limits on its answer, whatever the answer is."""
    arrival = request.get(ARRIVAL)
    client = arrival.client if arrival is not None else None
    if client is not None and client.plan.has_limits:
        now = request.app[GATEWAY].clock.now()
        response.headers.update(allowance.headers(client.meter, now))
