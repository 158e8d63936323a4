"""What a Codex client asks of ChatGPT's backend besides answers: the pool, as one account.

A path of no use to a pool answers something harmless and empty, and is logged once.
"""

from typing import Any

import structlog
from aiohttp import web

from lb.core.pool_usage import pooled, usage_body
from lb.web.keys import GATEWAY, client_of

_log = structlog.get_logger()
_FALLBACK_ORIGIN = "https://chatgpt.com"
_told: set[str] = set()
_NOTHING: dict[str, Any] = {
    "ps/plugins/installed": {"plugins": [], "pagination": {"next_page_token": None}},
    "ps/plugins/suggested/codex": {"plugins": []},
    "rate-limit-reset-credits": {"credits": [], "available_count": 0},
}


async def usage(request: web.Request) -> web.Response:
    """The pool's usage windows: the bars of ``/status``."""
    client_of(request)
    gateway = request.app[GATEWAY]
    now = gateway.clock.now()
    return web.json_response(usage_body(pooled(gateway.pool.enabled(), now), now))


async def accounts_check(request: web.Request) -> web.Response:
    """Which workspace the client is in, and where its backend is: here.

    Codex sends model traffic to ``workspace_backend_origin`` when its two base URLs share one,
    and takes only HTTPS there; behind plain HTTP the two are given different origins, and then the
    answer only has to be well formed.
    """
    client_of(request)
    account = request.headers.get("chatgpt-account-id", "") or "lb"
    secure = request.headers.get("x-forwarded-proto", request.scheme) == "https"
    origin = f"https://{request.host}" if secure else _FALLBACK_ORIGIN
    workspace = {
        "id": account,
        "workspace_backend_origin": origin,
        "account_routing_override": "NO_CONSTRAINT",
    }
    answer = {
        "accounts": [workspace],
        "account_ordering": [account],
        "default_account_id": account,
    }
    return web.json_response(answer)


async def nothing(request: web.Request) -> web.Response:
    """An empty answer for what a pool has no use for."""
    client_of(request)
    path = request.path.removeprefix("/backend-api/").removeprefix("/api/codex/").strip("/")
    if path not in _told and len(_told) < 100:
        _told.add(path)
        _log.info("answered_with_nothing", path=request.path)
    if path.endswith("ps/mcp"):
        return _no_method()
    for known, answer in _NOTHING.items():
        if path.endswith(known):
            return web.json_response(answer)
    return web.json_response({})


def _no_method() -> web.Response:
    """JSON-RPC's own word for a server that offers nothing."""
    error = {"code": -32601, "message": "No apps are offered here."}
    return web.json_response({"jsonrpc": "2.0", "id": 0, "error": error})
