"""Databases to test with: a file, or a schema of its own in a real PostgreSQL."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import select

from lb.adapters.stores import Store, open_store
from lb.adapters.stores.tables import ledger
from lb.core.secret import Secret

POSTGRES = os.environ.get("LB_TEST_POSTGRES", "postgresql://127.0.0.1:5432/test")


@asynccontextmanager
async def schema() -> AsyncIterator[str]:
    """The URL of an empty schema; the test is skipped where there is no server."""
    name = f"lb_test_{uuid4().hex[:12]}"
    try:
        connection = await asyncpg.connect(POSTGRES, timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        pytest.skip(f"no PostgreSQL at LB_TEST_POSTGRES ({error})")
    try:
        await connection.execute(f"CREATE SCHEMA {name}")
        yield f"{POSTGRES}{'&' if '?' in POSTGRES else '?'}search_path={name}"
        await connection.execute(f"DROP SCHEMA {name} CASCADE")
    finally:
        await connection.close()


def opened(database: str, folder: Path) -> Store:
    """The store at ``database`` (a URL, empty: SQLite in ``folder``)."""
    return open_store(Secret(database) if database else None, folder)


async def rows_in(database: str, folder: Path) -> list[dict[str, Any]]:
    """The rows of a ledger, in the order they were admitted."""
    store = opened(database, folder)
    try:
        found = await store.run(lambda c: c.execute(select(ledger).order_by(ledger.c.at)).all())
        return [dict(row._mapping) for row in found]
    finally:
        await store.close()
