"""Questions the gateway itself asks of its pool on behalf of a request, such as for a plan.

They go through the same failover loop, count within the client's limits and are booked like any
other, each in a row of its own.
"""

from typing import Any

import msgspec
from attrs import frozen

from lb.core.ledger import NO_TOKENS, Tokens
from lb.core.plans import UUSD
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway


@frozen
class Told:
    """What came back: the text, the tokens it took and what they cost (None: nobody knows)."""

    text: str
    tokens: Tokens = NO_TOKENS
    cost_uusd: int | None = None

    def details(self) -> dict[str, Any]:
        """The usage as ``planning_usage_details``; ``cost`` in USD, null without a price."""
        return {
            "prompt_tokens": self.tokens.input,
            "completion_tokens": self.tokens.output,
            "total_tokens": self.tokens.input + self.tokens.output,
            "cost": None if self.cost_uusd is None else self.cost_uusd / UUSD,
        }


async def told(gateway: Gateway, delivery: Delivery) -> Told:
    """The answer to a call that asks for no stream. Raises: Problem when there is none."""
    gateway.deliveries.add(delivery)
    try:
        reply = await delivery.whole()
    finally:
        gateway.deliveries.discard(delivery)
    answer = msgspec.json.decode(reply.whole or b"{}")
    booked = delivery.hunt.booking.settled
    text = str(answer.get("output_text") or "")
    return Told(text, booked.tokens, booked.cost_uusd) if booked else Told(text)
