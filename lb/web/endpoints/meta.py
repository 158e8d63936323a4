"""Liveness and readiness."""

from aiohttp import web

from lb.web.keys import GATEWAY


async def health(request: web.Request) -> web.Response:
    """Live: the event loop turns."""
    del request
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """Whether new requests are let in; never depends on accounts or store (fail open)."""
    gateway = request.app[GATEWAY]
    if gateway.draining:
        return web.json_response({"status": "draining"}, status=503)
    store = "away" if gateway.memory.trouble else "ok"
    return web.json_response({"status": "ready", "store": store})
