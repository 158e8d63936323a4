"""A server that has just answered holds only what it needed: the rest comes when it is wanted."""

from pathlib import Path

import pytest

from tests.clients import asking, client, pool
from tests.scripted import Upstream
from tests.servers import Killable

ABSENT = {
    "alembic": "an empty store is made, and one that is current left alone, without it: 10 MB",
    "mako": "Alembic's",
    "sqlalchemy.orm": "only statements are used",
    "sqlalchemy.ext.asyncio": "PostgreSQL's",
    "sqlalchemy.dialects.postgresql": "another store's",
    "asyncpg": "another store's",
    "rich": "tables are for people: 5 MB",
    "pygments": "rich's",
    "prometheus_client": "nobody has asked for metrics",
    "opentelemetry": "nobody wants traces",
    "numpy": "searching for tools: 12 MB",
    "bm25s": "searching for tools",
    "scipy": "searching for tools",
    "re2": "redacting",
    "phonenumbers": "redacting",
    "stdnum": "redacting",
    "cryptography": "no login is sealed: 6 MB",
    "tenacity": "nothing is tried again",
    "tomlkit": "no configuration is edited",
    "multiprocessing": "one process",
    "unittest": "a library's own tests",
    "IPython": "rich asks for it",
}
"""Module -> whose it is, and why it is not here."""

TELLS = (
    "import sys; from lb.cli import main\n"
    "import atexit; from pathlib import Path\n"
    "atexit.register(lambda: Path({told!r}).write_text('\\n'.join(sys.modules)))\n"
    "main(prog_name='lb')"
)


@pytest.mark.parametrize("lives", [1, 2], ids=["an empty store", "a store with rows"])
async def test_what_a_server_has_imported_after_an_answer(
    lives: int, upstream: Upstream, tmp_path: Path
) -> None:
    told = tmp_path / "modules"
    key = '\n[[keys]]\nname = "k"\nkey = "a-client-key-0001"\n'
    program = ("-c", TELLS.format(told=str(told)))
    server = Killable(tmp_path, pool({"a": upstream.url}) + key, program=program)
    for _ in range(lives):
        await server.start()
        async with client() as session:
            who = {"Authorization": "Bearer a-client-key-0001"}
            url = f"{server.url}/v1/responses"
            answer = await session.post(url, json=asking(), headers=who)
            assert answer.status == 200
            await answer.read()
        await server.stop()
    found = set(told.read_text().split())
    assert "lb.proxy.dispatch" in found
    assert not {name: why for name, why in ABSENT.items() if name in found}
