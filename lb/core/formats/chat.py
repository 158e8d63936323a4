"""The Chat Completions format: asked as ``messages``, answered as ``choices``.

chat_request.py   what is asked -> a Responses request
chat_parts.py     pieces of an answer: calls, usage, reasons, log probabilities
chat_stream.py    events -> chunks
chat_whole.py     a response -> a chat completion
"""

import msgspec
from attrs import frozen

from lb.core.body import Body
from lb.core.decoded import Whole
from lb.core.formats.chat_request import NATIVE_HERE, STEPS, stops_of, wants_usage
from lb.core.formats.chat_stream import ChatStream
from lb.core.formats.chat_whole import completion
from lb.core.formats.responses import Collector


@frozen
class Chatting:
    """How one chat is answered: ``usage`` whether a stream ends with it; ``stops`` what ends it."""

    usage: bool = False
    stops: tuple[str, ...] = ()

    def encoder(self) -> ChatStream:
        """Chunks, as they come."""
        return ChatStream(self.usage, self.stops)

    def whole(self, response: bytes, seen: Whole | None = None) -> bytes:
        """One completion."""
        del seen
        return msgspec.json.encode(completion(msgspec.json.decode(response), self.stops))


@frozen
class Chat:
    """``POST /v1/chat/completions``."""

    name: str = "chat"

    def heard(self, body: Body) -> Chatting:
        """Make ``body`` a Responses request, so far as the rules do not do it anyway.

        Raises: Problem (400) for what Responses cannot do.
        """
        voice = Chatting(wants_usage(body), stops_of(body))
        for step in STEPS:
            step(body)
        return voice

    def settled(self, body: Body) -> None:
        """Speaking of ``messages`` is no change here."""
        body.changed = tuple(name for name in body.changed if name not in NATIVE_HERE)

    def collector(self) -> Collector:
        """Upstream answers in Responses."""
        return Collector()


CHAT = Chat()
