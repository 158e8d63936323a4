"""An upstream's answer: its head read, its body to come; over HTTP in one of two ways."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping

import aiohttp

from lb.adapters.faults import problem_of
from lb.adapters.wire import Wire
from lb.adapters.wires import Wires
from lb.core.errors import broken
from lb.core.http1_head import Garbled, Head

LONGEST_ERROR_BYTES = 1 << 20
LONGEST_ANSWER_BYTES = 256 << 20  # an answer in one piece; images make them large


class Answer(ABC):
    """An upstream's answer, its head read.

    ``headers`` are lower-case; ``origin`` where it came from; ``idle_s`` seconds of silence in its
    body break it off.
    """

    def __init__(self, status: int, headers: Mapping[str, str], origin: str, idle_s: float) -> None:
        self.status = status
        self.headers = headers
        self.origin = origin
        self.idle_s = idle_s

    @abstractmethod
    async def chunk(self) -> bytes:
        """The bytes that have come; empty at the end.

        Raises: Problem when the connection breaks.
        """

    def take(self) -> bytes:
        """The bytes that have come, without waiting; empty when there are none, or none can tell.

        Raises: OSError, Garbled when the connection broke.
        """
        return b""

    @abstractmethod
    def at_end(self) -> bool:
        """Whether everything has been read, so that the connection can serve again."""

    @abstractmethod
    def close(self) -> None:
        """Let go: the connection is kept if everything was read, else cut at once."""

    async def read(self, limit_bytes: int = LONGEST_ANSWER_BYTES) -> bytes:
        """The whole body.

        Raises: Problem when the connection breaks or falls silent, or the body passes the limit.
        """
        try:
            begun = self.take()
        except (OSError, Garbled) as error:
            raise problem_of(error, self.origin) from error
        if begun and self.at_end() and len(begun) <= limit_bytes:
            return begun  # most answers have come whole by now
        pieces = [begun] if begun else []
        size = len(begun)
        while piece := await self._next_piece():
            pieces.append(piece)
            size += len(piece)
            if size > limit_bytes:
                self.close()
                raise broken(f"sent an answer longer than {limit_bytes >> 20} MiB")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _next_piece(self) -> bytes:
        try:
            async with asyncio.timeout(self.idle_s):
                return await self.chunk()
        except TimeoutError as error:
            self.close()
            raise problem_of(error, self.origin) from None


class HTTPAnswer(Answer):
    """An answer over HTTP."""

    def __init__(self, response: aiohttp.ClientResponse, origin: str, idle_s: float) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        super().__init__(response.status, headers, origin, idle_s)
        self._response = response

    async def chunk(self) -> bytes:
        """The bytes that have come; empty at the end.

        Raises: Problem when the connection breaks.
        """
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise problem_of(error, self.origin) from error

    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self._response.content.at_eof()

    def close(self) -> None:
        """Let go of the connection."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class WireAnswer(Answer):
    """An answer over a connection of our own."""

    def __init__(self, wire: Wire, wires: Wires, head: Head, idle_s: float) -> None:
        super().__init__(head.status, head.headers, wire.target.origin, idle_s)
        self.wire = wire
        self._wires = wires
        self._closed = False

    async def chunk(self) -> bytes:
        """The bytes that have come; empty at the end.

        Raises: Problem when the connection breaks.
        """
        try:
            return await self.wire.chunk()
        except (OSError, Garbled) as error:
            raise problem_of(error, self.origin) from error

    def take(self) -> bytes:
        """The bytes that have come, without waiting.

        Raises: OSError, Garbled when the connection broke.
        """
        return self.wire.take()

    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self.wire.at_end()

    def close(self) -> None:
        """Keep the connection if everything was read, else cut it; once: it may serve others."""
        if self._closed:
            return
        self._closed = True
        if self.wire.at_end():
            self._wires.give_back(self.wire)
        else:
            self.wire.on_data = None
            self.wire.abort()
