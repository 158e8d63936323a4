"""Calls that are no responses but go to an account all the same: images, files, audio, compaction.

They go through the one failover loop, to a kind of account that has the endpoint; what they make
(a file, a compacted history) is remembered, so that what names it later goes to its owner.
"""

import re

from aiohttp import web

from lb.core import affinity
from lb.core.account import Ask
from lb.core.body import Body
from lb.core.call import Call
from lb.core.codex import is_codex
from lb.core.errors import bad_request
from lb.core.rules.presence import LONGEST_MODEL
from lb.web.admitting import admitted, shutting_down
from lb.web.arriving import owner_known
from lb.web.auth import Client
from lb.web.headers import deadline_of, forwarded
from lb.web.keys import ARRIVAL, GATEWAY
from lb.web.reading import read_any, read_body

_APIS = frozenset({"openai", "azure", "compatible"})
KINDS_OF_PATH: dict[str, frozenset[str]] = {
    "/responses/compact": _APIS,
    "/images/generations": _APIS | {"chatgpt"},
    "/images/edits": _APIS | {"chatgpt"},
    "/files": _APIS,
    "/audio/transcriptions": _APIS,
}
"""Which kinds of account serve an endpoint besides ``/responses``."""
_PREFIX = re.compile(r"^(/v1|/backend-api/codex|/backend-api)")
_MODEL_PART = re.compile(rb'name="model"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]{1,200})\r\n')


async def forward(request: web.Request) -> web.StreamResponse:
    """Hand the request to an account that can, and its answer back.

    Raises: Problem as ``POST /v1/responses`` does; 501 when no kind of account here has the path.
    """
    arrival = request[ARRIVAL]
    gateway, client = arrival.gateway, arrival.known(request)
    if gateway.draining:
        raise shutting_down()
    call, size = await _call(request, client)
    await owner_known(gateway, call.ask)
    delivery = arrival.delivery = admitted(gateway, client, call, size, arrival.received_at)
    gateway.deliveries.add(delivery)
    try:
        return await delivery.whole()
    finally:
        gateway.deliveries.discard(delivery)


async def _call(request: web.Request, client: Client) -> tuple[Call, int]:
    """The prepared request, and its size in bytes."""
    content_type = request.headers.get("Content-Type", "")
    body, model = await _read(request, content_type)
    plan = client.plan
    if model:
        plan.check_model(model)
    path = _PREFIX.sub("", request.path)
    headers = forwarded(request.headers)
    anchors, _ = affinity.anchors_of(headers, body)
    ask = Ask(
        model=model,
        client=client.name,
        anchors=anchors,
        session=affinity.session_of(headers, body),
        kinds=KINDS_OF_PATH[path],
        accounts=plan.accounts,
        labels=plan.labels,
    )
    call = Call(
        body,
        ask,
        stream=False,
        path=path,
        headers=headers,
        request_id=request[ARRIVAL].request_id,
        content_type=content_type,
        codex=is_codex(headers),
        deadline=deadline_of(request.headers, request.app[GATEWAY]),
        drain_tokens=plan.drains,
    )
    return call, len(body.render())


async def _read(request: web.Request, content_type: str) -> tuple[Body, str]:
    """The body, JSON or a form, and the model it names ("" where it names none)."""
    limit = request.app[GATEWAY].config.server.max_body_mb << 20
    if not content_type.startswith("application/json"):
        source = await read_any(request, limit)
        part = _MODEL_PART.search(source)
        return Body.opaque(source), part.group(1).decode("utf-8", "replace") if part else ""
    body = Body.parse(await read_body(request, limit))
    model = body.get("model") or ""
    if not isinstance(model, str):
        raise bad_request("'model' must be a string.", "model")
    if len(model) > LONGEST_MODEL:
        raise bad_request(f"'model' is longer than {LONGEST_MODEL} characters.", "model")
    if body.get("stream") is True:
        raise bad_request("Streams are not offered on this endpoint.", "stream")
    return body, model
