"""Watches the frames of one answer go by: has content begun, how did it end, who owns what.

Only frames that matter are parsed (the first ones, finished items, the terminal one); the others
are passed over by a search for their names.
"""

import re
from collections.abc import Callable
from enum import Enum

import msgspec

from lb.core import sse
from lb.core.decoded import Event, Item, Response, Whole, events, type_of, usage_of, wholes
from lb.core.ledger import Usage

HELD = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.metadata",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
        "codex.rate_limits",
        "keepalive",
        "ping",
    }
)
"""Frames without content: they wait, so that a failure right after them still moves unseen."""

TERMINAL = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "error": "failed",
}
_ITEM_DONE = "response.output_item.done"
_NAMED = re.compile(
    rb"event: ?(?:error|codex\.rate_limits"
    rb"|response\.(?:completed|failed|incomplete|output_item\.done))"
)
_TYPED = re.compile(
    rb'"type": ?"(?:error|codex\.rate_limits'
    rb'|response\.(?:completed|failed|incomplete|output_item\.done))"'
)
DELTA = b'.delta"'  # ends the type of an event; in a text its quote would be escaped
CIPHER_PREFIX = 96  # characters of a ciphertext that tell it apart from any other
_NUMBER = re.compile(rb'"sequence_number": ?(\d{1,12})')


class Phase(Enum):
    """How far an answer has come."""

    HELD = "held"  # nothing a client would miss
    CONTENT = "content"
    ENDED = "ended"


HOLDS, FLOWS, ENDED = Phase
"""By names of their own: Python 3.11 looks a member of an Enum up in a dozen steps."""


class Tap(msgspec.Struct, eq=False, gc=False):
    """What is known of one answer so far.

    ``outcome`` completed | incomplete | failed once ended; ``failure`` the JSON of a terminal event
    that reports one; ``seen`` what was read of a whole answer; ``owned`` the names of state the
    account now holds ("resp:..", "item:..", "enc:.."); ``readings`` the JSON of
    ``codex.rate_limits`` events, taken away by the reader.
    """

    phase: Phase = HOLDS
    outcome: str = ""
    response_id: str = ""
    model: str = ""
    service_tier: str = ""
    sequence_number: int = -1
    usage: Usage | None = None
    failure: bytes = b""
    owned: list[str] = []
    readings: list[bytes] = []
    seen: Whole | None = None
    deltas: int = 0  # how many were seen: what a cut stream has used at least
    _last: bytes = b""
    _pattern: re.Pattern[bytes] | None = None

    def look(self, run: bytes) -> bytes:
        """Watch a run of whole frames; gives back the part up to and with the terminal frame."""
        if self.phase is ENDED:
            return b""
        self._last = run
        if self.phase is not FLOWS or not self._pattern or self._pattern.search(run):
            run = self._read(run)
        if self.usage is None or not self.outcome:  # else the upstream has counted
            self.deltas += run.count(DELTA)
        return run

    def finder(self) -> Callable[[bytes], object] | None:
        """What finds a frame that matters in a run, once content flows.

        A run in which it finds none need not be looked at, if ``passed`` tells of it later.
        """
        return self._pattern.search if self.phase is FLOWS and self._pattern else None

    def passed(self, last: bytes, deltas: int) -> None:
        """Runs went by without a look: the ``last`` of them, and how many ``deltas`` all held."""
        self._last = last
        self.deltas += deltas

    def _read(self, run: bytes) -> bytes:
        length = 0
        for frame in sse.frames(run):
            length += len(frame)
            self._note(frame)
            if self.phase is ENDED:
                return run[:length]
            if self.phase is FLOWS and run.find(b"\r") < 0:
                return self._skim(run, length)
        return run

    def _skim(self, run: bytes, start: int) -> bytes:
        """The rest of a run in which content has begun: only frames with a name that matters."""
        assert self._pattern is not None
        while match := self._pattern.search(run, start):
            begin = max(run.rfind(b"\n\n", start, match.start()) + 2, start)
            start = run.find(b"\n\n", match.start()) + 2
            if start == 1:
                break  # the last frame lacks its blank line: it is still to come
            self._note(run[begin:start])
            if self.phase is ENDED:
                return run[:start]
        return run

    def _note(self, frame: bytes) -> None:
        name, data = sse.read(frame)
        if not data or data == b"[DONE]":
            return
        if self._pattern is None:
            self._pattern = _NAMED if name else _TYPED
        if not name or self.phase is HOLDS or name in TERMINAL or name == _ITEM_DONE:
            event = self._decode(data)
            name = event.type or name
            self._keep(event)
        if name == "codex.rate_limits":
            self.readings.append(data)
        elif name in TERMINAL:
            self._end(name, data)
        elif name == _ITEM_DONE or name not in HELD:
            self.phase = FLOWS

    def _decode(self, data: bytes) -> Event:
        try:
            return events.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            if isinstance(error, msgspec.ValidationError):  # JSON, but not of a known shape
                return Event(type=type_of(data))
            raise Garbage from None

    def _keep(self, event: Event) -> None:
        if event.sequence_number is not None:
            self.sequence_number = event.sequence_number
        if event.response is not None:
            self._keep_response(event.response)
        if event.item is not None and event.type == _ITEM_DONE:
            self._keep_item(event.item)

    def _keep_response(self, response: Response) -> None:
        if response.id and not self.response_id:
            self.response_id = response.id
            self.owned.append(f"resp:{response.id}")
        self.model = response.model or self.model
        self.service_tier = response.service_tier or self.service_tier
        if len(response.usage) > len("null"):
            self.usage = usage_of(response.usage) or self.usage

    def _keep_item(self, item: Item) -> None:
        if item.id:
            self.owned.append(f"item:{item.id}")
        if item.encrypted_content:
            self.owned.append(f"enc:{item.encrypted_content[:CIPHER_PREFIX]}")

    def _end(self, name: str, data: bytes) -> None:
        self.phase = ENDED
        self.outcome = TERMINAL[name]
        if self.outcome == "failed":
            self.failure = data

    def next_sequence_number(self) -> int:
        """The number the next event of the stream would carry."""
        numbers = _NUMBER.findall(self._last)
        return max(self.sequence_number, int(numbers[-1]) if numbers else -1) + 1

    def whole(self, answer: bytes) -> None:
        """Watch an answer that came in one piece (JSON).

        Raises: Garbage for what is no response object.
        """
        try:
            response = wholes.decode(answer)
        except (msgspec.DecodeError, RecursionError):
            raise Garbage from None
        if response.id is None and response.status is None and response.output is None:
            raise Garbage
        self.seen = response
        self._keep_response(response)
        for item in response.output or ():
            self._keep_item(item)
        self.outcome = response.status or "completed"
        self.phase = ENDED
        if self.outcome == "failed":
            self.failure = b'{"type":"response.failed","response":%b}' % answer

    def other(self, answer: bytes) -> None:
        """Watch an answer that is no response (an image, a file, a compacted history)."""
        self.outcome = "completed"
        self.phase = ENDED
        try:
            response = wholes.decode(answer)
        except (msgspec.DecodeError, RecursionError):
            return
        if response.id and response.id.startswith("file-"):
            self.owned.append(f"file:{response.id}")
        self.usage = usage_of(response.usage)
        for item in response.output or ():
            self._keep_item(item)


class Garbage(Exception):  # noqa: N818  # the field's word
    """What came is no event and no response."""
