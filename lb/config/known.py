"""Which logins there are, also where the configuration has mistakes: for those who add to them."""

from pathlib import Path

from lb.config import folder
from lb.config.facts import expanded
from lb.config.folder import KIND, Login, UnusableError
from lb.config.sections import Text
from lb.config.text import Mistakes, read
from lb.core.identity import identity_of


def written(path: Path | None) -> Text:
    """What accounts.toml says, as far as it can be read."""
    try:
        text = "" if path is None else path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = ""
    return read(text, Mistakes())


def wants_keys(path: Path | None) -> bool:
    """Whether clients of the server need a key."""
    return bool(written(path).keys)


def file_of(path: Path | None, name: str) -> Path:
    """The file that holds, or will hold, the login of an account."""
    for text in written(path).accounts:
        if text.id == name and text.auth_file is not None and path is not None:
            return path.parent / expanded(text.auth_file)
    return folder.folder_for(path) / f"{name}.json"


def logins(path: Path | None) -> list[Login]:
    """Every login that can be read, under the name of its account."""
    named = [
        (text.id, file_of(path, text.id))
        for text in written(path).accounts
        if text.kind == KIND and text.auth_file is not None
    ]
    dropped_in = [
        (file.name.removesuffix(".json"), file) for file in folder.files(folder.folder_for(path))
    ]
    found = []
    for name, file in (*named, *dropped_in):
        try:
            who = identity_of(folder.document(file))
        except UnusableError:
            continue
        if who is not None:
            found.append(Login(name, file, who))
    return found
