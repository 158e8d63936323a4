"""How upstreams want to be spoken to: one file and one row in KINDS for each.

A kind is a dialect, not a client: everything here is pure; one transport does all the I/O.
"""

from collections.abc import Mapping
from typing import Protocol

from lb.core.account import Account
from lb.core.call import Call, Outgoing
from lb.core.errors import Problem
from lb.core.secret import Secret
from lb.core.upstreams.azure import Azure
from lb.core.upstreams.chatgpt import ChatGPT
from lb.core.upstreams.compatible import Compatible
from lb.core.upstreams.openai import OpenAI
from lb.core.upstreams.simulated import Simulated
from lb.core.windows import Window


class Kind(Protocol):
    """The dialect of one kind of upstream."""

    name: str
    base_url: str
    """Where it lives unless the account says otherwise; empty: the account must say."""
    stream_only: bool
    """Whether it always answers with an event stream, which is collected for other clients."""
    websocket: str
    """When it is asked over a WebSocket: never, always, as_client (if the client came over one)."""
    models_path: str
    """Where it lists its models, below the base URL."""

    def rewrite(self, call: Call, account: Account, secret: Secret) -> Outgoing:
        """The request as this upstream wants it. Works on a copy: ``call`` stays as it is."""
        ...

    def windows(self, headers: Mapping[str, str], now: float) -> tuple[Window, ...]:
        """The usage windows told in the headers of an answer (names lower-case)."""
        ...

    def blame(self, status: int, headers: Mapping[str, str], body: bytes, now: float) -> Problem:
        """What an answer that is no success means, and whose fault it is."""
        ...

    def blame_event(self, event: bytes, now: float) -> Problem:
        """The same for a ``response.failed`` or ``error`` event (its JSON) inside a 200."""
        ...


KINDS: dict[str, Kind] = {
    "openai": OpenAI(),
    "chatgpt": ChatGPT(),
    "azure": Azure(),
    "compatible": Compatible(),
    "simulated": Simulated(),
}
