"""Sealed logins as one types: in by import, seen in list and check, out by export."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lb import config
from lb.adapters.vault import VARIABLE
from lb.cli import main
from lb.core.health import State
from lb.core.sealed import MARK
from tests.clients import until
from tests.logins import CANARY, save, serving

TEXT = '[server]\ndata_dir = "data"\nseal_logins = true\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that seals; a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "accounts.toml").write_text(TEXT)
    return tmp_path


async def typed(*arguments: str) -> Result:
    result = await asyncio.to_thread(CliRunner().invoke, main, list(arguments))
    if "--stdout" not in arguments:
        assert CANARY not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


async def taken_in(home: Path) -> Path:
    """Two logins, imported."""
    for name in ("ann", "bob"):
        save(home / f"inbox/{name}.json", name, email=f"{name}@example.com", plan="")
    assert (await typed("accounts", "import", str(home / "inbox"))).exit_code == 0
    return home / "accounts.d"


async def test_logins_come_in_sealed_and_go_out_plain(home: Path) -> None:
    folder = await taken_in(home)
    for file in folder.iterdir():
        assert CANARY not in file.read_text()
    told = config.load(home / "accounts.toml")
    assert ([each.id for each in told.accounts], told.problems) == (["ann", "bob"], ())
    assert "a***@example.com" in (await typed("accounts", "list")).output
    checked = await typed("check")
    assert checked.exit_code == 0
    assert "Logins are sealed: 2 of 2." in checked.output
    out = json.loads((await typed("accounts", "export", "ann", "--stdout")).output)
    assert out == json.loads((home / "inbox/ann.json").read_text())
    again = await typed("accounts", "import", str(home / "inbox"))
    assert again.output.count("the same login is here") == 2
    (home / "other").mkdir()
    (home / "other/eve.json").write_text((folder / "ann.json").read_text())
    refused = await typed("accounts", "import", str(home / "other"))
    assert (refused.exit_code, "is sealed" in refused.output) == (1, True)


async def test_plain_logins_are_counted_until_they_are_sealed(home: Path) -> None:
    save(home / "accounts.d/plus.json")
    assert "sealed: 0 of 1; the others are at lb's next write" in (await typed("check")).output
    assert not (home / "data/secret.key").exists()
    (home / "accounts.toml").write_text("")
    assert "Logins are not sealed: set LB_SECRET_KEY" in (await typed("check")).output


async def test_without_the_key_there_are_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await taken_in(home)
    (home / "data/secret.key").unlink()
    checked = await typed("check")
    assert checked.exit_code == 2
    assert "account ann: its login cannot be used: sealed with key" in checked.output
    exported = await typed("accounts", "export", "ann", "out.json")
    assert (exported.exit_code, (home / "out.json").exists()) == (1, False)
    assert "cannot be opened: sealed with key" in exported.output
    monkeypatch.setenv(VARIABLE, "short")
    save(home / "more/eve.json", "eve")
    for arguments in (("login", "new"), ("accounts", "import", "more"), ("check",)):
        told = await typed(*arguments)
        assert "32 characters" in told.output
        assert told.exit_code
    assert not (home / "accounts.d/eve.json").exists()


async def test_an_account_is_out_while_its_key_is_away_and_the_others_go_on(home: Path) -> None:
    folder = await taken_in(home)
    key = (home / "data/secret.key").read_text()
    (home / "data/secret.key").unlink()
    save(folder / "bob.json", "bob")
    async with serving(config.load(home / "accounts.toml")) as server:
        slots = server.gateway.pool.slots
        await until(lambda: slots["ann"].health.state is State.REFUSED)
        assert "needs its key" in slots["ann"].health.reason
        assert CANARY not in slots["ann"].health.reason
        assert slots["bob"].health.state is State.READY
    (home / "data/secret.key").write_text(key)
    (home / "data/secret.key").chmod(0o600)
    async with serving(config.load(home / "accounts.toml")) as server:
        ann = server.gateway.pool.slots["ann"]
        await until(lambda: ann.health.state is State.READY)
    assert MARK in (folder / "ann.json").read_text()
