"""``POST /v1/responses``: read, prepare, deliver."""

from functools import partial

from aiohttp import web

from lb.core.body import Body
from lb.core.formats import FORMATS, Format
from lb.proxy.sinks import StreamSink
from lb.web.admitting import admitted, shutting_down
from lb.web.arriving import arrived
from lb.web.headers import forwarded
from lb.web.keys import ARRIVAL
from lb.web.preparing import Visit
from lb.web.reading import read_body


async def answered(request: web.Request, *, spoken: Format) -> web.StreamResponse:
    """Answer one request, asked and answered as ``spoken``, by whichever account can."""
    arrival = request[ARRIVAL]
    gateway, client = arrival.gateway, arrival.known(request)
    if gateway.draining:
        raise shutting_down()
    source = await read_body(request, gateway.config.server.max_body_mb << 20)
    who = request, client, forwarded(request.headers), arrival.request_id
    visit = Visit(*who, gateway, arrival.doorman, spoken)
    call, size = await arrived(visit, partial(Body.parse, source)), len(source)
    del source  # what is left of it is the call's, which forgets it when content begins
    delivery = arrival.delivery = admitted(gateway, client, call, size, arrival.received_at)
    gateway.deliveries.add(delivery)
    try:
        if not call.stream:
            return await delivery.whole()
        sink = StreamSink(request, {"x-request-id": call.request_id}, codex=call.codex)
        await delivery.relayed(sink)
        return sink.response
    finally:
        gateway.deliveries.discard(delivery)


create = partial(answered, spoken=FORMATS["responses"])
"""Answer one Responses request, as a stream or whole."""
