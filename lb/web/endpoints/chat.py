"""``POST /v1/chat/completions``: the same pool, rules, failover and books; another way to speak."""

from aiohttp import web

from lb.core.formats import FORMATS
from lb.web.endpoints.responses import answered


async def create(request: web.Request) -> web.StreamResponse:
    """Answer one chat, as a stream or whole, by whichever account can."""
    return await answered(request, FORMATS["chat"])
