"""accounts.d: a login that is dropped in is an account, one that is taken away is none."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lb import app, config
from lb.adapters import logins
from lb.adapters.watch_files import FilesWatch
from lb.config import Config, ConfigError
from lb.web.admin.shown import status_of
from tests.clients import WITHIN_S, until
from tests.logins import CANARY, document, save, serving

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


def written(home: Path, text: str = "") -> Path:
    path = home / "accounts.toml"
    path.write_text(text)
    return path


def ids(told: Config) -> list[str]:
    return [account.id for account in told.accounts]


def slots(server: app.Running) -> Callable[[], list[str]]:
    return lambda: sorted(server.gateway.pool.slots)


def test_every_login_in_the_folder_is_an_account(home: Path, folder: Path) -> None:
    save(folder / "b.json", "user-b")
    save(folder / "a.json", "user-a")
    (folder / "a.json.lock").touch()
    (folder / ".a.json").write_text("an editor's")
    (folder / "notes.txt").write_text("no login")
    told = config.load(written(home, "[server]\nport = 9000\n"))
    assert ids(told) == ["a", "b"]
    assert told.problems == ()
    first = told.accounts[0]
    assert (first.kind, first.auth_file) == ("chatgpt", str(folder / "a.json"))
    assert (first.base_url, first.issuer) == (
        "https://chatgpt.com/backend-api",
        "https://auth.openai.com",
    )
    assert set(told.secret_files) == {folder / "a.json", folder / "b.json"}


@pytest.mark.parametrize("kind", ['kind = "chatgpt"\n', ""])
def test_settings_come_from_the_entry_of_its_id(kind: str, home: Path, folder: Path) -> None:
    save(folder / "plus.json")
    told = config.load(
        written(home, f'[[accounts]]\nid = "plus"\n{kind}priority = 7\nmodels = ["gpt-5*"]\n')
    )
    assert ids(told) == ["plus"]
    assert (told.accounts[0].priority, told.accounts[0].models) == (7, ("gpt-5*",))
    assert told.accounts[0].auth_file == str(folder / "plus.json")


def test_an_entry_without_its_login_is_left_out_and_says_what_to_do(home: Path) -> None:
    told = config.load(written(home, PLUS))
    assert told.accounts == ()
    assert told.problems == ("account plus: needs login: run lb login plus",)


def test_two_seats_of_one_workspace_are_two_accounts(home: Path, folder: Path) -> None:
    save(folder / "a.json", "user-a", "acct-1")
    save(folder / "b.json", "user-b", "acct-1")
    told = config.load(written(home))
    assert ids(told) == ["a", "b"]
    assert told.problems == ()


def test_the_same_seat_twice_is_named(home: Path, folder: Path) -> None:
    for name in ("a", "b"):
        save(folder / f"{name}.json", "user-a", "acct-1")
    told = config.load(written(home))
    assert ids(told) == ["a"]
    assert "accounts.d/b.json: is the same login as account a" in told.problems[0]


def test_the_same_seat_in_an_entry_of_another_name_is_named(home: Path, folder: Path) -> None:
    save(home / "own.json")
    save(folder / "plus.json")
    told = config.load(written(home, PLUS.replace("plus", "own") + 'auth_file = "own.json"\n'))
    assert ids(told) == ["own"]
    assert "accounts.d/plus.json: is the same login as account own" in told.problems[0]


def test_two_entries_for_the_same_seat_are_a_mistake(home: Path) -> None:
    text = ""
    for name in ("a", "b"):
        save(home / f"{name}.json")
        text += f'[[accounts]]\nid = "{name}"\nkind = "chatgpt"\nauth_file = "{name}.json"\n'
    with pytest.raises(ConfigError, match=r"accounts\[1\].auth_file: this login is already used"):
        config.load(written(home, text))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.json", "{", "accounts.d/x.json: holds no JSON"),
        ("x.json", "[]", "accounts.d/x.json: holds no ChatGPT login"),
        ("x.json", '{"OPENAI_API_KEY": "sk-secret"}', "holds no ChatGPT login"),
        ("x.json", '{"tokens": {"access_token": 5}}', "holds no ChatGPT login"),
        ("x.json", " " * 70_000, "too large"),
        ("x y.json", None, "accounts.d/x y.json: its name is none an account can have"),
        ("eyJhbGciOiJub25lIn0abcdefgh.json", "{", "accounts.d/(not shown)"),
        ("key.json", None, "has an account key of another kind"),
        ("own.json", None, "has an account own that signs in otherwise"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_the_others_go_on(
    name: str, text: str | None, told: str, home: Path, folder: Path
) -> None:
    save(folder / "good.json", "user-good")
    save(home / "other.json", "user-other")
    save(folder / name, "user-x")
    if text is not None:
        (folder / name).write_text(text)
    known = (
        '[[accounts]]\nid = "key"\nkind = "openai"\napi_key = "sk-1"\n'
        '[[accounts]]\nid = "own"\nkind = "chatgpt"\nauth_file = "other.json"\n'
    )
    read = config.load(written(home, known))
    assert ids(read) == ["key", "own", "good"]
    assert len(read.problems) == 1
    assert told in read.problems[0]
    assert CANARY not in read.problems[0]


def test_without_accounts_toml_the_folder_is_the_configuration(home: Path) -> None:
    assert config.find_folder(None) is None
    folder = home / ".config/lb/accounts.d"
    save(folder / "plus.json")
    assert config.find(None) is None
    assert config.find_folder(None) == folder
    told = config.load(None, folder=config.find_folder(None))
    assert ids(told) == ["plus"]
    assert not told.demo
    assert told.source == folder


def test_others_must_not_read_a_login_nor_put_one_there(home: Path, folder: Path) -> None:
    save(folder / "plus.json").chmod(0o640)
    folder.chmod(0o777)
    told = "\n".join(config.warnings(config.load(written(home))))
    assert f"chmod 600 {folder / 'plus.json'}" in told
    assert f"chmod 700 {folder}" in told


async def test_what_is_dropped_in_is_served_and_what_is_taken_away_is_not(
    home: Path, folder: Path
) -> None:
    save(folder / "a.json", "user-a")
    async with serving(config.load(written(home))) as server:
        assert slots(server)() == ["a"]
        began = time.monotonic()
        save(folder / "b.json", "user-b")
        await until(lambda: slots(server)() == ["a", "b"])
        assert time.monotonic() - began < 2.0
        (folder / "a.json").unlink()  # nothing else runs here
        await until(lambda: slots(server)() == ["b"])
        written(home, PLUS)
        await until(lambda: server.gateway.problems != [])
        save(folder / "plus.json", "user-plus")
        await until(lambda: slots(server)() == ["b", "plus"])
        assert server.gateway.problems == []


async def test_a_broken_file_shows_in_the_status_until_it_is_mended(home: Path) -> None:
    folder = home / ".config/lb/accounts.d"
    save(folder / "a.json", "user-a")
    async with serving(config.load(None, folder=folder)) as server:
        with capture_logs() as logged:
            (folder / "b.json").write_text("{")
            await until(lambda: server.gateway.problems)
            save(folder / "c.json", "user-c")
            await until(lambda: slots(server)() == ["a", "c"])
        told = status_of(server.gateway)["config"]["problems"]
        assert told == ["accounts.d/b.json: holds no JSON"]
        assert [line["event"] for line in logged].count("account_left_out") == 1
        save(folder / "b.json", "user-b")
        await until(lambda: slots(server)() == ["a", "b", "c"])
        assert status_of(server.gateway)["config"]["problems"] == []
        for path in folder.glob("*.json"):
            path.unlink()
        await until(lambda: slots(server)() == [])
        assert not server.gateway.config.demo


async def test_a_renewed_token_is_no_new_configuration(home: Path, folder: Path) -> None:
    save(folder / "a.json")
    async with serving(config.load(written(home))) as server:
        before = server.gateway.config
        seen = asyncio.Event()

        async def changed() -> None:
            seen.set()

        watch = FilesWatch(lambda: [folder / "a.json"], changed, 0.01)
        task = asyncio.create_task(watch.run())
        with capture_logs() as logged:
            logins.save(folder / "a.json", document())
            await asyncio.wait_for(seen.wait(), WITHIN_S)
            server.reload()
        task.cancel()
        assert server.gateway.config is before
        assert logged == []
