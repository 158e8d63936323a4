"""An upstream that keeps books of its own, clients that end in every way, and what both come to."""

import asyncio
import contextlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import aiohttp
from attrs import define, field

from lb.core.response_events import frame
from tests import faulty_plays
from tests.clients import asking as asking_for
from tests.plays import LAST_CHUNK, SSE, Asked, End, Pause, Play, Step, chunk, frames, head, plain

HELD = 4  # created, in_progress, item added, part added: before content nobody sees a frame
LONGEST = len(frames(Asked("a", "", "", {}, {}, 0, 0.0)))
GIVES_UP_S = 3.0  # where the server was killed before it asked
OUTCOMES = {
    "complete": "completed",
    "whole": "completed",
    "incomplete": "incomplete",
    "failed": "failed",
    "fails_first": "completed",
    "limited": "completed",
    "cut": "failed",
    "cut_early": "completed",
    "refused": "refused",
    "leave": "client_gone",
    "leave_whole": "client_gone",
}
"""How a request ends -> what the ledger says of it."""
COUNTED = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


@define
class Bank:
    """What an upstream counted: attempts, and tokens as told or, where it was cut, as sent."""

    rng: random.Random
    attempts: int = 0
    tokens: Counter[str] = field(factory=Counter)
    asked: dict[int, asyncio.Event] = field(factory=lambda: defaultdict(asyncio.Event))

    def choose(self, asked: Asked) -> Play:
        """The play a request asks for by its text: its way to end, its frame, its number."""
        self.attempts += 1
        text = asked.body["input"]
        ending, at, number = text.strip("<>").split("|")
        again = self.asked[int(number)].is_set()
        self.asked[int(number)].set()
        plays: dict[str, Play] = {
            "whole": self._whole,
            "failed": lambda a: self._stream(a, "failed"),
            "incomplete": lambda a: self._stream(a, "incomplete"),
            "cut": lambda a: self._part(a, int(at), End.CUT),
            "leave": lambda a: self._part(a, int(at), End.HANG),
            "leave_whole": lambda _: [End.HANG],
            "refused": faulty_plays.error(400, "invalid_prompt", "invalid_request_error"),
        }
        first: dict[str, Play] = {
            "fails_first": self._fails_first,
            "cut_early": lambda a: self._part(a, int(at), End.CUT),
            "limited": faulty_plays.limited(**{"retry-after-ms": "40"}),
        }
        play = first.get(ending) if not again else None
        return play or plays.get(ending) or (lambda a: self._stream(a, "completed"))

    def _usage(self) -> dict[str, Any]:
        told = {name: self.rng.randrange(100) for name in COUNTED}
        told["input_tokens"] += told["cached_tokens"]
        return {
            "input_tokens": told["input_tokens"],
            "input_tokens_details": {"cached_tokens": told["cached_tokens"]},
            "output_tokens": told["output_tokens"],
            "output_tokens_details": {"reasoning_tokens": told["reasoning_tokens"]},
            "total_tokens": told["input_tokens"] + told["output_tokens"],
        }

    def _book(self, usage: Mapping[str, Any]) -> None:
        self.tokens["input_tokens"] += usage["input_tokens"]
        self.tokens["output_tokens"] += usage["output_tokens"]
        self.tokens["cached_tokens"] += usage["input_tokens_details"]["cached_tokens"]
        self.tokens["reasoning_tokens"] += usage["output_tokens_details"]["reasoning_tokens"]

    def _terminal(self, asked: Asked, status: str, usage: Mapping[str, Any]) -> bytes:
        event = json.loads(frames(asked)[-1].split(b"data: ")[1])
        event["type"] = f"response.{status}"
        event["response"] |= {"status": status, "usage": usage}
        if status == "failed":
            event["response"]["error"] = {"code": "server_error", "message": "Scripted."}
        return frame(event)

    def _stream(self, asked: Asked, status: str) -> Iterable[Step]:
        usage = self._usage()
        yield head(200, SSE)
        for each in frames(asked)[:-1]:
            yield chunk(each)
        yield faulty_plays.SETTLE  # what comes with its failure in one piece is tried elsewhere
        self._book(usage)
        yield chunk(self._terminal(asked, status, usage)) + LAST_CHUNK

    def _fails_first(self, asked: Asked) -> Iterable[Step]:
        """Fails before content, and charges for it."""
        usage = self._usage()
        self._book(usage)
        yield head(200, SSE) + chunk(frames(asked)[0])
        yield chunk(self._terminal(asked, "failed", usage)) + LAST_CHUNK

    def _whole(self, asked: Asked) -> Iterable[Step]:
        usage = self._usage()
        self._book(usage)
        event = json.loads(frames(asked)[-1].split(b"data: ")[1])
        yield from plain(200, event["response"] | {"usage": usage})(asked)

    def _part(self, asked: Asked, number: int, end: End) -> Iterable[Step]:
        """The first frames; what was sent is what was used."""
        yield head(200, SSE)
        for each in frames(asked)[:number]:
            self.tokens["output_tokens"] += each.count(b'delta":"')
            yield chunk(each)
        yield Pause(0.03)
        yield end


@define(frozen=True)
class Errand:
    """One request: how it shall end, at which frame, its number."""

    ending: str
    frame: int
    number: int

    @property
    def body(self) -> dict[str, Any]:
        """What is asked."""
        stream = self.ending not in ("whole", "leave_whole", "refused")
        return asking_for(f"<{self.ending}|{self.frame}|{self.number}>", stream=stream)

    async def run(self, session: aiohttp.ClientSession, url: str, bank: Bank) -> str:
        """Ask, take what comes, leave when it is time; the request's id where one was told."""
        if self.ending == "leave_whole" or (self.ending == "leave" and self.frame <= HELD):
            asking = asyncio.create_task(self._asked(session, url))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GIVES_UP_S):
                    await bank.asked[self.number].wait()
                    await asyncio.sleep(0.03)
            asking.cancel()
            await asyncio.wait({asking})
            return ""
        return await self._asked(session, url)

    async def _asked(self, session: aiohttp.ClientSession, url: str) -> str:
        async with session.post(f"{url}/v1/responses", json=self.body) as answer:
            seen = b""
            async for piece in answer.content.iter_any():
                seen += piece
                if self.ending == "leave" and seen.count(b"\n\n") >= self.frame:
                    answer.close()
                    break
            return answer.headers["x-request-id"]


def errands(total: int, rng: random.Random) -> list[Errand]:
    """Every ending, and a disconnect and a cut at every event."""
    made = [("leave", number) for number in range(1, LONGEST)]
    made += [("cut", number) for number in range(HELD + 1, LONGEST)]
    made += [("cut_early", number) for number in range(HELD + 1)]
    made += [(ending, 0) for ending in OUTCOMES if ending not in ("leave", "cut", "cut_early")]
    while len(made) < total:
        made.append(rng.choice(made))
    made = made[: max(total, len(made))]
    rng.shuffle(made)
    return [Errand(*each, number) for number, each in enumerate(made)]
