"""Every route, one table."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from lb.web.admin import api, live
from lb.web.endpoints import chat, meta, models, responses

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v1/responses", responses.create),
    ("POST", "/backend-api/codex/responses", responses.create),
    ("POST", "/v1/chat/completions", chat.create),
    ("GET", "/v1/models", models.list_all),
    ("GET", "/v1/models/{id:.+}", models.retrieve),
    ("GET", "/backend-api/codex/models", models.list_all),
    ("GET", "/health", meta.health),
    ("GET", "/ready", meta.ready),
    ("GET", "/admin/status", api.status),
    ("GET", "/admin/explain", api.explain),
    ("GET", "/admin/live", live.live),
    ("GET", "/admin/accounts/{id}", api.account),
    ("POST", "/admin/accounts/{id}/{action:pause|resume|reset}", api.act),
)


def add_routes(app: web.Application) -> None:
    """Put every route on ``app``."""
    for method, path, handler in ROUTES:
        app.router.add_route(method, path, handler)
