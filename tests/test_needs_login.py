"""An account that needs login says so, once, and what to do; with a login it is back at once."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lb import app, config
from lb.adapters import logins
from lb.config import Config
from lb.core.errors import Problem
from lb.core.health import State
from lb.web.admin.shown import status_of
from tests import clients
from tests.clients import until
from tests.logins import SigningIn, document, save, serving, signing_in

PLUS = '[[accounts]]\nid = "plus"\nkind = "chatgpt"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and a home without any configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "accounts.d"


def written(home: Path, issuer: SigningIn) -> Config:
    """The account asks the issuer for everything: for tokens, and for answers (refused)."""
    path = home / "accounts.toml"
    path.write_text(f'{PLUS}issuer = "{issuer.url}"\nbase_url = "{issuer.url}/refuses"\n')
    return config.load(path)


async def test_an_account_that_needs_login_says_so_once_and_comes_back_with_one(
    home: Path, folder: Path
) -> None:
    async with signing_in() as issuer:
        save(folder / "plus.json", lasts_s=-1)
        with capture_logs() as logged:
            async with serving(written(home, issuer)) as server:
                slot = server.gateway.pool.slots["plus"]
                await until(lambda: slot.health.state is State.REFUSED)
                told = status_of(server.gateway)["accounts"][0]["reason"]
                assert "needs login: run lb login plus" in told
                for chore in range(3):
                    del chore
                    await _asked_again(server)
                logins.save(folder / "plus.json", document())
                await until(lambda: slot.health.state is State.READY)
            async with serving(config.load(home / "accounts.toml")) as server:
                assert server.gateway.pool.slots["plus"].health.state is State.READY
        lines = [line for line in logged if line["event"] == "account_refused"]
        assert len(lines) == 1
        assert "run lb login plus" in lines[0]["reason"]
        assert [line["event"] for line in logged].count("account_back") == 1


async def _asked_again(server: app.Running) -> None:
    """The account is found refused once more."""
    gateway = server.gateway
    account = gateway.pool.slots["plus"].account
    with pytest.raises(Problem) as caught:
        await gateway.dispatch.tries.credentials.secret(account)
    event = caught.value.event("plus", gateway.clock.now(), 0.0)
    assert event is not None
    gateway.dispatch.learn(event)


async def test_a_login_made_while_lb_was_down_counts(home: Path, folder: Path) -> None:
    async with signing_in() as issuer:
        save(folder / "plus.json", lasts_s=-1)
        told = written(home, issuer)
        async with serving(told) as server:
            slot = server.gateway.pool.slots["plus"]
            await until(lambda: slot.health.state is State.REFUSED)
        async with app.running(config.load(told.path), port=0) as server:
            assert server.gateway.pool.slots["plus"].health.state is State.REFUSED
        save(folder / "plus.json")
        async with app.running(config.load(told.path), port=0) as server:
            assert server.gateway.pool.slots["plus"].health.state is State.READY


async def test_an_upstream_that_refuses_renewed_tokens_wants_a_person(
    home: Path, folder: Path
) -> None:
    async with signing_in() as issuer:
        issuer.renews = True
        save(folder / "plus.json")
        async with serving(written(home, issuer)) as server:
            answer = await clients.ask(server.url, clients.asking())
            assert answer.status == 503
            slot = server.gateway.pool.slots["plus"]
            assert slot.health.state is State.REFUSED
            assert "needs login: run lb login plus" in slot.health.reason
