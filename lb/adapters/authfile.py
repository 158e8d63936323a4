"""Codex's ``auth.json``: read with care, written so that a kill at any moment loses nothing.

Form: ``{"OPENAI_API_KEY", "tokens": {"id_token", "access_token", "refresh_token", "account_id"},
"last_refresh"}``. What else is in the file stays in it. What touches the disk blocks: call it in a
thread.
"""

import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import field, frozen

from lb.core.identity import CLAIMS, claims
from lb.core.upstreams.chatgpt import Bearer

__all__ = [
    "CLAIMS",
    "Login",
    "UnreadableError",
    "account_id_in",
    "lock_file",
    "login_of",
    "parsed",
    "renewed",
    "sync_folder",
    "try_lock",
    "write",
]

OWNER_ONLY: Final = 0o600
_TOKENS: Final = ("id_token", "access_token", "refresh_token")


class UnreadableError(Exception):
    """The file is missing, or holds no login. Says what to do; never holds a token."""


@frozen
class Login:
    """A person's login: ``expires_at`` unix seconds, infinite where the token does not say."""

    access: Bearer
    expires_at: float
    refresh: str = field(default="", repr=False)
    document: Mapping[str, Any] = field(factory=dict, repr=False)

    def lasts(self, now: float, margin_s: float) -> bool:
        """Whether the access token is good for another ``margin_s`` seconds."""
        return self.expires_at - now > margin_s


def read(path: Path) -> Login:
    """The login in ``path``, which is plain. Raises: as parsed, and UnreadableError."""
    return login_of(parsed(path), path.name)


def parsed(path: Path) -> Any:
    """What ``path`` says.

    Raises: UnreadableError when it is not there; ValueError for what is no JSON (Codex itself
    writes in place: a moment later it may be); OSError for a fault of the machine.
    """
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        message = f"cannot read {path.name}: {error.strerror}"
        raise UnreadableError(message) from None
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        message = f"{path.name} holds no JSON"
        raise ValueError(message) from None


def login_of(document: Any, name: str = "auth.json") -> Login:
    """The login in a document of the form of ``auth.json``.

    Raises: UnreadableError when there is no access token in it.
    """
    tokens = document.get("tokens") if isinstance(document, dict) else None
    access = tokens.get("access_token") if isinstance(tokens, dict) else None
    if not isinstance(tokens, dict) or not isinstance(access, str) or not access:
        message = f"{name} holds no ChatGPT login"
        raise UnreadableError(message)
    expires_at = claims(access).get("exp")
    refresh = tokens.get("refresh_token")
    return Login(
        access=Bearer(access, _account_id(tokens)),
        expires_at=float(expires_at) if isinstance(expires_at, int | float) else math.inf,
        refresh=refresh if isinstance(refresh, str) else "",
        document=document,
    )


def renewed(login: Login, answer: Mapping[str, Any], now: float) -> Login:
    """The login with the tokens the issuer gave; one it did not give stays."""
    given = {key: answer[key] for key in _TOKENS if isinstance(answer.get(key), str)}
    tokens = {**login.document.get("tokens", {}), **given}
    refreshed = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    return login_of({**login.document, "tokens": tokens, "last_refresh": refreshed})


def account_id_in(token: str) -> str:
    """The ChatGPT account a token speaks for; empty when it does not say."""
    told = claims(token).get(CLAIMS)
    account_id = told.get("chatgpt_account_id") if isinstance(told, dict) else None
    return account_id if isinstance(account_id, str) else ""


def _account_id(tokens: Mapping[str, Any]) -> str:
    told = tokens.get("account_id")
    if isinstance(told, str) and told:
        return told
    named = (account_id_in(str(tokens.get(key) or "")) for key in ("id_token", "access_token"))
    return next(filter(None, named), "")


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Replace ``path`` at once, readable by its owner only, and on the disk when this returns.

    Raises: OSError; then the old file is as it was.
    """
    path = path.resolve()  # a link stays a link
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(OWNER_ONLY)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A new name on the disk too (a rename is an entry of its folder)."""
    if sys.platform == "win32":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def lock_file(path: Path) -> Iterator[int]:
    """``<path>.lock``, open; it stays where it is, since removing it would race."""
    number = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, OWNER_ONLY)
    try:
        yield number
    finally:
        os.close(number)  # lets go of the lock as well, as does the end of the process


def try_lock(number: int) -> bool:
    """Whether the lock is ours now; it is not waited for."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
