"""The Responses format: what upstream says is what the client gets, byte for byte."""

import msgspec
from attrs import define, field, frozen
from msgspec import Raw, Struct

from lb.core.errors import Blame, Problem

ITEM_DONE = "response.output_item.done"
TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
"""Events that end an answer and carry all of it."""

_MARKS = tuple(f'"{kind}"'.encode() for kind in (ITEM_DONE, *sorted(TERMINAL)))
_NOTHING = frozenset({b"", b"null"})


class _Event(Struct):
    type: str = ""
    output_index: int | None = None
    item: Raw = msgspec.field(default_factory=Raw)
    response: Raw = msgspec.field(default_factory=Raw)


_EVENT = msgspec.json.Decoder(_Event)
_RESPONSE = msgspec.json.Decoder(dict[str, Raw])
_OUTPUT = msgspec.json.Decoder(list[Raw] | None)


@define
class Collector:
    """The response at the end of a stream, complete.

    Some upstreams leave ``output`` empty in the terminal event; then the items of
    ``response.output_item.done`` fill it, by their index, byte for byte.
    """

    _items: dict[int, Raw] = field(factory=dict)
    _response: Raw | None = None

    def feed(self, data: bytes) -> None:
        """Take the JSON text of one event; only those that matter are decoded.

        Raises: Problem (502) when such an event is no JSON.
        """
        if not any(mark in data for mark in _MARKS):
            return
        try:
            event = _EVENT.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _broken("an event that could not be read") from None
        if event.type == ITEM_DONE and bytes(event.item) not in _NOTHING:
            index = len(self._items) if event.output_index is None else event.output_index
            self._items[index] = event.item.copy()
        elif event.type in TERMINAL and bytes(event.response) not in _NOTHING:
            self._response = event.response.copy()

    def result(self) -> bytes:
        """The JSON text of the response.

        Raises: Problem (502) when no terminal event has come.
        """
        if self._response is None:
            raise _broken("no final event")
        if not self._items:
            return bytes(self._response)
        try:
            fields = _RESPONSE.decode(self._response)
            if _OUTPUT.decode(fields.get("output", b"null")):
                return bytes(self._response)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _broken("a response that could not be read") from None
        items = [bytes(self._items[index]) for index in sorted(self._items)]
        fields["output"] = Raw(b"[" + b",".join(items) + b"]")
        return msgspec.json.encode(fields)


@frozen
class Responses:
    """``POST /v1/responses``."""

    name: str = "responses"

    def collector(self) -> Collector:
        """A collector for one answer."""
        return Collector()


RESPONSES = Responses()


def _broken(what: str) -> Problem:
    return Problem(
        f"The upstream's answer ended with {what}. Send the request again.",
        status=502,
        type="upstream_error",
        code="upstream_error",
        blame=Blame.SOFT,
        billed=True,
    )
