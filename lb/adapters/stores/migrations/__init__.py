"""How a store becomes what ``tables`` says: Alembic's migrations, run at start.

Alembic takes 15 MB and a tenth of a second to import, so it is left alone where nothing is to do.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

HEAD = "0003"
"""The newest version in ``versions``; a test holds it to that."""


def migrate(connection: "Connection", version: str = HEAD) -> None:
    """Bring the store to ``version``, from wherever it stands, in the transaction given."""
    if version_of(connection) == version:
        return
    import logging

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of its plugins, too

    from alembic import command

    config = settings()
    config.attributes["connection"] = connection
    command.upgrade(config, version)


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
