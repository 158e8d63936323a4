"""SQLite in ``data_dir``: WAL, one writer, batched behind the request path.

``synchronous=NORMAL``: commits survive a killed process entirely; a power cut may lose the last
ones but never corrupts (sqlite.org/wal.html). What matters more than that is in the journal first.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS standing (
    account TEXT PRIMARY KEY,
    saved_at REAL NOT NULL,
    told TEXT NOT NULL
) STRICT;
"""


class SQLite:
    """The standing of each account, as JSON. Not for the event loop: a call may wait for disk."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._db.execute("PRAGMA busy_timeout=5000")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def load(self) -> dict[str, dict[str, Any]]:
        """The saved standings, by account."""
        rows = self._db.execute("SELECT account, told FROM standing")
        return {account: msgspec.json.decode(told) for account, told in rows}

    def save(self, standings: Mapping[str, dict[str, Any]]) -> None:
        """Write a batch in one transaction. Raises: sqlite3.Error."""
        rows = [
            (account, told["saved_at"], msgspec.json.encode(told).decode())
            for account, told in standings.items()
        ]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("INSERT OR REPLACE INTO standing VALUES (?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the database."""
        self._db.close()
