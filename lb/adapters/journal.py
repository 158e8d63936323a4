"""A local journal: facts are appended with one small ``write(2)`` and kept until they are stored.

What is written is the kernel's at once, so a ``kill -9`` loses nothing; no fsync, so nobody waits.
It is a folder of segments: one is appended to, those before it are fed to the store and deleted
whole. A lock keeps a second server out of the folder.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

SEGMENT_BYTES = 1 << 20
FORMER = "journal.jsonl"  # of version 1: one file beside the folder


class Journal:
    """Lines in segments only their owner can read.

    ``current`` is the segment that is appended to, None until the next line begins one. ``size``
    counts the bytes of all segments; beyond ``limit`` bytes ``is_full``, and the caller
    says what then is not written (``append`` itself never refuses).
    """

    def __init__(self, folder: Path, limit: int = 256 << 20, lock: int | None = None) -> None:
        """Take the folder; ``lock`` is its lock where it is ours already (a descriptor).

        Raises: OSError, with EAGAIN when another server has it.
        """
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        self.folder = folder
        self._lock = locked(folder / "lock") if lock is None else os.dup(lock)
        self.limit = limit
        self._sizes = {path: path.stat().st_size for path in sorted(folder.glob("*.jsonl"))}
        self._take_former(folder.parent / FORMER)
        self.size = sum(self._sizes.values())
        self._number = max((int(path.stem) for path in self._sizes), default=0)
        self._file = -1
        self._written = 0  # bytes of the current segment
        self.current: Path | None = None

    def _take_former(self, former: Path) -> None:
        if former.exists():
            path = self.folder / f"{0:012}.jsonl"
            former.rename(path)
            self._sizes = {path: path.stat().st_size, **self._sizes}

    @property
    def is_full(self) -> bool:
        """Whether no more should be written until something is stored."""
        return self.size >= self.limit

    def append(self, lines: bytes) -> None:
        """Write whole lines, each with its newline. Raises: OSError when the disk is full."""
        if self.current is None:
            self._begin()
        elif self._written >= SEGMENT_BYTES:
            self.cut()
            self._begin()
        written = os.write(self._file, lines)
        self.size += written
        self._written += written
        if written < len(lines):  # the disk filled up: end the torn line, so that it stands alone
            os.write(self._file, b"\n")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _begin(self) -> None:
        path = self.folder / f"{self._number + 1:012}.jsonl"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._number += 1
        self.current = path
        self._sizes[path] = self._written = 0

    def go_on_after(self, number: int) -> None:
        """Number segments beyond ``number``: those up to it are stored, and may be gone."""
        self._number = max(self._number, number)

    def cut(self) -> None:
        """End the current segment: the next line begins a new one."""
        if self.current is not None:
            os.close(self._file)
            self._sizes[self.current] = self._written
            self._file, self.current = -1, None

    def ended(self) -> list[Path]:
        """The segments that are ended and not yet deleted, oldest first."""
        return [path for path in self._sizes if path != self.current]

    def delete(self, segment: Path) -> None:
        """All of ``segment`` is stored: let go of it."""
        self.size -= self._sizes.pop(segment, 0)
        segment.unlink(missing_ok=True)

    def keep(self, name: str, data: bytes) -> None:
        """Put ``data`` in the file ``name`` of the folder, at once or not at all."""
        path = self.folder / name
        draft = path.with_suffix(".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        draft.replace(path)

    def kept(self, name: str) -> bytes:
        """What ``keep`` put there; empty when nothing was."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return b""

    def close(self) -> None:
        """End the current segment and give the folder back."""
        self.cut()
        os.close(self._lock)

    def remove(self) -> None:
        """All of it is stored and nobody will write here again: leave no folder."""
        self.close()
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


def lines(segment: Path) -> Iterator[bytes]:
    """The lines of a segment; the last may be torn by a crash."""
    with segment.open("rb") as file:
        for line in file:
            yield line.rstrip(b"\n")


def folder_of(data_dir: Path, worker: int = 0) -> Path:
    """Where a worker's journal is; the first one's is that of a server without workers."""
    return data_dir / (f"journal-{worker}" if worker else "journal")


def abandoned(data_dir: Path, workers: int) -> list[Path]:
    """The journals of workers there are no more, now that there are so many ``workers``."""
    numbers = ((path, path.name.removeprefix("journal-")) for path in data_dir.glob("journal-*"))
    return sorted(path for path, told in numbers if told.isdecimal() and int(told) >= workers)


def locked(path: Path) -> int:
    """A lock that ends with the process, however it ends; and with all that were forked from it.

    Raises: OSError, with EAGAIN when somebody has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        told = "another lb server uses this data_dir"
        raise OSError(errno.EAGAIN, told, str(path.parent.parent)) from error
    return handle
