"""What a format is made of: how a client asks, and how it is answered."""

from typing import Protocol

from lb.core.body import Body
from lb.core.decoded import Whole
from lb.core.errors import Problem


class Collector(Protocol):
    """Watches the events of one answer and makes the response that was not streamed."""

    def feed(self, data: bytes) -> None:
        """Take the JSON text of one event."""
        ...

    def result(self) -> bytes:
        """The JSON text of the response.

        Raises: Problem (502) when no terminal event has come.
        """
        ...


class Encoder(Protocol):
    """Turns one stream of upstream's into the client's, run by run."""

    def feed(self, run: bytes) -> bytes:
        """What the client gets for a run of whole frames; may be nothing, or more."""
        ...

    def failed(self, problem: Problem, response_id: str, sequence_number: int) -> bytes:
        """The last frame of a stream that cannot go on."""
        ...


class Voice(Protocol):
    """How one request is to be answered: the format, and what the client said of the form."""

    def encoder(self) -> Encoder:
        """For an answer that is streamed."""
        ...

    def whole(self, response: bytes, seen: Whole | None = None) -> bytes:
        """The answer in one piece, from the JSON text of a response.

        ``seen`` is what the tap has read of it, which need not be read again.
        """
        ...


class Format(Protocol):
    """One way clients speak."""

    @property
    def name(self) -> str:
        """What it is called: one of ``models.ENDPOINTS``."""
        ...

    def heard(self, body: Body) -> Voice:
        """Make ``body`` a Responses request; how it is to be answered.

        Raises: Problem (400) for what cannot be said in Responses.
        """
        ...

    def settled(self, body: Body) -> None:
        """After the rules: forget those changes that are but this format's way of speaking."""
        ...

    def collector(self) -> Collector:
        """A collector for one answer of upstream's."""
        ...
