"""Logins at rest: those of accounts.d are sealed when lb writes them, if that is wanted.

Each secret is sealed to its file's name and its field, so that neither can change places with
another. What a person keeps elsewhere (``auth_file``) stays as it is, as does what lies behind a
link. What touches the disk blocks: call it in a thread.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from lb.adapters import authfile
from lb.adapters.authfile import Login, UnreadableError
from lb.adapters.vault import FILE, VARIABLE, Unsealable, Vault, key_id_of, open_vault, vaults
from lb.config import Config
from lb.core.identity import identity_of
from lb.core.sealed import BESIDE, changed, holds_sealed, is_sealed
from lb.core.secret import Secret


class SealError(UnreadableError):
    """There is no key to open a login with, or to seal it with. Says why; never holds a token."""


@frozen
class Seals:
    """How the logins of ``folder`` are kept; None: there is no such folder.

    ``wanted`` is what the configuration says, None: whether ``LB_SECRET_KEY`` is set. The key file
    is in ``data_dir``.
    """

    folder: Path | None = None
    data_dir: Path = Path()
    wanted: bool | None = None
    environ: Mapping[str, str] = field(default=os.environ, repr=False)

    @property
    def on(self) -> bool:
        """Whether lb seals what it writes."""
        return VARIABLE in self.environ if self.wanted is None else self.wanted

    def covers(self, path: Path) -> bool:
        """Whether a login at ``path`` is sealed when it is written."""
        folder = self.folder
        return self.on and folder is not None and path.resolve().parent == folder.resolve()

    def prepare(self, path: Path) -> None:
        """Have the key for a login at ``path``, before what it seals exists. Raises: SealError."""
        if self.covers(path):
            self._key()

    def check(self, path: Path) -> None:
        """Whether a login at ``path`` could be sealed; no key is made. Raises: SealError."""
        if self.covers(path):
            self._keys()

    def read(self, path: Path) -> Login:
        """The login in ``path``, opened. Raises: SealError, and as authfile.parsed."""
        return authfile.login_of(self.opened(path, authfile.parsed(path)), path.name)

    def write(self, path: Path, document: Mapping[str, Any]) -> None:
        """Keep a login as it should be kept. Raises: OSError, SealError; the old file stays."""
        authfile.write(path, self.closed(path, document))

    def closed(self, path: Path, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """An open login, sealed if ``path`` is one of ours. Raises: SealError."""
        who = identity_of(document)
        if who is None or not self.covers(path):
            return document
        key = self._key()

        def sealed(name: str, secret: str) -> str:
            return key.seal(Secret(secret), _owner(path, name))

        return {**changed(document, sealed), BESIDE: who.beside}

    def opened(self, path: Path, document: Any) -> Any:
        """A login with every secret in it open. Raises: SealError, UnreadableError."""
        if not holds_sealed(document):
            return document
        keys = self._keys()

        def opened(name: str, secret: str) -> str:
            return _opened(keys, secret, _owner(path, name)) if is_sealed(secret) else secret

        found = changed(document, opened)
        found.pop(BESIDE, None)
        return found

    def _key(self) -> Vault:
        try:
            return open_vault(self.data_dir, self.environ)
        except (OSError, ValueError) as error:
            raise SealError(_words(error)) from None

    def _keys(self) -> dict[str, Vault]:
        try:
            return {key.key_id: key for key in vaults(self.data_dir, self.environ)}
        except (OSError, ValueError) as error:
            raise SealError(_words(error)) from None


PLAIN: Final = Seals(wanted=False)
"""Nothing is sealed when it is written."""


def seals_of(config: Config) -> Seals:
    """How a server with this configuration keeps logins."""
    return Seals(config.folder, config.server.data_dir, config.server.seal_logins)


def _opened(keys: Mapping[str, Vault], sealed: str, owner: str) -> str:
    """The secret. Raises: SealError without its key; UnreadableError for what no key opens."""
    try:
        key_id = key_id_of(sealed)
        if key_id in keys:
            return keys[key_id].open(sealed, owner).reveal()
    except Unsealable as error:
        raise UnreadableError(str(error)) from None
    message = f"sealed with key {key_id}, which is not here: set {VARIABLE}, or put {FILE} back"
    raise SealError(message)


def _owner(path: Path, name: str) -> str:
    """The field and the account; no field's name has a blank in it."""
    return f"{name} {path.resolve().name.removesuffix('.json')}"


def _words(error: OSError | ValueError) -> str:
    """Why there is no key; what an undecodable file holds is not for showing."""
    if isinstance(error, UnicodeError):
        return "its key file holds no key"
    if isinstance(error, OSError) and error.strerror:
        return f"its key file cannot be used: {error.strerror}"
    return str(error)
