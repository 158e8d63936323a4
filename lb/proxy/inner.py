"""Questions the gateway itself asks of its pool on behalf of a request, such as for a plan.

They go through the same failover loop and are booked like any other.
"""

from typing import Any

import msgspec
from attrs import frozen

from lb.core.call import Call
from lb.core.models import Prices
from lb.proxy.gateway import Gateway


@frozen
class Told:
    """What came back: the text, and the tokens it took (0 where upstream did not say)."""

    text: str
    input_tokens: int = 0
    output_tokens: int = 0

    def details(self, prices: Prices | None) -> dict[str, Any]:
        """The usage as ``planning_usage_details``; ``cost`` in USD, null without a price."""
        cost = None
        if prices is not None:
            uusd = self.input_tokens * prices.input + self.output_tokens * prices.output
            cost = round(uusd / 1e6, 6)
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
            "cost": cost,
        }


async def told(gateway: Gateway, call: Call) -> Told:
    """The answer to ``call``, which asks for no stream. Raises: Problem when there is none."""
    delivery = gateway.delivery(call, gateway.clock.now())
    gateway.deliveries.add(delivery)
    try:
        response = await delivery.whole()
    finally:
        gateway.deliveries.discard(delivery)
    body = response.body
    answer = msgspec.json.decode(body if isinstance(body, bytes) else b"{}")
    used = delivery.opened.tap.usage if delivery.opened else None
    return Told(
        str(answer.get("output_text") or ""),
        (used.input_tokens or 0) if used else 0,
        (used.output_tokens or 0) if used else 0,
    )
