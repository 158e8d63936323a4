"""The client keys in the store, for commands: no server need be up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lb.adapters.clock import Clock
from lb.adapters.stores import StoreAway, open_store
from lb.adapters.stores.statements import spent
from lb.config import Config
from lb.core.limits import Spending
from lb.proxy.keys import Keys, keys_in


@asynccontextmanager
async def stored_keys(config: Config) -> AsyncIterator[Keys]:
    """The client keys as the store has them, and what they have used. Raises: StoreAway."""
    store = open_store(config.server.database, config.server.data_dir)

    async def used(since: float) -> list[Spending]:
        return await store.run(lambda connection: spent(connection, since))

    try:
        keys = keys_in(store, config, Clock().now)
        await keys.follow(used)
        yield keys
    finally:
        await store.close()


def has_keys(config: Config) -> bool:
    """Whether the store of a configuration holds a client key."""

    async def asked() -> bool:
        async with stored_keys(config) as keys:
            return bool(keys.records)

    if not config.server.database and not config.server.data_dir.exists():
        return False  # and none is made by asking
    try:
        return asyncio.run(asked())
    except StoreAway:
        return False
