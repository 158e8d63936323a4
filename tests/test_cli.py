"""What one types, and what one sees."""

import asyncio
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from lb import __version__, config
from lb.cli import main, words
from lb.cli.ask import url_of
from tests.admin_answers import EXPLANATION, status
from tests.servers import free_port

ACCOUNT = """
[[accounts]]
id = "team-a"
kind = "openai"
api_key = "sk-real-enough"
"""


class Server:
    """A server that answers as lb's admin API does, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        self.tokens.append(request.headers.get("Authorization"))
        if request.path == "/admin/explain":
            return web.json_response(EXPLANATION)
        return web.json_response(status())


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/admin/{what}", server.answer)
    async with TestServer(app) as running:
        server.url = f"http://127.0.0.1:{running.port}"
        yield server


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and a home without any configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LB_ADMIN_TOKEN", raising=False)
    return tmp_path


async def typed(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


async def test_help_names_every_command() -> None:
    result = await typed("--help")
    assert result.exit_code == 0
    for command in ("serve", "demo", "check", "status", "explain"):
        assert command in result.output
        assert (await typed(command, "--help")).exit_code == 0
    assert __version__ in (await typed("--version")).output


def test_help_imports_nothing_that_takes_time() -> None:
    code = "import sys, lb.cli; print(*sys.modules)"
    run = subprocess.run(  # noqa: S603  # our own interpreter, our own words
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"aiohttp", "cattrs", "rich.console", "structlog", "lb.config", "asyncio"}
    assert heavy & set(run.stdout.split()) == set()


async def test_check_shows_the_accounts_of_a_good_file(elsewhere: Path) -> None:
    (elsewhere / "accounts.toml").write_text(ACCOUNT)
    result = await typed("check")
    assert result.exit_code == 0
    for told in ("accounts.toml is good", "team-a", "https://api.openai.com/v1", "chmod 600"):
        assert told in result.output
    assert "sk-real" not in result.output


async def test_check_shows_every_mistake_with_a_hint(elsewhere: Path) -> None:
    path = elsewhere / "other.toml"
    path.write_text(f"{ACCOUNT}wieght = 1\nmodels = 'x'\n[server]\nport = 0.5\n")
    result = await typed("check", str(path))
    assert result.exit_code == 2
    for told in ("3 mistakes", "accounts[0].wieght", 'did you mean "weight"', "server.port"):
        assert told in result.output


async def test_check_of_a_file_that_is_not_there() -> None:
    result = await typed("check", "none.toml")
    assert result.exit_code == 2
    assert "No such file" in result.output


async def test_check_without_any_file_says_what_would_run() -> None:
    result = await typed("check")
    assert result.exit_code == 0
    assert "simulated accounts" in result.output
    assert "sim-flaky" in result.output


async def test_serve_with_mistakes_does_not_start(elsewhere: Path) -> None:
    (elsewhere / "accounts.toml").write_text("[server]\nhost = 5\n")
    result = await typed("serve")
    assert result.exit_code == 2
    assert "server.host" in result.output


async def test_serve_refuses_an_open_door() -> None:
    result = await typed("serve", "--host", "0.0.0.0")  # noqa: S104  # that is the point
    assert result.exit_code == 2
    assert "no client key" in result.output


async def test_status_shows_the_pool(server: Server) -> None:
    result = await typed("status", "--url", server.url)
    assert result.exit_code == 0
    for told in (
        *("1 ready, 1 needs login", "9.8.7", "up 1 h 2 min", "balanced", "weight: must be more"),
        *("team-a", "cooling", "cooling", "1 min 3", "3/4", "413 ms", "5h 43%, 2 h left"),
        *("team-b", "503 server_error", "1 min ago", "[red]429?[2J"),
    ):
        assert told in result.output, result.output
    assert "\x1b" not in result.output
    assert server.asked == ["/admin/status"]


async def test_explain_shows_who_and_why(server: Server) -> None:
    result = await typed(
        "explain", "--model", "gpt-5.5", "--session", "a b&c", "--url", f"{server.url}/"
    )
    assert result.exit_code == 0
    for told in ("goes to team-b", "headroom", "chosen", "out", "cooling for 95 s"):
        assert told in result.output
    assert server.asked == ["/admin/explain?model=gpt-5.5&session=a+b%26c"]


async def test_the_address_and_the_token_come_from_the_configuration(
    server: Server, elsewhere: Path
) -> None:
    port = server.url.rpartition(":")[2]
    text = f"[server]\nport = {port}\nadmin_token = 'admin-1'\n{ACCOUNT}"
    (elsewhere / "accounts.toml").write_text(text.replace("api_key =", "api_key_env ="))
    assert (await typed("status")).exit_code == 0
    assert server.tokens == ["Bearer admin-1"]


async def test_the_token_of_the_configuration_goes_nowhere_else(
    server: Server, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "accounts.toml").write_text("[server]\nadmin_token = 'admin-1'\n")
    await typed("status", "--url", server.url)
    monkeypatch.setenv("LB_ADMIN_TOKEN", "admin-2")
    await typed("status", "--url", server.url)
    assert server.tokens == [None, "Bearer admin-2"]


async def test_when_no_server_answers_it_says_how_to_start_one() -> None:
    result = await typed("status", "--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "No lb server answers" in result.output
    assert "lb serve" in result.output


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://x:y", "http://[::1"])
async def test_an_address_that_is_none_is_said_so(url: str) -> None:
    result = await typed("status", "--url", url or "://")
    assert result.exit_code == 1
    assert "must be a URL" in result.output


@pytest.mark.parametrize(
    ("code", "body", "told"),
    [
        (200, "<html>", "is it an lb server?"),
        (200, "[]", "is it an lb server?"),
        (401, "{}", "LB_ADMIN_TOKEN"),
        (403, "", "LB_ADMIN_TOKEN"),
        (400, '{"error": {"message": "no\\u001b such model"}}', "no? such model"),
    ],
)
async def test_a_server_that_answers_otherwise(code: int, body: str, told: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=code, text=body)

    app = web.Application()
    app.router.add_get("/admin/status", answer)
    async with TestServer(app) as running:
        result = await typed("status", "--url", f"http://127.0.0.1:{running.port}")
    assert result.exit_code == 1
    assert told in result.output


async def test_watching_goes_on_until_ctrl_c(server: Server) -> None:
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lb", "status", "--watch", "--url", server.url),
        env={**os.environ, "PYTHONPATH": str(Path(config.__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(15):
        while len(server.asked) < 2:  # noqa: ASYNC110  # another process asks
            await asyncio.sleep(0.02)
        run.send_signal(signal.SIGINT)
        output, errors = await run.communicate()
    assert run.returncode == 0
    assert b"team-a" in output
    assert errors == b""


def test_a_stranger_is_told_everything_at_the_start() -> None:
    told = "\n".join(words.start(config.demo()))
    assert "No accounts.toml was found" in told
    assert "five simulated accounts" in told
    assert "curl http://127.0.0.1:8642/v1/responses" in told
    assert "accounts.example.toml" in told
    assert "This is the demo" in "\n".join(words.start(config.demo(), asked_for=True))


def test_the_lines_for_codex_are_toml() -> None:
    lines = list(words.codex("http://127.0.0.1:8642"))
    assert len(lines) == 5
    assert tomllib.loads("\n".join(lines)) == {
        "model_provider": "lb",
        "model_providers": {
            "lb": {"name": "lb", "base_url": "http://127.0.0.1:8642/v1", "wire_api": "responses"}
        },
    }


def test_the_accounts_are_named_at_the_start(elsewhere: Path) -> None:
    path = elsewhere / "accounts.toml"
    path.write_text(ACCOUNT)
    path.chmod(0o644)
    told = "\n".join(words.start(config.load(path)))
    for part in ("1 account (team-a)", "balanced", "this machine only", "Mind: ", "chmod 600"):
        assert part in told
    path.write_text("")
    assert "holds no account" in "\n".join(words.start(config.load(path)))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),  # noqa: S104  # that is the point
        ("::", "http://[::1]:1"),
        ("lb.example.com", "http://lb.example.com:1"),
    ],
)
def test_a_server_is_reached_where_it_listens(host: str, url: str) -> None:
    assert url_of(host, 1) == url
