"""``POST /v1/responses``: read, prepare, deliver."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from math import isfinite

from aiohttp import web

from lb.core import affinity
from lb.core import gateway as wishes
from lb.core.account import Ask
from lb.core.body import Body
from lb.core.call import Call
from lb.core.errors import Blame, Problem
from lb.core.formats import FORMATS, Format
from lb.core.gateway.planning import Planned
from lb.core.models import Settled
from lb.core.rules import prepare
from lb.web.auth import Client
from lb.web.endpoints.planned import ask_for, planned
from lb.web.keys import DELIVERY, DOORMAN, GATEWAY, REQUEST_ID
from lb.web.reading import INLINE_BYTES, read_body

_FORWARDED = frozenset(
    {
        "accept-language",
        "idempotency-key",
        "openai-beta",
        "originator",
        "session-id",
        "session_id",
        "thread-id",
        "traceparent",
        "tracestate",
        "user-agent",
        "version",
        "x-client-request-id",
    }
)
_FORWARDED_FAMILIES = ("x-codex-", "x-openai-")
_TIMEOUT_HEADERS = ("x-request-timeout", "x-stainless-timeout", "x-stainless-read-timeout")


async def create(request: web.Request) -> web.StreamResponse:
    """Answer one Responses request, as a stream or whole, by whichever account can."""
    return await answered(request, FORMATS["responses"])


async def answered(request: web.Request, spoken: Format) -> web.StreamResponse:
    """Answer one request, asked and answered as ``spoken``."""
    gateway = request.app[GATEWAY]
    received_at = gateway.clock.now()
    client = request.app[DOORMAN][0].client(request)
    if gateway.draining:
        raise shutting_down()
    source = await read_body(request, gateway.config.server.max_body_mb << 20)
    call = await call_of(request, client, Body.parse(source), spoken)
    call.deadline = received_at + patience_of(request)
    delivery = request[DELIVERY] = gateway.delivery(call, received_at)
    gateway.deliveries.add(delivery)
    try:
        return await (delivery.relayed(request) if call.stream else delivery.whole())
    finally:
        gateway.deliveries.discard(delivery)


async def call_of(request: web.Request, client: Client, body: Body, spoken: Format) -> Call:
    """The prepared request. Raises: Problem (400, 403, 410) for what is wrong with it."""
    wish = wishes.taken(body)
    voice = spoken.heard(body)
    needs = prepare(body, request.app[DOORMAN][0].rejectable)
    further = wishes.model_is_chosen(body, wish)
    spoken.settled(body)
    if wish is not wishes.NOTHING and _size(body) > INLINE_BYTES:
        voice = await asyncio.to_thread(wishes.applied, body, wish, voice)
    else:
        voice = wishes.applied(body, wish, voice)
    headers = forwarded(request.headers)
    anchors, bound = affinity.anchors_of(headers, body)
    ask = Ask(
        model="",
        client=client.name,
        needs=needs,
        anchors=anchors,
        session=affinity.session_of(headers, body),
        bound=bound,
        only=wishes.conditions(wish),
        order=wish.order,
    )
    settle = partial(_settled, request, client, spoken)
    details = await planned(request, body, wish, ask, settle)
    plain = body.copy() if further else body
    settled = settle(body)
    return Call(
        body,
        ask_for(settled, ask),
        stream=body.get("stream") is True,
        headers=headers,
        request_id=request[REQUEST_ID],
        codex=is_codex(headers),
        client_retries=_number(request.headers.get("x-stainless-retry-count"), 0.0) > 0,
        voice=voice if details is None else Planned(details, voice),
        others=tuple(
            (twin, ask_for(other, ask)) for twin, other in _others(settle, plain, further)
        ),
    )


def _size(body: Body) -> int:
    return sum(len(body.view(name)) for name in body.names())


def _settled(request: web.Request, client: Client, spoken: Format, body: Body) -> Settled:
    settled = request.app[GATEWAY].reader().settle(body, spoken.name)
    client.check_model(*settled.names)
    return settled


def _others(
    settle: Callable[[Body], Settled], plain: Body, names: Iterable[str]
) -> Iterator[tuple[Body, Settled]]:
    """The request to each other model of ``names`` that can do it and that the client may use."""
    for name in names:
        twin = plain.copy()
        twin.set("model", name)
        try:
            yield twin, settle(twin)
        except Problem:
            continue


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """What of a client's headers may go upstream, lower-case: an allow-list, nothing else."""
    found = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower in _FORWARDED or lower.startswith(_FORWARDED_FAMILIES):
            found[lower] = value
    return found


def is_codex(headers: Mapping[str, str]) -> bool:
    """Whether the client is a Codex CLI: it counts only JSON events as life."""
    return headers.get("originator", "").startswith("codex") or headers.get(
        "user-agent", ""
    ).startswith("codex")


def patience_of(request: web.Request) -> float:
    """How many seconds the client waits, by its own word or the server's limit."""
    limit_s = request.app[GATEWAY].config.server.deadline_s
    told = (_number(request.headers.get(name), limit_s) for name in _TIMEOUT_HEADERS)
    return min(limit_s, *(seconds for seconds in told if seconds > 0), limit_s)


def _number(text: str | None, default: float) -> float:
    try:
        number = float(text) if text else default
    except ValueError:
        return default
    return number if isfinite(number) else default


def shutting_down() -> Problem:
    """The 503 of a server that lets nobody in any more."""
    return Problem(
        "The server is shutting down; please send the request again.",
        status=503,
        code="server_shutdown",
        blame=Blame.GATEWAY,
        retry_after_s=1.0,
        should_retry=True,
    )
