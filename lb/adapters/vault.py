"""Secrets at rest: AES-256-GCM, each sealed to the name of its owner.

A sealed text opens only under the name it was sealed for, so swapping two of them shows. The key
comes from ``LB_SECRET_KEY``, or from a file only its owner can read, made when it is first needed.
Form: ``sealed:v1:`` and base64 of the key's id (4 bytes, so that one can tell which key is
missing), the nonce (12), the ciphertext and its tag (16).
"""

import os
import tempfile
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from lb.adapters.authfile import sync_folder
from lb.core.sealed import MARK
from lb.core.secret import Secret

VARIABLE = "LB_SECRET_KEY"
FILE = "secret.key"
KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D, section 8.2
_ID_BYTES = 4
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
        self.key_id = sha256(b"lb vault key id\0" + digest).hexdigest()[: 2 * _ID_BYTES]

    def seal(self, secret: Secret, owner: str) -> str:
        """The secret as a text that only this key opens, and only for ``owner``."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.reveal().encode(), owner.encode())
        whole = bytes.fromhex(self.key_id) + nonce + sealed
        return MARK + urlsafe_b64encode(whole).decode()

    def open(self, sealed: str, owner: str) -> Secret:
        """The secret back. Raises: Unsealable."""
        from cryptography.exceptions import InvalidTag

        key_id = key_id_of(sealed)
        if key_id != self.key_id:
            raise Unsealable(f"it was sealed with another key ({key_id})")
        try:
            data = urlsafe_b64decode(sealed.removeprefix(MARK))[_ID_BYTES:]
            opened = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], owner.encode())
        except (InvalidTag, ValueError):
            raise Unsealable("it was altered, or sealed for somebody else") from None
        return Secret(opened.decode())


def key_id_of(sealed: str) -> str:
    """Which key sealed a text. Raises: Unsealable for what is none."""
    try:
        data = urlsafe_b64decode(sealed.removeprefix(MARK))
    except ValueError:
        data = b""
    if not sealed.startswith(MARK) or len(data) <= _ID_BYTES + _NONCE_BYTES:
        raise Unsealable("it is not a sealed text")
    return data[:_ID_BYTES].hex()


def open_vault(data_dir: Path, environ: Mapping[str, str] = os.environ) -> Vault:
    """The vault to seal with: its key from the environment, else from its file, made if missing.

    Raises: OSError; ValueError when the key is no key; PermissionError when others can read it.
    """
    path = data_dir / FILE
    if VARIABLE not in environ and not path.exists():
        _make_key(path)
    return vaults(data_dir, environ)[0]


def vaults(data_dir: Path, environ: Mapping[str, str] = os.environ) -> list[Vault]:
    """One vault for each key there is: the environment's, then the file's. None is made.

    Raises: as open_vault.
    """
    found = [Vault(Secret(environ[VARIABLE].strip()))] if VARIABLE in environ else []
    path = data_dir / FILE
    if not path.exists():
        return found
    if path.stat().st_mode & OTHERS:
        message = f"others may read {path}: chmod 600 {path}"
        raise PermissionError(message)
    return [*found, Vault(Secret(path.read_text(encoding="ascii").strip()))]


def _make_key(path: Path) -> None:
    """A key in ``path``, whole from the first moment; another process may be quicker."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(urlsafe_b64encode(os.urandom(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())  # what is sealed with it is lost without it
        with suppress(FileExistsError):
            path.hardlink_to(name)
    finally:
        Path(name).unlink()
    sync_folder(path.parent)
