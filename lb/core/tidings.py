"""What the workers of one server tell each other, and how it is written down.

A message is a list of tidings in msgpack behind its length (4 bytes, big-endian). What may be told
twice without harm is told as it stands now (``Flights``, ``Holds``, ``Pinned``); what only adds up
is told as what was added (``Used``, ``Ended``). All workers are of one version: there is no other
reader, so nothing here needs to be understood by another one.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Any, Final

import msgspec

LONGEST_BYTES: Final = 64 << 20
"""Of one message: nobody has that much to say; what claims to is no sibling."""
_LENGTH: Final = Struct(">I")


class _Tiding(msgspec.Struct, frozen=True, array_like=True, tag_field="is"):
    """One thing a worker tells."""


class Greeting(_Tiding, frozen=True, array_like=True, tag="greeting"):
    """The first word on every line.

    ``ready`` whether it serves, so that it knows something worth asking for; ``gap`` whether it had
    to leave out something it told before.
    """

    worker: int
    pid: int
    ready: bool
    gap: bool = False


class Aside(_Tiding, frozen=True, array_like=True, tag="aside"):
    """The first word on a second line: what is laid down there is looked for when it is needed."""

    worker: int
    pid: int


class Happened(_Tiding, frozen=True, array_like=True, tag="happened"):
    """An event of an account, as ``event_to_data`` writes it."""

    event: dict[str, Any]


class Flights(_Tiding, frozen=True, array_like=True, tag="flights"):
    """How many requests the worker has in flight at accounts, by account: those that changed."""

    now: dict[str, int]


class Holds(_Tiding, frozen=True, array_like=True, tag="holds"):
    """What client keys have in flight at the worker: requests, tokens, micro-USD, by key.

    ``number`` grows: what is laid down and what is told may come in any order.
    """

    number: int
    now: dict[str, tuple[int, int, int]]


class Used(_Tiding, frozen=True, array_like=True, tag="used"):
    """A client key has used so much more, by requests that were let in ``at`` (unix seconds)."""

    key: str
    at: float
    requests: int
    tokens: int
    uusd: int


class Pinned(_Tiding, frozen=True, array_like=True, tag="pinned"):
    """Who owns what: (hashed name, account, until when it is remembered in unix seconds)."""

    pins: list[tuple[bytes, str, float]]


class Ended(_Tiding, frozen=True, array_like=True, tag="ended"):
    """So many requests are over, of which so many failed: for the share of errors."""

    requests: int
    failed: int


class Listed(_Tiding, frozen=True, array_like=True, tag="listed"):
    """A request is over, for those who watch: its row."""

    row: dict[str, Any]


class Watched(_Tiding, frozen=True, array_like=True, tag="watched"):
    """Whether somebody watches at the worker, so that rows are worth telling it."""

    yes: bool


class Logging(_Tiding, frozen=True, array_like=True, tag="logging"):
    """Log from this level on."""

    level: str


class Asked(_Tiding, frozen=True, array_like=True, tag="asked"):
    """A question by its name; the answer bears its number."""

    number: int
    name: str
    what: Any = None


class Answered(_Tiding, frozen=True, array_like=True, tag="answered"):
    """The answer; None where there is none."""

    number: int
    what: Any = None


Tiding = (
    Greeting
    | Aside
    | Happened
    | Flights
    | Holds
    | Used
    | Pinned
    | Ended
    | Listed
    | Watched
    | Logging
    | Asked
    | Answered
)
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[Tiding]] = msgspec.msgpack.Decoder(list[Tiding])


class NoTidingsError(Exception):
    """What came is no message of a sibling's."""


def message_of(tidings: Sequence[Tiding]) -> bytes:
    """The tidings as one message."""
    body = _encoder.encode(tidings)
    return _LENGTH.pack(len(body)) + body


class Messages:
    """Cuts what comes over a line into messages, however it was torn on the way."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[list[Tiding]]:
        """The messages that are whole with ``data``. Raises: NoTidingsError."""
        rest = self._rest
        rest += data
        begin = 0
        while len(rest) - begin >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(rest, begin)
            if length > LONGEST_BYTES:
                raise NoTidingsError(f"a message of {length} bytes")
            end = begin + _LENGTH.size + length
            if len(rest) < end:
                break
            yield _decoded(bytes(rest[begin + _LENGTH.size : end]))
            begin = end
        del rest[:begin]


def _decoded(body: bytes) -> list[Tiding]:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoTidingsError(str(error)) from None
