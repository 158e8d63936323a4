"""Secrets at rest: AES-256-GCM, each sealed to the name of its owner.

A sealed text opens only under the name it was sealed for, so swapping two rows of a table shows.
The key comes from ``LB_SECRET_KEY``, or from a file only its owner can read, made at first start;
its id stands before each sealed text, so that one can tell which key is missing.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from lb.core.secret import Secret

VARIABLE = "LB_SECRET_KEY"
FILE = "secret.key"
KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D, section 8.2
_VERSION = "lb1"
LEAST_CHARACTERS = 32  # of a key one makes up oneself
OTHERS = 0o077


class Unsealable(Exception):  # noqa: N818  # the house's word
    """The text was not sealed by this key for this owner, or it was altered."""


class Vault:
    """Seals and opens with one key."""

    def __init__(self, key: Secret) -> None:
        """Raises: ValueError when the key is too short to be one."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(key.reveal()) < LEAST_CHARACTERS:
            message = f"{VARIABLE} must have {LEAST_CHARACTERS} characters or more"
            raise ValueError(message)
        digest = sha256(b"lb vault key\0" + key.reveal().encode()).digest()
        self._cipher = AESGCM(digest)
        self.key_id = sha256(b"lb vault key id\0" + digest).hexdigest()[:8]

    def seal(self, secret: Secret, owner: str) -> str:
        """The secret as a text that only this key opens, and only for ``owner``."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.reveal().encode(), owner.encode())
        return f"{_VERSION}:{self.key_id}:{urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, owner: str) -> Secret:
        """The secret back. Raises: Unsealable."""
        from cryptography.exceptions import InvalidTag

        version, _, rest = sealed.partition(":")
        key_id, _, text = rest.partition(":")
        if version != _VERSION:
            raise Unsealable("it is not a sealed text")
        if key_id != self.key_id:
            raise Unsealable(f"it was sealed with another key ({key_id[:8]})")
        try:
            data = urlsafe_b64decode(text)
            opened = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], owner.encode())
        except (InvalidTag, ValueError):
            raise Unsealable("it was altered, or sealed for somebody else") from None
        return Secret(opened.decode())


def open_vault(data_dir: Path, environ: Mapping[str, str] = os.environ) -> Vault:
    """The vault of a server: its key from the environment, else from its file, made if missing.

    Raises: OSError; ValueError when the key is no key; PermissionError when others can read it.
    """
    if VARIABLE in environ:
        return Vault(Secret(environ[VARIABLE].strip()))
    path = data_dir / FILE
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        if path.stat().st_mode & OTHERS:
            message = f"others may read {path}: chmod 600 {path}"
            raise PermissionError(message) from None
        return Vault(Secret(path.read_text(encoding="ascii").strip()))
    made = urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()
    with os.fdopen(handle, "w") as file:
        file.write(made + "\n")
        file.flush()
        os.fsync(file.fileno())  # what is sealed with it is lost without it
    return Vault(Secret(made))
