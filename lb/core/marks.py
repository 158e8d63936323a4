r"""What stands in the text of a body: looked for in one pass, however much there is to look for.

A mark is the text of a key or a value as any encoder writes it. Inside a JSON string its quotes
would be escaped, so what a user says about such a key is no mark. The pass says what may be there;
a pattern, which costs more than all of it, says it for sure, and only where it may.

One automaton looks for all marks (Aho and Corasick, 1975). A body may be many megabytes, and its
sender chooses what is in it: it is gone through in pieces, and what a piece had is looked for no
more.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from ahocorasick_rs import BytesAhoCorasick, Implementation
from msgspec import Struct

from lb.core.remembered import Remembered

PIECE_BYTES: Final = 64 << 10
TAIL_BYTES: Final = 64 << 10
STRIPPED_KEYS: Final = ("reasoning_content", "reasoning_details", "tool_calls", "function_call")
"""Keys that clients of other dialects leave on items; upstream rejects a request that has one."""

CHAT, STRIPPED, FILE, MEDIA, REFERENCE, CIPHER, REASONING, SURROGATE, SPELT = (
    1 << bit for bit in range(9)
)
ALL: Final = (1 << 9) - 1
ITEMS: Final = ALL & ~SURROGATE
"""Kinds that mean something in ``input`` alone."""
ESCAPES: Final = SURROGATE | SPELT

_BLANKS = (b" ", b"\t", b"\n", b"\r")


def _keys(*names: str) -> Iterator[bytes]:
    return (b'"%b"%b' % (name.encode(), end) for name in names for end in (b":", *_BLANKS))


def _values(*names: str) -> Iterator[bytes]:
    return (b'"%b"%b' % (name.encode(), end) for name in names for end in (b",", b"}", *_BLANKS))


_TOKENS: Final[dict[int, tuple[bytes, ...]]] = {
    CHAT: tuple(_values("tool", "text", "image_url", "file")),
    STRIPPED: tuple(_keys(*STRIPPED_KEYS)),
    FILE: tuple(_keys("file_id")),
    MEDIA: (b'"input_image"', b'"input_file"', b'"input_audio"'),
    REFERENCE: (b'"item_reference"',),
    CIPHER: (b'"encrypted_content"',),
    REASONING: (b'"rs_',),
    SURROGATE: tuple(b"\\u%b%b" % (d.encode(), n.encode()) for d in "dD" for n in "89abcdefABCDEF"),
    SPELT: (b"\\u004", b"\\u005", b"\\u006", b"\\u007"),  # a letter, or another character of ASCII
}
_OVERLAP = max(len(token) for tokens in _TOKENS.values() for token in tokens) - 1


class Mark(Struct, frozen=True, eq=False):
    """What may stand in a text where its ``kind`` was found, and does where ``pattern`` matches."""

    kind: int
    pattern: re.Pattern[bytes]


class _Automaton:
    """Looks for the tokens of some kinds."""

    __slots__ = ("_find", "_kinds")

    def __init__(self, wanted: int) -> None:
        told = [(kind, token) for kind in _kinds_in(wanted) for token in _TOKENS[kind]]
        self._kinds = [kind for kind, _ in told]
        tokens = [token for _, token in told]
        self._find = BytesAhoCorasick(
            tokens, implementation=Implementation.DFA
        ).find_matches_as_indexes

    def kinds(self, text: memoryview) -> int:
        """The kinds of the tokens in a piece of text."""
        found = 0
        for token, _, _ in self._find(text):
            found |= self._kinds[token]
        return found


def _kinds_in(kinds: int) -> Iterable[int]:
    return [kind for kind in _TOKENS if kinds & kind]


_automata: Remembered[int, _Automaton] = Remembered(_Automaton, 64)


def kinds_in(text: bytes | bytearray | memoryview, wanted: int = ALL) -> int:
    """Which of the ``wanted`` kinds of marks may stand in ``text``."""
    view = memoryview(text)
    if len(view) <= PIECE_BYTES:
        return _automata[wanted].kinds(view)
    found = 0
    for at in range(0, len(view), PIECE_BYTES):
        found |= _automata[wanted & ~found].kinds(view[at : at + PIECE_BYTES + _OVERLAP])
        if found == wanted:
            break
    return found


def newest(text: memoryview, marker: bytes, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
    """Where ``pattern`` matches at the last ``marker`` of ``text``, of which little is copied."""
    size = TAIL_BYTES
    while True:
        tail = bytes(text[-size:])
        at = tail.rfind(marker)
        if at >= 0:
            return pattern.match(tail, at)
        if size >= len(text):
            return None
        size *= 8
