"""How clients speak: one file and one row in FORMATS for each way.

A format says what a client that asked for no stream gets; everything here is pure.
"""

from typing import Protocol

from lb.core.formats.responses import RESPONSES


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


class Format(Protocol):
    """One way clients speak."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def collector(self) -> Collector:
        """A collector for one answer."""
        ...


FORMATS: dict[str, Format] = {one.name: one for one in (RESPONSES,)}
"""Name -> the format."""
