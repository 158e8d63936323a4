"""Client keys made at run time, in the store; another process may change them at any time."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import frozen
from sqlalchemy import Connection, delete, func, select, text, update

from lb.adapters.stores import Store
from lb.adapters.stores.tables import client_keys, insert
from lb.core.keyring import Record


@frozen
class ClientKeys:
    """The table of client keys. Every call raises StoreAway when the store cannot be asked."""

    store: Store

    async def revision(self) -> tuple[int, int]:
        """How many there are, and when one was last written: one row, whatever their number."""
        return await self.store.run(_revision)

    async def load(self) -> list[Record]:
        """Every key, by name."""
        return await self.store.run(_load)

    async def put(self, record: Record) -> bool:
        """Write one in place of the one it was made of, or as a new one if it was made of none.

        False, and nothing written, when another process was faster.
        """
        return await self.store.run(lambda connection: _put(connection, record))

    async def delete(self, name: str) -> None:
        """Forget one."""
        await self.store.run(lambda connection: _delete(connection, name))


def _revision(connection: Connection) -> tuple[int, int]:
    asked = select(func.count(), func.coalesce(func.max(client_keys.c.changed_at), 0))
    number, changed_at = connection.execute(asked.select_from(client_keys)).one()
    return int(number), int(changed_at)


def _load(connection: Connection) -> list[Record]:
    rows = connection.execute(select(client_keys).order_by(client_keys.c.name))
    return [_record(row) for row in rows.mappings()]


def _put(connection: Connection, record: Record) -> bool:
    """``changed_at`` says which one it was made of; it grows even where clocks differ.

    One writes after the other, as everywhere in SQLite: who follows would miss a change that is
    committed after a later one, and a key that was revoked would go on opening there.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {client_keys.name} IN SHARE ROW EXCLUSIVE MODE"))
    row = {
        "name": record.name,
        "digest": record.digest,
        "prefix": record.prefix,
        "plan": record.plan,
        "told": msgspec.json.encode(record.limits).decode(),
        "created_at": record.created_at,
        "disabled": record.disabled,
        "old_digest": record.old_digest or None,
        "old_prefix": record.old_prefix,
        "old_until": record.old_until or None,
        "changed_at": max(time.time_ns(), _revision(connection)[1] + 1),
    }
    table = client_keys
    new = insert(connection, table).values(row)
    write: Any = new.on_conflict_do_nothing(index_elements=["name"])
    if record.changed_at:
        seen = (table.c.name == record.name) & (table.c.changed_at == record.changed_at)
        write = update(table).where(seen).values(row)
    return connection.execute(write.returning(table.c.name)).first() is not None


def _delete(connection: Connection, name: str) -> None:
    connection.execute(delete(client_keys).where(client_keys.c.name == name))


def _record(row: Mapping[Any, Any]) -> Record:
    return Record(
        name=row["name"],
        digest=bytes(row["digest"]),
        prefix=row["prefix"],
        plan=row["plan"],
        limits=msgspec.json.decode(row["told"], type=dict[str, Any]),
        created_at=row["created_at"],
        disabled=row["disabled"],
        old_digest=bytes(row["old_digest"] or b""),
        old_prefix=row["old_prefix"],
        old_until=row["old_until"] or 0.0,
        changed_at=row["changed_at"],
    )
