"""Which account a conversation belongs to: the one that holds its state or its prompt cache.

Keys are scoped to the client and hashed, so that one tenant can neither steer nor read another's.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b

from attrs import define, field

from lb.core.body import Body
from lb.core.marks import CIPHER, REASONING, REFERENCE, newest
from lb.core.remembered import Remembered
from lb.core.tap import CIPHER_PREFIX

PIN_S = 3600.0  # upstream prompt caches live for an hour at most
STATE_S = 30 * 86400.0  # stored responses live for 30 days
_STATE = ("resp:", "item:", "conv:")
MOST_PINS = 100_000
LONGEST_NAME = 256  # characters of what a conversation or a state goes by
CACHEABLE_BYTES = 4096  # about the 1,024 tokens below which upstreams keep no prompt cache

_SESSION_HEADERS = ("session-id", "session_id", "thread-id")
_FIRST_TURN = re.compile(rb'"role"\s*:\s*"user".{0,512}', re.DOTALL)
_NEWEST = (
    (
        CIPHER,
        re.compile(rb'"encrypted_content"\s*:\s*"([^"]{1,%d})' % CIPHER_PREFIX),
        b'"encrypted_content"',
        "enc",
    ),
    (REASONING, re.compile(rb'"(rs_[^"]{1,200})"'), b'"rs_', "item"),
)
_REFERENCE = re.compile(rb'"id"\s*:\s*"([^"]{1,200})"')


def session_of(headers: Mapping[str, str], body: Body) -> str:
    """The soft key of the conversation a request belongs to; empty when it belongs to none.

    Sub-agents of Codex share the root's session id but keep threads, and so caches, of their own.
    """
    if "x-codex-parent-thread-id" in headers and headers.get("thread-id"):
        return short(f"session:{headers['thread-id']}")
    for name in _SESSION_HEADERS:
        if value := headers.get(name):
            return short(f"session:{value}")
    key = body.get("prompt_cache_key")
    if isinstance(key, str) and key:
        return short(f"session:{key}")
    return _digest_of_beginning(body)


def _digest_of_beginning(body: Body) -> str:
    instructions, text = body.view("instructions"), body.view("input")
    if len(instructions) + len(text) < CACHEABLE_BYTES:
        return ""
    match = _FIRST_TURN.search(text)
    first = match.group() if match else bytes(text[:512])
    return "prefix:" + blake2b(bytes(instructions) + first, digest_size=16).hexdigest()


def anchors_of(headers: Mapping[str, str], body: Body) -> tuple[tuple[str, ...], bool]:
    """The state a request names, most telling first, and whether only its owner can serve it.

    Names: ``resp:``, ``conv:``, ``file:``, ``item:`` ids, ``enc:`` beginnings of ciphertexts,
    ``turn:`` the turn state an upstream minted.
    """
    anchors: list[str] = []
    previous = body.get("previous_response_id")
    if isinstance(previous, str) and previous:
        anchors.append(f"resp:{previous}")
    conversation = body.get("conversation")
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    if isinstance(conversation, str) and conversation:
        anchors.append(f"conv:{conversation}")
    kinds = body.kinds()
    if kinds & REFERENCE and (referenced := _referenced(body.raw("input"))):
        anchors.append(f"item:{referenced}")
    bound = bool(anchors)
    for mark, pattern, marker, kind in _NEWEST:
        if kinds & mark and (match := newest(body.view("input"), marker, pattern)):
            anchors.append(f"{kind}:" + match.group(1).decode("utf-8", "replace"))
    if state := headers.get("x-codex-turn-state"):
        anchors.append(f"turn:{state}")
    return tuple(map(short, anchors)), bound


def _referenced(text: bytes) -> str:
    """The id in the last item that stands for another one; empty when there is none."""
    at = text.rfind(b'"item_reference"')
    begin, end = text.rfind(b"{", 0, at), text.find(b"}", at)  # it is flat
    match = _REFERENCE.search(text, max(0, begin), end) if at >= 0 else None
    return match.group(1).decode("utf-8", "replace") if match else ""


def is_state(name: str) -> bool:
    """Whether ``name`` is of something an account stores, for longer than it caches prompts."""
    return name.startswith(_STATE)


@define
class Affinity:
    """Remembers owners: bounded in number, forgotten after PIN_S (STATE_S) unless seen again."""

    most: int = MOST_PINS
    _pins: OrderedDict[bytes, tuple[str, float]] = field(factory=OrderedDict)

    def owner(self, client: str, names: Iterable[str], now: float) -> str | None:
        """The account that owns the first of ``names`` that is known."""
        for name in names:
            found = self._pins.get(_key(client, name))
            if found is not None and now < found[1]:
                return found[0]
        return None

    def pin(self, client: str, names: Iterable[str], account: str, now: float) -> None:
        """``account`` owns ``names`` from now on."""
        pins = self._pins
        cache, state = (account, now + PIN_S), (account, now + STATE_S)
        for name in names:
            key = _key(client, name)
            pins[key] = state if name.startswith(_STATE) else cache
            pins.move_to_end(key)
        while len(pins) > self.most:
            pins.popitem(last=False)

    def __len__(self) -> int:
        return len(self._pins)

    def count_by_account(self, now: float) -> dict[str, int]:
        """How many names each account owns."""
        counts: dict[str, int] = {}
        for account, until in self._pins.values():
            if now < until:
                counts[account] = counts.get(account, 0) + 1
        return counts


def short(name: str) -> str:
    """``name``, or a digest of it where it is long: clients choose it, and it is kept."""
    if len(name) <= LONGEST_NAME:
        return name
    kind, _, rest = name.partition(":")
    return f"{kind}:" + blake2b(rest.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()


def _key(client: str, name: str) -> bytes:
    whole = f"{client}\0{name if len(name) <= LONGEST_NAME else short(name)}"
    return _digest(whole) if name.startswith(_STATE) else _digests[whole]


def _digest(whole: str) -> bytes:
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_digests = Remembered(_digest, 8192)
"""Of what is asked for several times a request, and for a conversation with each of its turns."""


def spread(key: bytes, seed: int) -> int:
    """A number for (conversation, account): the highest wins (rendezvous hashing, Thaler 1996).

    Replicas that share no word agree on it.
    """
    mixed = (int.from_bytes(key[:8], "big") ^ seed) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF


@lru_cache(maxsize=65536)
def seed_of(account: str) -> int:
    """The account's number for ``spread``."""
    return int.from_bytes(blake2b(account.encode(), digest_size=8).digest(), "big")


def key_of(client: str, session: str) -> bytes:
    """The conversation's bytes for ``spread``."""
    return _key(client, session)
