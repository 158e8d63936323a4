"""The way down: placeholders become what they stand for, also one cut between two deltas.

A delta whose end may be the beginning of a placeholder waits for the next event, so that no event
is added, lost or out of order; what it held back is said by the next delta of the same text.
"""

from typing import Any, Final

import msgspec
from attrs import define, field

from lb.core import sse
from lb.core.decoded import Whole
from lb.core.errors import Problem
from lb.core.formats.voice import Encoder, Voice
from lb.core.gateway.redact import Vault, shown

Json = dict[str, Any]
Place = tuple[str, ...]

_DELTA: Final = ".delta"
_JSON_DELTAS: Final = frozenset(
    {"response.function_call_arguments.delta", "response.mcp_call_arguments.delta"}
)
_TEXT: Final = "response.output_text.delta"


@define
class Restoring:
    """An encoder in front of another: upstream's events, restored, go on to ``inner``."""

    vault: Vault
    inner: Encoder
    _rests: dict[Place, str] = field(factory=dict, repr=False)
    _waiting: Json | None = field(default=None, repr=False)
    _place: Place = ()
    _last: dict[Place, Json] = field(factory=dict, repr=False)

    def feed(self, run: bytes) -> bytes:
        """What the inner encoder makes of the run, restored."""
        restored = b"".join(self._frame(frame) for frame in sse.frames(run))
        return self.inner.feed(restored) if restored else b""

    def failed(self, problem: Problem, response_id: str, sequence_number: int) -> bytes:
        """What waits is said first; then the inner encoder's last word."""
        told = b"".join(map(_framed, self._all_said()))
        return (self.inner.feed(told) if told else b"") + self.inner.failed(
            problem, response_id, sequence_number
        )

    def _frame(self, frame: bytes) -> bytes:
        data = sse.read(frame)[1]
        if not data or data == b"[DONE]":
            return frame
        if self._waiting is None and not self._rests and b".delta" not in data:
            return self._plain(frame, data)
        try:
            event = msgspec.json.decode(data, type=Json)
        except (msgspec.DecodeError, RecursionError):
            return frame
        if isinstance(event.get("delta"), str) and str(event.get("type")).endswith(_DELTA):
            return self._delta(event)
        before = b"".join(map(_framed, self._said_before(event)))
        return before + self._plain(frame, data)

    def _plain(self, frame: bytes, data: bytes) -> bytes:
        """An event that is whole: byte for byte, unless it holds a placeholder."""
        if self.vault.mark.encode() not in data:
            return frame
        event = msgspec.json.decode(data)
        told = shown(event, self.vault)
        return frame if told == event or not isinstance(told, dict) else _framed(told)

    def _delta(self, event: Json) -> bytes:
        place = _place_of(event)
        before = self._released()
        text = self._rests.pop(place, "") + event["delta"]
        size = self.vault.held(text)
        rest = text[len(text) - size :]
        told = {**event, "delta": self._show(event, text[: len(text) - size])}
        self._last[place] = {**event, "delta": ""}
        if not rest:
            return before + _framed(told)
        self._rests[place] = rest
        self._waiting, self._place = told, place
        return before

    def _show(self, event: Json, text: str) -> str:
        kind = event.get("type")
        in_json = kind in _JSON_DELTAS or (kind == _TEXT and self.vault.json_text)
        return self.vault.show(text, in_json=in_json)

    def _released(self) -> bytes:
        """The delta that waited, without what it holds back: that goes on to the next."""
        waiting, self._waiting = self._waiting, None
        return b"" if waiting is None else _framed(waiting)

    def _said_before(self, event: Json) -> list[Json]:
        """What must be said before an event that is no delta: all, if it ends the text."""
        if _ends(event):
            return self._all_said()
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [waiting]

    def _all_said(self) -> list[Json]:
        """The delta that waited, whole; and any other rest, as a delta of its own."""
        said: list[Json] = []
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            rest = self._rests.pop(self._place, "")
            said.append({**waiting, "delta": waiting["delta"] + rest})
        for place, rest in self._rests.items():
            said.append({**self._last[place], "delta": rest})
        self._rests.clear()
        return said


def _place_of(event: Json) -> Place:
    names = ("type", "output_index", "content_index", "summary_index")
    return tuple(str(event.get(name)) for name in names)


def _ends(event: Json) -> bool:
    kind = str(event.get("type"))
    return kind.endswith(".done") or kind in {
        *("response.completed", "response.incomplete", "response.failed", "error"),
    }


def _framed(event: Json) -> bytes:
    return sse.write(str(event.get("type", "message")), msgspec.json.encode(event))


@define
class Restored:
    """A voice that restores what was hidden, then speaks as ``inner`` does."""

    vault: Vault
    inner: Voice

    def encoder(self) -> Encoder:
        """For an answer that is streamed."""
        return Restoring(self.vault, self.inner.encoder())

    def whole(self, response: bytes, seen: Whole | None = None) -> bytes:
        """The answer in one piece."""
        del seen  # it is another answer now
        if self.vault.mark.encode() in response:
            response = msgspec.json.encode(shown(msgspec.json.decode(response), self.vault))
        return self.inner.whole(response)
