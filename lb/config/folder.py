"""accounts.d: every ``NAME.json`` in it (Codex's ``auth.json``) is a chatgpt account called NAME.

Settings for one may stand under ``[[accounts]]`` with the same id. A file that cannot be used is
refused with its reason; the others go on.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import evolve, frozen

from lb.config.checks import LARGEST_SECRET_FILE, NAME
from lb.config.facts import expanded
from lb.config.sections import AccountText
from lb.config.text import visible
from lb.core.identity import Identity, identity_of

FOLDER: Final = "accounts.d"
HOME: Final = "~/.config/lb"
KIND: Final = "chatgpt"
LOGIN_WAYS: Final = ("auth_file", "api_key", "api_key_env", "api_key_file")


class UnusableError(Exception):
    """A file holds no login; says why, and never what it holds."""


@frozen
class Login:
    """A login in a file, and whose it is."""

    id: str
    path: Path
    identity: Identity


def folder_for(path: Path | None) -> Path:
    """Where logins live: beside the accounts.toml in use; else ./accounts.d; else at home."""
    if path is not None:
        return path.parent / FOLDER
    here = Path(FOLDER)
    return here if here.is_dir() else expanded(HOME) / FOLDER


def holds_logins(folder: Path) -> bool:
    """Whether there is any file to look into."""
    return bool(files(folder))


def files(folder: Path) -> list[Path]:
    """The files that are meant as accounts, by name."""
    try:
        with os.scandir(folder) as found:
            names = [each.name for each in found]
    except OSError:
        return []
    return [folder / n for n in sorted(names) if n.endswith(".json") and not n.startswith(".")]


def document(path: Path) -> dict[str, Any]:
    """What the file says.

    Raises: UnusableError with the reason.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_SECRET_FILE + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise UnusableError(message) from None
    if len(text) > LARGEST_SECRET_FILE:
        message = "is too large for a login"
        raise UnusableError(message)
    try:
        told = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        message = "holds no JSON"
        raise UnusableError(message) from None
    return told if isinstance(told, dict) else {}


def login(path: Path) -> Login:
    """The login in a file, under the file's own name.

    Raises: UnusableError with the reason.
    """
    name = path.name.removesuffix(".json")
    if not NAME.fullmatch(name):
        message = "its name is none an account can have"
        raise UnusableError(message)
    identity = identity_of(document(path))
    if identity is None:
        message = "holds no ChatGPT login"
        raise UnusableError(message)
    return Login(name, path, identity)


def read(folder: Path) -> tuple[list[Login], list[str]]:
    """The logins in a folder, one for each seat, and what is wrong with the other files."""
    found: dict[tuple[str, str], Login] = {}
    problems: list[str] = []
    for path in files(folder):
        try:
            one = login(path)
        except UnusableError as error:
            problems.append(f"{FOLDER}/{visible(path.name)}: {error}")
            continue
        first = found.setdefault(one.identity.key, one)
        if first is not one:
            problems.append(f"{FOLDER}/{path.name}: {same_seat(first.id)}")
    return list(found.values()), problems


def same_seat(other: str) -> str:
    """The words for a login that is here already."""
    return f"is the same login as account {other} (same workspace, same person): remove one of them"


def joined(
    texts: Iterable[AccountText], logins: Iterable[Login]
) -> tuple[list[AccountText | None], list[Login], list[str]]:
    """What ``[[accounts]]`` and the folder say together.

    Each text with the login of its id, None for one whose login is not there; the logins no text
    speaks of; what is wrong.
    """
    left = {one.id: one for one in logins}
    problems: list[str] = []
    merged: list[AccountText | None] = []
    for text in texts:
        one = left.get(text.id)
        if one is None:
            merged.append(None if _waits(text) else text)
            if merged[-1] is None:
                problems.append(f"account {text.id}: needs login: run lb login {text.id}")
        elif text.kind not in ("", KIND) or _signs_in(text):
            merged.append(text)
            problems.append(f"{FOLDER}/{one.path.name}: {_taken(text)}")
            del left[text.id]
        else:
            merged.append(evolve(text, kind=KIND, auth_file=str(one.path.absolute())))
            del left[text.id]
    return merged, list(left.values()), problems


def text_of(one: Login) -> AccountText:
    """A login that needs no settings, as if it had been written down."""
    return AccountText(id=one.id, kind=KIND, auth_file=str(one.path.absolute()))


def _signs_in(text: AccountText) -> bool:
    return any(getattr(text, name) is not None for name in LOGIN_WAYS)


def _waits(text: AccountText) -> bool:
    """Whether a text is only settings for a login of the folder."""
    ours = text.kind == KIND or (not text.kind and text.base_url is None)
    return ours and bool(NAME.fullmatch(text.id)) and not _signs_in(text)


def _taken(text: AccountText) -> str:
    how = "of another kind" if text.kind not in ("", KIND) else "that signs in otherwise"
    return f"accounts.toml has an account {text.id} {how}: rename the file or the account"
