"""Making client keys, and where they are kept."""

import secrets
from hashlib import sha256
from typing import Final, Protocol

from attrs import evolve

from lb.config.plans import KEY_PREFIX, prefix_of
from lb.core.keyring import Record
from lb.core.secret import Secret

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH: Final = 43  # digits of base 62 that hold 256 bits


class KeyStore(Protocol):
    """Keeps keys: digests and first characters, never a key."""

    async def revision(self) -> tuple[int, int]:
        """Another value after each change, whoever made it."""
        ...

    async def load(self) -> list[Record]:
        """All of them."""
        ...

    async def put(self, record: Record) -> bool:
        """Write one in place of the one it was made of, if that is still there.

        A record with ``changed_at`` 0 is a new one; False when another process was faster.
        """
        ...

    async def delete(self, name: str) -> None:
        """Forget one."""
        ...


def mint() -> Secret:
    """A new key: 256 random bits in base 62, behind a prefix by which leaks are found."""
    number = secrets.randbits(256)
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return Secret(KEY_PREFIX + "".join(digits))


def with_key(record: Record, key: Secret) -> Record:
    """The record of this key."""
    told = key.reveal()
    return evolve(record, digest=sha256(told.encode()).digest(), prefix=prefix_of(told))


def rotated(record: Record, key: Secret, until: float) -> Record:
    """The record with a new key; the one it had opens until ``until`` (unix seconds)."""
    fresh = with_key(record, key)
    return evolve(fresh, old_digest=record.digest, old_prefix=record.prefix, old_until=until)
