"""What a conversation over one WebSocket has said so far, so that it can be told to anyone.

A client on a socket sends only what is new and names the response it goes on from. The transcript
keeps the items themselves (as bytes), so that the whole turn can be sent to another account, or
over plain HTTP. It is bounded; a conversation that outgrows it must be resent by the client.
"""

import msgspec
from attrs import define, field
from msgspec import Raw

from lb.core.body import Body
from lb.core.errors import bad_request

MOST_BYTES = 32 << 20
_items = msgspec.json.Decoder(list[Raw])


class _Done(msgspec.Struct):
    type: str = ""
    item: Raw = Raw(b"")


_done = msgspec.json.Decoder(_Done)
ITEM_DONE = b'"response.output_item.done"'


@define
class Turn:
    """One turn under way: the items it was asked with, and those it has answered."""

    asked: list[bytes]
    answered: list[bytes] = field(factory=list)

    def saw(self, data: bytes) -> None:
        """The JSON of an event of the answer went by; finished items are kept."""
        if ITEM_DONE in data:
            try:
                done = _done.decode(data)
            except msgspec.DecodeError:
                return
            if done.type == "response.output_item.done" and bytes(done.item):
                self.answered.append(bytes(done.item))


@define
class Transcript:
    """The items of the conversation up to the response ``last_id``; empty ``last_id``: none yet."""

    last_id: str = ""
    most_bytes: int = MOST_BYTES
    _items: list[bytes] = field(factory=list)

    def turn(self, body: Body, previous_id: str) -> Turn | None:
        """The turn that ``body`` asks for, on from ``previous_id`` (empty: from the start).

        None when what it goes on from is not known here. Raises: Problem (400) for an ``input``
        that is neither text nor a list.
        """
        new = items_of(body)
        if not previous_id:
            return Turn(new)
        return Turn([*self._items, *new]) if previous_id == self.last_id else None

    def keep(self, turn: Turn, response_id: str) -> None:
        """The turn is complete: the conversation goes on from ``response_id``."""
        items = [*turn.asked, *turn.answered]
        if sum(map(len, items)) > self.most_bytes:
            self.last_id, self._items = "", []
        else:
            self.last_id, self._items = response_id, items


def items_of(body: Body) -> list[bytes]:
    """The items of ``input``, each as the JSON it came with.

    Raises: Problem (400) where it is neither text nor a list.
    """
    text = body.raw("input")
    if text in (b"", b"null"):
        return []
    if text.startswith(b'"'):
        content = b'[{"type":"input_text","text":%b}]' % text
        return [b'{"type":"message","role":"user","content":%b}' % content]
    try:
        return [bytes(item) for item in _items.decode(text)]
    except msgspec.DecodeError:
        raise bad_request("'input' must be a string or a list of items.", "input") from None


def with_items(body: Body, items: list[bytes]) -> Body:
    """``body`` asking with ``items`` as its whole input, on from nothing."""
    whole = body.copy()
    whole.drop("previous_response_id", told=False)
    whole.put("input", b"[%b]" % b",".join(items))
    return whole
