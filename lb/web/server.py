"""The HTTP server: aiohttp's, with the limits it lacks.

A head that does not arrive in HEAD_S is cut (aiohttp knows no such limit); bad HTTP is answered in
OpenAI's envelope; a client that leaves cancels its handler at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from lb.adapters.outbox import Outbox, outgoing
from lb.core.errors import bad_request

HEAD_S = 10.0
KEEPALIVE_S = 75.0  # between requests of one connection; longer than most clients keep one idle
_MOST_HEAD_BYTES = 64 << 10


class PatientHandler(RequestHandler):
    """One connection. Patient with quiet ones between requests, not with heads that dribble."""

    __slots__ = ("_head_timer", "_outbox")

    def __init__(self, server: web.Server, outbox: Outbox, **limits: Any) -> None:
        super().__init__(server, **limits)
        self._head_timer: asyncio.TimerHandle | None = None
        self._outbox = outbox

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection that never sends a head is cut, too."""
        super().connection_made(outgoing(transport, self._outbox))
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing is expected any more."""
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, or of a body that a handler reads."""
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._forget_head()
        elif self._head_timer is None and self._waiter is not None:
            self._expect_head()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  # aiohttp's
        """Read on where reading was paused: aiohttp feeds its parser anew after every body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _expect_head(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(HEAD_S, self._cut)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cut(self) -> None:
        self._head_timer = None
        self.force_close()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP gets the envelope, too: the client's fault, and not worth a trace."""
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        self.log_debug("bad HTTP from %s", request.remote)
        problem = bad_request("The request is not valid HTTP/1.1, or its head is too large.")
        response = web.Response(status=status, body=problem.body(), content_type="application/json")
        response.force_close()
        return response


Handler = Callable[[Any], Awaitable[web.StreamResponse]]


def straight(app: web.Application, handle: Handler) -> Handler:
    """What ``handle`` does, by a shorter way where a path has no parameter.

    aiohttp looks such a route up, makes a match of it and sets the application each time anew; the
    same match serves all. What is not known here, or expects a 100, is left to ``handle``.
    """
    known = dict[tuple[str, str], tuple[web.UrlMappingMatchInfo, Handler]]()
    for route in app.router.routes():
        if isinstance(route.resource, web.PlainResource):
            match = web.UrlMappingMatchInfo({}, route)
            match.add_app(app)
            match.freeze()
            handler: Handler = route.handler
            for middleware in reversed(app.middlewares):
                handler = partial(middleware, handler=handler)
            known[route.method, route.resource.canonical] = match, handler

    def handled(request: web.Request) -> Awaitable[web.StreamResponse]:
        found = known.get((request.method, request.raw_path))
        if found is None or hdrs.EXPECT in request.headers:
            return handle(request)
        request._match_info, handler = found  # noqa: SLF001  # as aiohttp's own _handle does
        return handler(request)

    return handled


class _Server(web.Server):
    """Makes a PatientHandler for each connection; a misspelt limit is an error, not a shrug."""

    outbox: Outbox

    def __call__(self) -> RequestHandler:
        return PatientHandler(self, self.outbox, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """An AppRunner whose connections are PatientHandlers; answers leave by the ``outbox``."""

    def __init__(self, app: web.Application, outbox: Outbox | None = None) -> None:
        self._outbox = outbox or Outbox()
        limits: dict[str, Any] = {
            "auto_decompress": False,  # we inflate ourselves, bounded
            "keepalive_timeout": KEEPALIVE_S,
            "lingering_time": 2.0,
            "max_line_size": _MOST_HEAD_BYTES,
            "max_field_size": _MOST_HEAD_BYTES,
            "read_bufsize": 256 << 10,
        }
        super().__init__(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0, **limits
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        server = _Server(
            straight(self.app, made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,  # not among the kwargs
            loop=asyncio.get_running_loop(),
            **made._kwargs,  # noqa: SLF001  # aiohttp has no public way to choose the protocol
        )
        server.outbox = self._outbox
        return server
