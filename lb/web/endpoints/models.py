"""``GET /v1/models``: what the accounts list, cut to what the key may use."""

from hashlib import sha256
from typing import Any

import msgspec
from aiohttp import web

from lb.core.errors import Blame, Problem
from lb.web.auth import Client
from lb.web.keys import GATEWAY, client_of


async def list_all(request: web.Request) -> web.Response:
    """Every model some account serves and the key may use.

    OpenAI's list; Codex's catalog for a client that says its version.
    """
    client = client_of(request)
    if "client_version" in request.query:
        return await _for_codex(request, client)
    models = await _models(request, client)
    return web.json_response({"object": "list", "data": models})


async def _models(request: web.Request, client: Client) -> list[dict[str, Any]]:
    models = await request.app[GATEWAY].catalog.models(client.plan)
    return [model for model in models if _in_plan(request, client, model["id"])]


def _in_plan(request: web.Request, client: Client, name: str) -> bool:
    """Whether the catalog has the model in the client's plan."""
    model = request.app[GATEWAY].config.models.find(name)
    return not model.plans or client.is_in(model.plans)


async def _for_codex(request: web.Request, client: Client) -> web.Response:
    told = await request.app[GATEWAY].catalog.codex_models(client.plan)
    models = [model for model in told if _in_plan(request, client, model["slug"])]
    body = msgspec.json.encode({"models": models})
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers={"ETag": etag})
    return web.Response(body=body, content_type="application/json", headers={"ETag": etag})


async def retrieve(request: web.Request) -> web.Response:
    """One model. Raises: Problem (404) when no account serves it, or the key may not use it."""
    client = client_of(request)
    name = request.match_info["id"]
    for model in await _models(request, client):
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
