"""``lb codex``: what Codex is told, and how it gets into a file that has other things to say."""

import asyncio
import json
import os
import shutil
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from lb.cli import codex, codex_config, main
from lb.config.edit import UneditableError
from tests.adapters.issuing import mode, names
from tests.logins import save

LOCAL = Path("node_modules/.bin/codex")
BINARY = (
    os.environ.get("LB_CODEX")
    or shutil.which("codex")
    or (str(LOCAL.resolve()) if LOCAL.exists() else "")
)
URL = "http://127.0.0.1:8642"
THEIRS = """\
# my settings
model = "gpt-5.5"   # the good one
model_provider = "azure"  # for work

# how it looks
[tui]
theme = "dark"

[model_providers.azure] # at work
name = "azure"
base_url = "https://example.com/v1"
"""
PROVIDER = {"name": "lb", "base_url": f"{URL}/v1", "wire_api": "responses"}
LOGIN = {"requires_openai_auth": True, "supports_websockets": True}
EXPECTED: dict[str, dict[str, Any]] = {
    "http": {"model_provider": "lb", "model_providers": {"lb": PROVIDER}},
    "ws": {
        "model_provider": "lb",
        "model_providers": {"lb": {**PROVIDER, "supports_websockets": True}},
    },
    "chatgpt": {
        "model_provider": "lb",
        "chatgpt_base_url": f"{URL}/backend-api/",
        "model_providers": {
            "lb": {**PROVIDER, "base_url": f"{URL}/backend-api/codex", **LOGIN},
        },
    },
    "builtin": {
        "openai_base_url": f"{URL}/backend-api/codex",
        "chatgpt_base_url": "http://localhost:8642/backend-api/",
    },
    "builtin-key": {"openai_base_url": f"{URL}/v1"},
}
"""facts of Codex 0.169.0: what each mode needs."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and a home without any configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CODEX_HOME", raising=False)
    (tmp_path / ".codex").mkdir()
    return tmp_path


@pytest.fixture
def file(home: Path) -> Path:
    return home / ".codex/config.toml"


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["codex", *arguments])


def merged(text: str, name: str) -> str:
    return codex_config.merged(text, codex_config.wanted(name, URL), URL)[0]


def test_the_modes_are_the_same_everywhere() -> None:
    assert tuple(codex_config.MODES) == codex.MODES
    assert set(EXPECTED) == set(codex.MODES)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_mode_is_printed_ready_for_use(name: str) -> None:
    result = typed("--mode", name)
    assert result.exit_code == 0
    assert tomllib.loads(result.output) == EXPECTED[name]


def test_all_modes_can_be_seen_at_once() -> None:
    result = typed("--all")
    for name in EXPECTED:
        assert f"# {name}: " in result.output


def test_the_running_server_is_the_one_of_the_configuration(home: Path) -> None:
    (home / "accounts.toml").write_text(
        '[server]\nport = 9001\n[[keys]]\nname = "a"\nkey_sha256 = "00"\n'
    )
    printed = typed().output
    told = tomllib.loads(printed)["model_providers"]["lb"]
    assert told["base_url"] == "http://127.0.0.1:9001/v1"
    assert told["env_key"] == "LB_KEY"
    assert "export LB_KEY" in printed
    assert "use ws" in typed("--mode", "builtin").output


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://lb.example.com", "https://lb.example.com/backend-api/"),
        ("http://localhost:1", "http://127.0.0.1:1/backend-api/"),
        ("http://[::1]:1", "http://localhost:1/backend-api/"),
        ("http://10.0.0.7:1", None),
    ],
)
def test_the_builtin_provider_needs_another_origin_on_plain_http(
    url: str, told: str | None
) -> None:
    assert codex_config.wanted("builtin", url).top.get("chatgpt_base_url") == told


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("text", ["", THEIRS, "[tui]\na = 1\n", "# only a comment\n"])
def test_what_else_is_written_stays(name: str, text: str) -> None:
    new = merged(text, name)
    before, after = tomllib.loads(text), tomllib.loads(new)
    for place, value in EXPECTED[name].items():
        if place != "model_providers":
            assert after[place] == value
    if "model_provider" in EXPECTED[name]:
        assert after["model_providers"]["lb"] == EXPECTED[name]["model_providers"]["lb"]
    elif text == THEIRS:
        assert after["model_provider"] == "azure"
    assert before.get("tui") == after.get("tui")
    ours = codex_config.TOP
    assert [line for line in text.splitlines() if line and not line.startswith(ours)] == [
        line
        for line in new.splitlines()
        if line and line in text.splitlines() and not line.startswith(ours)
    ]
    assert merged(new, name) == new


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("other", EXPECTED)
def test_from_any_mode_to_any_other_leaves_nothing_behind(name: str, other: str) -> None:
    assert tomllib.loads(merged(merged("", other), name)).get("model_providers", {}).keys() <= {
        "lb"
    }
    told = tomllib.loads(merged(merged("", other), name))
    if "model_providers" not in EXPECTED[name]:
        told.pop("model_providers", None)
    assert told == EXPECTED[name]


def test_what_leads_elsewhere_is_left_alone() -> None:
    text = 'chatgpt_base_url = "https://proxy.example.com/backend-api/"\n'
    assert merged(text, "builtin-key").startswith(text)


def test_comments_keep_their_places() -> None:
    assert merged(THEIRS, "ws") == (
        THEIRS.replace('"azure"  # for', '"lb"  # for')
        + '\n[model_providers.lb]\nname = "lb"\nbase_url = "http://127.0.0.1:8642/v1"\n'
        'wire_api = "responses"\nsupports_websockets = true\n'
    )
    assert merged("# mine\n\n# looks\n[tui]\na = 1\n", "builtin-key") == (
        f'openai_base_url = "{URL}/v1"\n\n# mine\n\n# looks\n[tui]\na = 1\n'
    )


def test_what_a_person_added_to_the_provider_stays() -> None:
    text = merged("", "http") + 'request_max_retries = 2 # few\nenv_key = "OLD"\n'
    told = tomllib.loads(new := merged(text, "ws"))["model_providers"]["lb"]
    assert told == {**EXPECTED["ws"]["model_providers"]["lb"], "request_max_retries": 2}
    assert "request_max_retries = 2 # few" in new


@pytest.mark.parametrize("text", ["model_providers = 5\n", "model_providers = { a = {} }\n"])
def test_a_file_that_cannot_be_merged_is_refused(text: str) -> None:
    with pytest.raises(UneditableError):
        merged(text, "ws")


def test_writing_keeps_a_backup_and_says_what_changed(file: Path) -> None:
    file.write_text(THEIRS)
    file.chmod(0o640)
    result = typed("--write", "--mode", "http")
    assert result.exit_code == 0
    for told in ("model_provider", "azure", "model_providers.lb.base_url", f"{URL}/v1", "bak-"):
        assert told in result.output
    backup = next(name for name in names(file.parent) if ".bak-" in name)
    assert (file.parent / backup).read_text() == THEIRS
    assert mode(file) == 0o640
    again = typed("--write", "--mode", "http")
    assert "nothing was changed" in again.output
    assert len(names(file.parent)) == 2


def test_the_first_file_is_made_where_codex_looks(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(home / "elsewhere"))
    assert typed("--write").exit_code == 0
    assert names(home / "elsewhere") == ["config.toml"]
    assert tomllib.loads((home / "elsewhere/config.toml").read_text()) == EXPECTED["ws"]


def test_a_broken_file_is_left_as_it_is(file: Path) -> None:
    file.write_text("[tui\n")
    result = typed("--write")
    assert result.exit_code == 1
    assert "is not valid TOML" in result.output
    assert names(file.parent) == ["config.toml"]


def test_a_link_stays_a_link(home: Path, file: Path) -> None:
    (home / "dotfiles.toml").write_text(THEIRS)
    file.symlink_to(home / "dotfiles.toml")
    assert typed("--write").exit_code == 0
    assert file.is_symlink()
    assert 'model_provider = "lb"' in (home / "dotfiles.toml").read_text()


class Recorder:
    """Notes who asks for what."""

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.add((request.method, request.path))
        return web.json_response({}, status=404)


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    one = Recorder()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", one.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


@pytest.mark.codex
@pytest.mark.skipif(not BINARY, reason="no Codex CLI: set LB_CODEX or npm i @openai/codex")
@pytest.mark.parametrize("name", EXPECTED)
async def test_codex_takes_the_file_and_comes_here(
    name: str, recorder: Recorder, file: Path
) -> None:
    _write(file, name, recorder.url)
    keyed = name in {"http", "ws", "builtin-key"}
    if not keyed:
        save(file.parent / "auth.json", lasts_s=86400)
    report = await _doctor(file.parent, {"CODEX_API_KEY": "any"} if keyed else {})
    details = report["checks"]["config.load"]["details"]
    assert details["config.toml parse"] == "ok"
    assert details["model provider"] == ("openai" if "builtin" in name else "lb")
    base = "/backend-api/codex" if name in {"chatgpt", "builtin"} else "/v1"
    assert ("HEAD", f"{base}/responses") in recorder.asked
    handshake = ("GET", f"{base}/responses")
    assert (handshake in recorder.asked) == (name != "http")


def _write(file: Path, name: str, url: str) -> None:
    file.write_text(THEIRS.replace('model_provider = "azure"', 'approval_policy = "never"'))
    assert typed("--write", "--mode", name, "--url", url).exit_code == 0


async def _doctor(home: Path, variables: dict[str, str]) -> dict[str, Any]:
    """What Codex finds out about its own configuration."""
    process = await asyncio.create_subprocess_exec(
        *(BINARY, "doctor", "--network-only", "--json"),
        env={"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    report: dict[str, Any] = json.loads(output)
    return report
