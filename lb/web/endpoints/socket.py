"""``GET /v1/responses`` with an upgrade: Responses over a WebSocket."""

from aiohttp import web

from lb.core import codex
from lb.core.body import Body
from lb.core.call import Call
from lb.core.errors import Blame, Problem
from lb.proxy.conversation import Conversation
from lb.proxy.deliver import Delivery
from lb.web.admitting import admitted, shutting_down
from lb.web.arriving import arrived
from lb.web.headers import forwarded
from lb.web.keys import ARRIVAL
from lb.web.middlewares import tell
from lb.web.preparing import Visit

LARGEST_FRAME_BYTES = 128 << 20
PING_S = 30.0


async def converse(request: web.Request) -> web.StreamResponse:
    """Serve one client's socket until it leaves.

    Raises: Problem (400) without an upgrade, (401) for a stranger, (503) when shutting down.
    """
    arrival = request[ARRIVAL]
    gateway = arrival.gateway
    arrival.known(request)
    if gateway.draining:
        raise shutting_down()
    link = web.WebSocketResponse(
        max_msg_size=min(LARGEST_FRAME_BYTES, gateway.config.server.max_body_mb << 20),
        heartbeat=PING_S,
        compress=True,
    )
    if not link.can_prepare(request):
        raise Problem(
            "Send a POST, or upgrade this GET to a WebSocket.",
            status=400,
            type="invalid_request_error",
            code="upgrade_required",
            blame=Blame.CLIENT,
        )
    await link.prepare(request)
    _send_plain(link)
    handshake = forwarded(request.headers)

    async def prepared(body: Body, request_id: str) -> Call:
        headers = {**handshake, **codex.turn_headers(body)}
        # asked for at each turn: a key may have been ended since the last
        client = arrival.known(request)
        visit = Visit(request, client, headers, request_id, gateway, arrival.doorman)
        return await arrived(visit, body.copy if gateway.family else lambda: body)

    def admit(call: Call) -> Delivery:
        size = len(call.body.view("input"))
        client = arrival.client or arrival.known(request)
        return admitted(gateway, client, call, size, gateway.clock.now())

    def done(delivery: Delivery, problem: Problem | None) -> None:
        tell(request, delivery, problem)

    await Conversation(gateway, request, link, prepared, admit, done).run()
    return link


def _send_plain(link: web.WebSocketResponse) -> None:
    """Read deflated frames, send plain ones: small deltas gain little.

    A compressor costs each idle socket 110 KiB (bench/sockets.py), and each frame time.
    """
    writer = link._writer  # noqa: SLF001  # aiohttp has no public way to deflate one side only
    if writer is not None:
        writer.compress = 0
