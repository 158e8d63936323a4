"""Files of logins: written and removed while no refresh of them is under way."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lb.adapters import authfile
from lb.adapters.seals import PLAIN, Seals

LOCK_S: Final = 10.0  # a refresh takes a few seconds at most
POLL_S: Final = 0.02
FOLDER_MODE: Final = 0o700


class BusyError(Exception):
    """Somebody refreshes this login, and does not come to an end."""


def save(path: Path, document: Mapping[str, Any], seals: Seals = PLAIN) -> None:
    """Put a login at ``path``, its folder (0700) made if need be.

    Raises: OSError, BusyError, SealError.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, mode=FOLDER_MODE)
        path.parent.chmod(FOLDER_MODE)  # whatever the umask
    if not path.exists():
        seals.write(path, document)
        return
    with _alone(path):
        seals.write(path, document)


def remove(path: Path) -> None:
    """Take a login away; its lock stays, since removing that would race.

    Raises: OSError, BusyError.
    """
    with _alone(path):
        path.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While no refresh is under way, which would write its own tokens over ours."""
    with authfile.lock_file(path) as number:
        deadline = time.monotonic() + LOCK_S
        while not authfile.try_lock(number):
            if time.monotonic() > deadline:
                message = f"{path.name} is being refreshed by another process; try again"
                raise BusyError(message)
            time.sleep(POLL_S)
        yield
