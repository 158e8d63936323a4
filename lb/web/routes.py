"""Every route, one table."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from lb.web.admin import api, config, keys, live, logs, metrics, pages, requests
from lb.web.admin import usage as usage_reports
from lb.web.endpoints import chat, codex, forward, meta, models, responses, socket, usage

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v1/responses", responses.create),
    ("POST", "/backend-api/codex/responses", responses.create),
    ("GET", "/v1/responses", socket.converse),
    ("GET", "/backend-api/codex/responses", socket.converse),
    ("POST", "/v1/chat/completions", chat.create),
    ("GET", "/v1/models", models.list_all),
    ("GET", "/v1/models/{id:.+}", models.retrieve),
    ("GET", "/backend-api/codex/models", models.list_all),
    *(("POST", f"/v1{path}", forward.forward) for path in forward.KINDS_OF_PATH),
    *(("POST", f"/backend-api/codex{path}", forward.forward) for path in forward.KINDS_OF_PATH),
    ("POST", "/backend-api/files", forward.forward),
    ("GET", "/backend-api/wham/usage", codex.usage),
    ("GET", "/api/codex/usage", codex.usage),
    ("GET", "/backend-api/wham/accounts/check", codex.accounts_check),
    ("GET", "/api/codex/accounts/check", codex.accounts_check),
    ("*", "/backend-api/wham/{rest:.*}", codex.nothing),
    ("*", "/backend-api/ps/{rest:.*}", codex.nothing),
    ("*", "/backend-api/codex/analytics-events/{rest:.*}", codex.nothing),
    ("*", "/api/codex/{rest:.*}", codex.nothing),
    ("*", "/ps/{rest:.*}", codex.nothing),
    ("*", "/codex/analytics-events/{rest:.*}", codex.nothing),
    ("GET", "/v1/usage", usage.own),
    ("GET", "/health", meta.health),
    ("GET", "/ready", meta.ready),
    ("GET", "/metrics", metrics.metrics),
    ("GET", "/admin/log-level", logs.level),
    ("POST", "/admin/log-level", logs.set_level),
    ("GET", "/admin/status", api.status),
    ("GET", "/admin/explain", api.explain),
    ("GET", "/admin/live", live.live),
    ("GET", "/admin/config", config.effective),
    ("GET", "/admin/requests", requests.search),
    ("GET", "/admin/requests/{id}", requests.retrieve),
    ("GET", "/admin", pages.to_page),
    ("GET", "/admin/", pages.page),
    ("GET", "/admin/static/{name}", pages.static),
    ("GET", "/admin/accounts/{id}", api.account),
    ("GET", "/admin/usage", usage_reports.report),
    ("POST", "/admin/accounts/{id}/{action:pause|resume|reset}", api.act),
    ("POST", "/admin/accounts/{id}/probe", api.probe),
    ("GET", "/admin/keys", keys.list_all),
    ("POST", "/admin/keys", keys.create),
    ("GET", "/admin/keys/{name}", keys.retrieve),
    ("PATCH", "/admin/keys/{name}", keys.change),
    ("DELETE", "/admin/keys/{name}", keys.delete),
    ("POST", "/admin/keys/{name}/rotate", keys.rotate),
)


def add_routes(app: web.Application) -> None:
    """Put every route on ``app``, and the limits on every answer."""
    for method, path, handler in ROUTES:
        app.router.add_route(method, path, handler)
    app.on_response_prepare.append(usage.tell_limits)
