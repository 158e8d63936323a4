"""Letting requests in: within the client's limits, while the server takes any."""

from functools import partial

from lb.core.allowance import headers, refusal
from lb.core.call import Call
from lb.core.errors import Blame, Problem
from lb.core.limits import Over, Reservation
from lb.core.plans import unpriced
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway
from lb.web.auth import Client

BYTES_PER_TOKEN = 4  # of JSON, about: what is reserved until the upstream has counted
EXPECTED_OUTPUT_TOKENS = 500  # of a request that names no max_output_tokens


def admitted(
    gateway: Gateway, client: Client, call: Call, size: int, received_at: float
) -> Delivery:
    """The delivery of a call of ``size`` bytes, its place within the client's limits reserved.

    Raises: Problem (402, 403, 429) that names the limit.
    """
    place = reserved(client, call, size, gateway)
    delivery = gateway.delivery(call, received_at)
    delivery.on_settled = place.settle
    if client.plan.has_limits:
        delivery.limits = partial(headers, client.meter)
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
