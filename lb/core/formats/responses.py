"""The Responses format: what upstream says is what the client gets, byte for byte."""

import msgspec
from attrs import define, field, frozen
from msgspec import Raw, Struct

from lb.core.body import Body
from lb.core.decoded import Whole, wholes
from lb.core.errors import Blame, Problem

ITEM_DONE = "response.output_item.done"
TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
"""Events that end an answer and carry all of it."""

_MARKS = tuple(f'"{kind}"'.encode() for kind in (ITEM_DONE, *sorted(TERMINAL)))
_NOTHING = frozenset({b"", b"null"})


class _Part(Struct):
    type: str = ""
    text: str = ""


_PARTS = msgspec.json.Decoder(list[_Part] | None)


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


class Relay:
    """The stream as it comes, byte for byte."""

    def feed(self, run: bytes) -> bytes:
        """The run itself."""
        return run

    def failed(self, problem: Problem, response_id: str, sequence_number: int) -> bytes:
        """``response.failed``, under the answer's own id."""
        return problem.frame(response_id, sequence_number)


@frozen
class Native:
    """An answer to ``POST /v1/responses``."""

    def encoder(self) -> Relay:
        """Nothing is altered on the way."""
        return Relay()

    def whole(self, response: bytes, seen: Whole | None = None) -> bytes:
        """The response, with ``output_text`` at its end where upstream left it out."""
        return with_output_text(response, seen)


@frozen
class Responses:
    """``POST /v1/responses``."""

    name: str = "responses"

    def heard(self, body: Body) -> Native:
        """The request is what it should be."""
        del body
        return NATIVE

    def settled(self, body: Body) -> None:
        """Whatever the rules changed is news to the client."""

    def collector(self) -> Collector:
        """A collector for one answer."""
        return Collector()


NATIVE = Native()
RESPONSES = Responses()


def with_output_text(response: bytes, seen: Whole | None = None) -> bytes:
    """The texts of all messages joined, as a last field; no byte before it is touched.

    ``seen`` is what was read of the response already, if it was.
    """
    body = response.rstrip()
    texts: list[str] = []
    try:
        seen = seen or wholes.decode(body)
        if seen.output is None or len(seen.output_text) or not body.endswith(b"}"):
            return response
        for item in seen.output:
            if item.type == "message":
                parts = _PARTS.decode(item.content) or ()
                texts += [part.text for part in parts if part.type == "output_text"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return response
    return b'%b,"output_text":%b}' % (body[:-1], msgspec.json.encode("".join(texts)))


def _broken(what: str) -> Problem:
    return Problem(
        f"The upstream's answer ended with {what}. Send the request again.",
        status=502,
        type="upstream_error",
        code="upstream_error",
        blame=Blame.SOFT,
        billed=True,
    )
