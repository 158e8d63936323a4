"""What ``lb accounts`` does to the files that make an account: its login, its entry."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from lb.adapters import logins
from lb.adapters.authfile import UnreadableError
from lb.adapters.seals import Seals
from lb.config import ConfigError, edit, find, folder, known, parse
from lb.config.edit import UneditableError
from lb.core.identity import identity_of

OWNER_ONLY = 0o600
Part = tuple[str, Callable[[], None]]
"""What will be done, in words, and the doing."""


def of_file(file: Path) -> Iterator[Part]:
    """The account's login in accounts.d."""
    if file.is_file():
        yield f"its login {file} will be deleted", partial(_remove_login, file)


def of_toml(path: Path | None, name: str) -> Iterator[Part]:
    """The account's entry in accounts.toml."""
    entry = next((text for text in known.written(path).accounts if text.id == name), None)
    if path is None or entry is None:
        return
    kept_file = "" if entry.auth_file is None else f" ({entry.auth_file} stays)"
    yield f"its entry in {path} will be deleted{kept_file}", partial(_remove_entry, path, name)


def kept(file: Path, name: str, seals: Seals) -> dict[str, Any]:
    """The login of an account, open. Raises: ClickException when it has none, or no key."""
    try:
        document: dict[str, Any] = seals.opened(file, folder.document(file))
    except UnreadableError as error:
        message = f"The login of account {name} cannot be opened: {error}"
        raise click.ClickException(message) from None
    except folder.UnusableError as error:
        message = f"Account {name} has no login to export: {file} {error}"
        raise click.ClickException(message) from None
    if identity_of(document) is None:
        raise click.ClickException(f"Account {name} has no login to export: {file} holds none")
    return document


def saved(file: Path, document: Mapping[str, Any]) -> None:
    """Write a login, readable by its owner only. Raises: ClickException."""
    from lb.adapters import authfile

    try:
        authfile.write(file, document)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None


def add_to_toml(path: Path | None, settings: Mapping[str, Any]) -> Path:
    """Write an entry down, unless it has a mistake. Raises: ClickException.

    Returns the file it is in, which is made if there is none.
    """
    file = find(path) or folder.folder_for(None).parent / "accounts.toml"
    text = _text(file) if path is None or file.exists() else ""
    new = _edited(file, partial(edit.with_account, text, settings))
    before = _mistakes(text, file.parent)
    for mistake in _mistakes(new, file.parent) - before:
        if not mistake.endswith("is not set") and " is not set (" not in mistake:
            raise click.ClickException(f"{mistake}. Nothing was changed.")
    if (folder.folder_for(file) / f"{settings['id']}.json").exists():
        message = f"accounts.d has a login called {settings['id']}: choose another name"
        raise click.ClickException(message)
    _write(file, new)
    return file


def _remove_login(file: Path) -> None:
    try:
        logins.remove(file)
    except (OSError, logins.BusyError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise click.ClickException(f"{file} cannot be deleted: {why}") from None


def _remove_entry(path: Path, name: str) -> None:
    _write(path, _edited(path, partial(edit.without_account, _text(path), name)))


def _edited(file: Path, change: Callable[[], str]) -> str:
    try:
        return change()
    except UneditableError as error:
        raise click.ClickException(f"{file} {error}. Nothing was changed.") from None


def _mistakes(text: str, place: Path) -> set[str]:
    """What is wrong with a configuration; what it says of logins does not matter here."""
    try:
        parse(text, place)
    except ConfigError as error:
        return {str(mistake) for mistake in error.mistakes}
    return set()


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise click.ClickException(f"{file} cannot be read: {why}") from None


def _write(file: Path, text: str) -> None:
    """Replace the file at once; it keeps its mode, a new one is its owner's only."""
    file = file.resolve()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = file.stat().st_mode & 0o777 if file.exists() else OWNER_ONLY
        new = file.with_name(f".{file.name}.new")
        new.touch(mode=OWNER_ONLY)
        new.write_text(text, encoding="utf-8")
        new.chmod(mode)
        new.replace(file)
    except OSError as error:
        raise click.ClickException(f"{file} was not changed: {error.strerror}") from None
