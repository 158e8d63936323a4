"""Sealed logins, as one types: how lb keeps them here, and whether they can be opened."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lb.adapters.seals import Seals
    from lb.config import Config


def seals_for(used: Path | None) -> "Seals":
    """How the server of a configuration keeps logins, whatever else is wrong with it."""
    from lb import config
    from lb.adapters.seals import Seals

    server = config.address(used)
    return Seals(config.folder_for(used), server.data_dir, server.seal_logins)


def told(config: "Config") -> Iterator[str]:
    """Whether the logins of the folder are sealed; nothing where there are none, nor will be."""
    from lb.adapters.seals import seals_of
    from lb.config import folder
    from lb.core.sealed import holds_sealed

    logins = [] if config.folder is None else folder.read(config.folder)[0]
    number = sum(holds_sealed(folder.document(one.path)) for one in logins)
    if seals_of(config).on:
        later = "" if number == len(logins) else "; the others are at lb's next write"
        yield f"Logins are sealed: {number} of {len(logins)}{later}."
    elif number:
        yield f"Logins are not sealed: {number} of {len(logins)} are, until lb's next write."
    elif logins:
        yield "Logins are not sealed: set LB_SECRET_KEY or seal_logins to encrypt them at rest."


def problems(config: "Config") -> Iterator[str]:
    """The accounts whose login cannot be opened, or will not be sealed, and why."""
    from lb.adapters.authfile import UnreadableError, parsed
    from lb.adapters.seals import seals_of

    seals = seals_of(config)
    for account in config.accounts:
        if account.auth_file is None:
            continue
        path = Path(account.auth_file)
        try:
            seals.opened(path, parsed(path))
            seals.check(path)
        except (UnreadableError, ValueError, OSError) as error:
            yield f"account {account.id}: its login cannot be used: {error}"
