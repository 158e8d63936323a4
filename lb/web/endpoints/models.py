"""``GET /v1/models``: what the accounts list, cut to what the key may use."""

from aiohttp import web

from lb.core.errors import Blame, Problem
from lb.web.keys import GATEWAY, client_of


async def list_all(request: web.Request) -> web.Response:
    """Every model some account serves and the key may use, in OpenAI's form."""
    client = client_of(request)
    models = await request.app[GATEWAY].catalog.models(client.plan)
    return web.json_response({"object": "list", "data": models})


async def retrieve(request: web.Request) -> web.Response:
    """One model. Raises: Problem (404) when no account serves it, or the key may not use it."""
    client = client_of(request)
    name = request.match_info["id"]
    for model in await request.app[GATEWAY].catalog.models(client.plan):
        if model["id"] == name:
            return web.json_response(model)
    raise Problem(
        f"The model '{name[:200]}' does not exist or you do not have access to it.",
        status=404,
        type="invalid_request_error",
        code="model_not_found",
        param="model",
        blame=Blame.CLIENT,
    )
