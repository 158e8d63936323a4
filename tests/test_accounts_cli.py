"""``lb accounts``: many come in at once, and each can be seen, taken out, given back, removed."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lb import app, config
from lb.cli import main
from lb.config import edit
from lb.config.edit import UneditableError
from tests.adapters.issuing import mode, names
from tests.logins import CANARY, save

EXAMPLE = Path(__file__).parent.parent / "accounts.example.toml"
KEYED = """\
# the team's
[[accounts]]
id = "team-a"      # ours
kind = "openai"
api_key = "sk-real-enough"

# the clients
[[keys]]
name = "alice"
key = "alice-1234567890"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and a home without any configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LB_ADMIN_TOKEN", raising=False)
    return tmp_path


@pytest.fixture
def folder(home: Path) -> Path:
    """Where logins go when there is no accounts.toml."""
    return home / ".config/lb/accounts.d"


async def typed(*arguments: str, answer: str | None = None) -> Result:
    result = await asyncio.to_thread(CliRunner().invoke, main, ["accounts", *arguments], answer)
    if "--stdout" not in arguments:
        assert CANARY not in result.output
        assert "sk-real" not in result.output
    return result


@pytest.mark.parametrize(
    "command", ["", "list", "import", "pause", "resume", "remove", "export", "add"]
)
async def test_every_command_has_help(command: str) -> None:
    result = await typed(*filter(None, (command, "--help")))
    assert result.exit_code == 0
    assert "Usage: " in result.output


async def test_many_logins_come_in_at_once(home: Path, folder: Path) -> None:
    inbox = home / "inbox"
    save(inbox / "auth.json", "u1", email="Alice.B@example.com")
    save(inbox / "auth (1).json", "u2", email="alice.b@other.example", plan="plus")
    save(inbox / "bob/auth.json", "u3", email="", plan="")
    save(inbox / "carol.json", "u4", email="", plan="team")
    (inbox / "package.json").write_text("{}")
    save(home / "single.json", "u5", email="eve@example.com", plan="")
    result = await typed("import", str(inbox), "single.json")
    assert result.exit_code == 1
    assert "holds no ChatGPT login" in result.output
    assert names(folder) == [
        *("alice.b-plus-2.json", "alice.b-plus.json", "bob.json", "carol.json", "eve.json"),
    ]
    assert {mode(folder / name) for name in names(folder)} == {0o600}
    assert mode(folder) == 0o700
    assert len(config.load(None, folder=folder).accounts) == 5


async def test_a_dry_run_does_nothing(home: Path) -> None:
    save(home / "auth.json")
    result = await typed("import", "--dry-run", "auth.json")
    assert result.exit_code == 0
    for told in ("added", "alice-plus", "dry run"):
        assert told in result.output
    assert names(home) == ["auth.json"]


async def test_an_import_done_twice_is_done_once(home: Path, folder: Path) -> None:
    save(home / "a.json")
    await typed("import", "a.json")
    before = (folder / "alice-plus.json").read_bytes()
    result = await typed("import", "a.json")
    assert result.exit_code == 0
    assert "skipped" in result.output
    assert names(folder) == ["alice-plus.json"]
    assert (folder / "alice-plus.json").read_bytes() == before


async def test_the_newest_login_of_a_seat_is_the_one_that_stays(home: Path, folder: Path) -> None:
    save(folder / "mine.json", refreshed="2026-11-02T00:00:00Z")
    for day in (1, 4, 3):
        save(home / f"day-{day}.json", refreshed=f"2026-11-0{day}T00:00:00.5Z")
    result = await typed("import", "day-1.json", "day-4.json", "day-3.json")
    assert result.exit_code == 0
    assert result.output.count("renewed") == 1
    assert result.output.count("skipped") == 2
    assert names(folder) == ["mine.json", "mine.json.lock"]
    assert (folder / "mine.json").read_text().count("2026-11-04") == 1


async def test_two_seats_of_one_workspace_both_come_in(home: Path, folder: Path) -> None:
    save(home / "a.json", "u1", "acct-1", email="a@example.com")
    save(home / "b.json", "u2", "acct-1", email="b@example.com")
    await typed("import", "a.json", "b.json")
    assert names(folder) == ["a-plus.json", "b-plus.json"]


async def test_the_list_without_any_account_says_how_to_begin() -> None:
    result = await typed("list")
    assert result.exit_code == 0
    for told in ("lb login NAME", "lb accounts import", "lb accounts add"):
        assert told in result.output


async def test_the_list_shows_whose_they_are(home: Path) -> None:
    (home / "accounts.toml").write_text("[server]\nport = 1\n" + KEYED)
    save(home / "accounts.d/plus.json", email="dora@example.com", plan="pro", lasts_s=7300)
    (home / "accounts.d/broken.json").write_text("{")
    result = await typed("list")
    assert result.exit_code == 0
    for told in ("team-a", "openai", "plus", "chatgpt", "pro", "d***@example.com", "2 h 1 min"):
        assert told in result.output
    assert "dora" not in result.output
    assert "Left out: accounts.d/broken.json: holds no JSON." in result.output
    assert "state" not in result.output


async def test_a_running_server_tells_the_state_and_is_told_to_pause(home: Path) -> None:
    path = home / "accounts.toml"
    path.write_text(KEYED)
    async with app.running(config.load(path), port=0) as server:
        url = ("--url", server.url)
        for action, state in (("pause", "paused"), ("resume", "ready")):
            result = await typed(action, "team-a", *url)
            assert result.output == f"Account team-a is {state}.\n"
            assert state in (await typed("list", *url)).output
        result = await typed("pause", "no/such", *url)
        assert result.exit_code == 1
        assert "There is no account 'no/such'" in result.output


async def test_remove_asks_and_takes_the_file_and_the_entry(home: Path) -> None:
    path = home / "accounts.toml"
    path.write_text(KEYED + '\n[[accounts]]\nid = "plus"\nkind = "chatgpt"\npriority = 2\n')
    path.chmod(0o640)
    save(home / "accounts.d/plus.json")
    result = await typed("remove", "plus", answer="n\n")
    assert result.exit_code == 1
    assert len(config.load(path).accounts) == 2
    result = await typed("remove", "plus", answer="y\n")
    assert result.exit_code == 0
    assert names(home / "accounts.d") == ["plus.json.lock"]
    assert path.read_text() == KEYED
    assert mode(path) == 0o640
    assert (await typed("remove", "team-a", "--yes")).exit_code == 0
    assert path.read_text() == "# the team's\n\n# the clients\n" + KEYED.partition("clients\n")[2]
    result = await typed("remove", "plus", "--yes")
    assert result.exit_code == 1
    assert "There is no account plus" in result.output


async def test_an_export_is_a_secret(home: Path) -> None:
    (home / "accounts.toml").write_text(KEYED)
    save(home / "accounts.d/plus.json")
    kept = json.loads((home / "accounts.d/plus.json").read_text())
    result = await typed("export", "plus", "out.json")
    assert result.exit_code == 0
    assert json.loads((home / "out.json").read_text()) == kept
    assert mode(home / "out.json") == 0o600
    assert json.loads((await typed("export", "plus", "--stdout")).output) == kept
    for arguments, told in (
        (("plus",), "--stdout"),
        (("plus", "out.json"), "--force"),
        (("team-a", "x.json"), "no login to export"),
        (("plus", "no/where.json"), "cannot be written"),
    ):
        result = await typed("export", *arguments)
        assert result.exit_code == 1
        assert told in result.output


async def test_an_account_with_a_key_is_added_and_comments_stay(home: Path) -> None:
    path = home / "accounts.toml"
    path.write_text(KEYED)
    given = ("--api-key-env", "SOME_KEY", "--models", "gpt-5*", "--models", "o3")
    result = await typed("add", "openai", "team-b", *given)
    assert result.exit_code == 0, result.output
    block = (
        '\n[[accounts]]\nid = "team-b"\nkind = "openai"\napi_key_env = "SOME_KEY"\n'
        'models = ["gpt-5*", "o3"]\n'
    )
    assert path.read_text() == KEYED.replace("\n# the clients", f"{block}\n# the clients")
    for arguments, told in (
        (("openai", "team-b", "--api-key-env", "X"), "already used"),
        (("openai", "team-c"), "give api_key_env"),
        (("compatible", "team-c"), "base_url: is missing"),
        (("openai", "a b", "--api-key-env", "X"), "no usable name"),
    ):
        before = path.read_text()
        result = await typed("add", *arguments)
        assert result.exit_code == 1
        assert told in result.output
        assert path.read_text() == before


async def test_the_first_account_makes_the_file(home: Path) -> None:
    result = await typed("add", "compatible", "local", "--base-url", "http://127.0.0.1:8000/v1")
    assert result.exit_code == 0
    path = home / ".config/lb/accounts.toml"
    assert mode(path) == 0o600
    assert config.load(config.find(None)).accounts[0].id == "local"


@pytest.mark.parametrize("name", ["team-a", "plus-1", "azure-eu", "local", "sim-1"])
def test_the_example_without_one_keeps_what_is_said_of_the_others(name: str) -> None:
    text = EXAMPLE.read_text()
    left = edit.without_account(text, name)
    assert f'id = "{name}"' not in left
    gone = [line for line in text.splitlines() if line not in left.splitlines()]
    assert not [line for line in gone if line.startswith(("# A ", "# An", "# Cl", "[", "# lb"))]
    added = edit.with_account(text, {"id": "new", "kind": "openai"})
    assert edit.without_account(added, "new") == text


@pytest.mark.parametrize(
    "text",
    [
        'accounts = [{ id = "a" }, { id = "b" }]\n',
        'x = """\n[[accounts]]\n"""\n[[accounts]]\nid = "a"\n',
    ],
)
def test_a_file_laid_out_in_another_way_is_not_spoilt(text: str) -> None:
    with pytest.raises(UneditableError, match="by hand"):
        edit.without_account(text, "a")


async def test_an_unreadable_file_is_said_so(home: Path) -> None:
    (home / "accounts.toml").write_text("[[accounts\n")
    result = await typed("add", "openai", "a", "--api-key-env", "X")
    assert result.exit_code == 1
    assert "is not valid TOML" in result.output
    assert (await typed("list")).exit_code == 2
