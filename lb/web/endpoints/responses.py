"""``POST /v1/responses``: read, prepare, deliver."""

from collections.abc import Mapping
from math import isfinite

from aiohttp import web

from lb.core import affinity
from lb.core.account import Ask
from lb.core.allowance import refusal
from lb.core.body import Body
from lb.core.call import Call
from lb.core.codex import is_codex
from lb.core.errors import Blame, Problem
from lb.core.limits import Over, Reservation
from lb.core.plans import unpriced
from lb.core.rules import prepare
from lb.core.tenancy import Tenant
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway
from lb.proxy.sinks import StreamSink
from lb.web.auth import Client
from lb.web.keys import DELIVERY, DOORMAN, GATEWAY, REQUEST_ID, client_of
from lb.web.reading import read_body

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
BYTES_PER_TOKEN = 4  # of JSON, about: what is reserved until the upstream has counted
EXPECTED_OUTPUT_TOKENS = 500  # of a request that names no max_output_tokens
_TIMEOUT_HEADERS = ("x-request-timeout", "x-stainless-timeout", "x-stainless-read-timeout")


async def create(request: web.Request) -> web.StreamResponse:
    """Answer one Responses request, as a stream or whole, by whichever account can."""
    gateway = request.app[GATEWAY]
    received_at = gateway.clock.now()
    client = client_of(request)
    if gateway.draining:
        raise shutting_down()
    source = await read_body(request, gateway.config.server.max_body_mb << 20)
    headers = forwarded(request.headers)
    call = call_of(request, client, Body.parse(source), headers, request[REQUEST_ID])
    delivery = request[DELIVERY] = admitted(gateway, client, call, len(source), received_at)
    gateway.deliveries.add(delivery)
    try:
        if not call.stream:
            return await delivery.whole()
        sink = StreamSink(request, {"x-request-id": call.request_id}, codex=call.codex)
        await delivery.relayed(sink)
        return sink.response
    finally:
        gateway.deliveries.discard(delivery)


def call_of(
    request: web.Request, client: Client, body: Body, headers: Mapping[str, str], request_id: str
) -> Call:
    """The prepared request; ``headers`` are the client's, already cut to what may go upstream.

    Raises: Problem (400, 403) for what is wrong with it.
    """
    needs = prepare(body, request.app[DOORMAN][0].rejectable)
    model, plan = body.get("model"), client.plan
    plan.check_model(model)
    plan.check_effort(body, model)
    if request.app[DOORMAN][0].shared:
        keep_apart(request, body, client)
    anchors, bound = affinity.anchors_of(headers, body)
    ask = Ask(
        model=model,
        client=client.name,
        needs=needs,
        accounts=plan.accounts,
        labels=plan.labels,
        anchors=anchors,
        session=affinity.session_of(headers, body),
        bound=bound,
    )
    return Call(
        body,
        ask,
        stream=body.get("stream") is True,
        headers=headers,
        request_id=request_id,
        codex=is_codex(headers),
        deadline=request.app[GATEWAY].clock.now() + patience_of(request),
        drain_tokens=plan.drains,
    )


def keep_apart(request: web.Request, body: Body, client: Client) -> None:
    """Where several clients share the pool, none gets at another's. Raises: Problem (400, 404)."""
    doorman, gateway = request.app[DOORMAN][0], request.app[GATEWAY]
    tenant = Tenant(client.name, gateway.pool.affinity, doorman.untaken)
    if doorman.stateful:
        tenant.check(body, gateway.clock.now())
    tenant.separate_caches(body)


def admitted(
    gateway: Gateway, client: Client, call: Call, size: int, received_at: float
) -> Delivery:
    """The delivery of a call of ``size`` bytes, its place within the client's limits reserved.

    Raises: Problem (402, 403, 429) that names the limit.
    """
    place = reserved(client, call, size, gateway)
    delivery = gateway.delivery(call, received_at)
    delivery.on_settled = lambda tokens, uusd: place.settle(tokens, uusd or 0, gateway.clock.now())
    return delivery


def reserved(client: Client, call: Call, size: int, gateway: Gateway) -> Reservation:
    """A place within the client's limits. Raises: Problem (402, 403, 429) that names the limit."""
    most, model, now = call.body.get("max_output_tokens"), call.ask.model, gateway.clock.now()
    output = most if isinstance(most, int) and most > 0 else EXPECTED_OUTPUT_TOKENS
    cost = gateway.prices.cost_uusd(model, size // BYTES_PER_TOKEN, 0, output)
    if cost is None and client.plan.is_metered:
        raise unpriced(model)
    found = client.meter.admit(size // BYTES_PER_TOKEN + output, cost or 0, now)
    if isinstance(found, Over):
        raise refusal(found, client.plan, now)
    return found


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """What of a client's headers may go upstream, lower-case: an allow-list, nothing else."""
    found = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower in _FORWARDED or lower.startswith(_FORWARDED_FAMILIES):
            found[lower] = value
    return found


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
