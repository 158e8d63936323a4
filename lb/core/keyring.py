"""The keys that open the door, by digest; and what the store keeps of those made at run time."""

from collections.abc import Iterable, Mapping
from hmac import compare_digest
from typing import Any

from attrs import define, field, frozen

from lb.core.plans import Key


@frozen
class Record:
    """A key made by ``lb keys create`` or the admin API, as it is stored.

    ``digest`` and ``old_digest`` are SHA-256, ``prefix`` the first characters of the key,
    ``limits`` what it says for itself (as in ``[[keys]]``, JSON); times in unix seconds;
    ``changed_at`` grows with every change.
    """

    name: str
    digest: bytes = field(repr=False)
    prefix: str
    plan: str = ""
    limits: Mapping[str, Any] = field(factory=dict)
    created_at: float = 0.0
    disabled: bool = False
    old_digest: bytes = field(default=b"", repr=False)
    old_prefix: str = ""
    old_until: float = 0.0
    changed_at: int = 0


@define(eq=False)
class Keyring:
    """Every key, the file's and the store's; the file wins where both have a name."""

    _by_digest: dict[bytes, Key] = field(factory=dict, repr=False)
    by_name: dict[str, Key] = field(factory=dict)

    @classmethod
    def of(cls, declared: Iterable[Key], kept: Iterable[Key]) -> "Keyring":
        """A ring of the keys ``declared`` in the file and those ``kept`` in the store."""
        ring = cls()
        for key in declared:
            ring._add(key)
        names = set(ring.by_name)
        for key in kept:
            if key.name not in names:
                ring._add(key)
        return ring

    def _add(self, key: Key) -> None:
        if key.digest:
            self._by_digest.setdefault(key.digest, key)
        self.by_name.setdefault(key.name, key)

    def find(self, digest: bytes) -> Key | None:
        """The key with this digest. What takes time depends on the digest, never on the key."""
        key = self._by_digest.get(digest)
        return key if key is not None and compare_digest(key.digest, digest) else None

    def __len__(self) -> int:
        return len(self.by_name)
