"""Whole frames off the wire, watched as they go by: one answer as a stream."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from attrs import define, field

from lb.adapters.answers import Answer
from lb.core import sse
from lb.core.errors import Problem, broken
from lb.core.tap import ENDED, Garbage, Tap

LINGER_S = 0.25  # after the terminal frame: how long the end of the body may take


@define(eq=False)
class Stream:
    """Runs of whole frames of one answer, up to and with its terminal frame."""

    answer: Answer
    idle_s: float
    tap: Tap = field(factory=Tap)
    _cutter: sse.Cutter = field(factory=sse.Cutter)

    @property
    def ended(self) -> bool:
        """Whether the terminal frame has been seen."""
        return self.tap.phase is ENDED

    async def next(self) -> bytes:
        """The next run of whole frames, byte for byte as it came; empty once the answer ended.

        Raises: Problem when it is cut, falls silent, ends without a terminal frame, or is garbage.
        """
        if self.ended:
            return b""
        try:
            if (chunk := self.answer.take()) and (run := self.cut(chunk)):
                return run
            async with asyncio.timeout(self.idle_s):
                while True:
                    chunk = await self.answer.chunk()
                    if not chunk:
                        return self.last_words()
                    if run := self.cut(chunk):
                        return run
        except TimeoutError:
            raise broken(f"sent nothing for {self.idle_s:.0f} s", "upstream_idle", 504) from None
        except Garbage:
            raise broken("sent something that is no event") from None

    def cut(self, chunk: bytes) -> bytes:
        """The whole frames there are with ``chunk``, watched; up to and with the terminal one."""
        run = self._cutter.feed(chunk)
        return self.tap.look(run) if run else b""

    def finder(self) -> Callable[[bytes], object] | None:
        """As the tap's, between two frames."""
        return self.tap.finder() if self._cutter.empty() else None

    def last_words(self) -> bytes:
        """The body is over without a terminal frame: perhaps the last one lacks its blank line.

        Raises: Problem when it does not.
        """
        rest = self._cutter.rest
        if rest.rstrip():
            # a whole frame but for its blank line is worth reading, half of one is not JSON
            run = self.tap.look(rest.rstrip() + b"\n\n")
            if self.tap.phase is ENDED:
                return run
        raise broken("ended before its answer was complete", "upstream_interrupted")

    async def close(self) -> None:
        """Let go of the answer; one that ended well may finish, so that its connection is kept."""
        try:
            if self.tap.phase is ENDED and not self.answer.at_end():
                with suppress(TimeoutError, Problem):
                    async with asyncio.timeout(LINGER_S):
                        while await self.answer.chunk():
                            pass
        finally:  # a client may leave on the last word, and take us along
            self.answer.close()
