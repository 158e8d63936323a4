"""How a store becomes what ``tables`` says: at once where it is empty, else migrated (Alembic).

Both come to the same, which a test holds. Alembic takes 15 MB and a tenth of a second to import, so
it is left alone where nothing is to migrate.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

HEAD = "0004"
"""The newest version in ``versions``; a test holds it to that."""


def migrate(connection: "Connection", version: str = HEAD) -> None:
    """Bring the store to ``version``, from wherever it stands, in the transaction given."""
    from lb.adapters.stores.tables import create, is_empty

    if version_of(connection) == version:
        return
    if version == HEAD and is_empty(connection):
        create(connection)
        _stamp(connection)
        return
    import logging

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of its plugins, too

    from alembic import command

    config = settings()
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def _stamp(connection: "Connection") -> None:
    """Say the version as Alembic does."""
    from sqlalchemy import text

    told = "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY"
    connection.execute(text(f"CREATE TABLE alembic_version ({told} (version_num))"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def settings() -> "Config":
    """What Alembic wants to know."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def version_of(connection: "Connection") -> str | None:
    """The version the store is at; None for one that is empty, or older than the migrations."""
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return str(found) if found else None
