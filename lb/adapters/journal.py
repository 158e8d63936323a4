"""A local journal: facts are appended with one small ``write(2)`` and kept until they are stored.

What is written is the kernel's at once, so a ``kill -9`` loses nothing; no fsync, so nobody waits.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec


class Journal:
    """One JSON object a line, in a file only its owner can read."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self.size = os.fstat(self._file).st_size

    def append(self, entry: dict[str, Any]) -> None:
        """Note ``entry``. Raises: OSError when the disk is full or gone."""
        line = msgspec.json.encode(entry) + b"\n"
        self.size += os.write(self._file, line)

    def entries(self) -> Iterator[dict[str, Any]]:
        """What was noted and not yet forgotten, oldest first; a line cut by a crash is skipped."""
        for line in self._path.read_bytes().splitlines():
            try:
                entry = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue
            if isinstance(entry, dict):
                yield entry

    def forget(self, size: int) -> None:
        """All of the first ``size`` bytes is stored: let go of it, unless more was noted since."""
        if size and size == self.size:
            os.ftruncate(self._file, 0)
            self.size = 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
