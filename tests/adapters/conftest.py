from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from lb.adapters.credentials import Credentials
from lb.core.account import Account
from tests.adapters.issuing import OLD, Clock, Issuer, save


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    scripted = Issuer()
    app = web.Application()
    app.router.add_post("/oauth/token", scripted.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield scripted
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        auto_decompress=False, skip_auto_headers=("Content-Type", "User-Agent")
    ) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "auth.json"
    save(path, OLD, "rt_0")
    return path


@pytest.fixture
def account(file: Path, issuer: Issuer) -> Account:
    return Account("a", "chatgpt", auth_file=str(file), issuer=issuer.url)


@pytest.fixture
def credentials(session: aiohttp.ClientSession, clock: Clock) -> Credentials:
    return Credentials(session, clock)
