"""The real Codex CLI through the proxy: a turn with a tool call, over HTTP.

Marked ``codex``. The binary is ``$LB_CODEX``, else ``codex`` on the PATH, else the one npm put
into ``node_modules`` (``npm i @openai/codex@0.169.0``).
"""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from lb.core.response_events import ToolCall
from lb.core.simulated_answers import last_turn, offered_tools
from tests import faulty_plays
from tests.clients import pool
from tests.conftest import Proxy, Served
from tests.plays import Asked, Play, saying
from tests.scripted import Upstream

LOCAL = Path("node_modules/.bin/codex")
BINARY = os.environ.get("LB_CODEX") or shutil.which("codex") or (LOCAL.exists() and str(LOCAL))
LONGEST_TURN_S = 90.0
COMMAND = "echo tool-ran-$((40+2)) | tee marker.txt"
MODELS = {"classic": "gpt-5.5", "lite": "gpt-6.1-sol"}
CONFIG = """
model_provider = "proxy"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.proxy]
name = "proxy"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "PROXY_KEY"
"""

pytestmark = [
    pytest.mark.codex,
    pytest.mark.skipif(not BINARY, reason="no Codex CLI: set LB_CODEX or npm i @openai/codex"),
]


@frozen
class Turn:
    """What a run of ``codex exec`` left behind."""

    code: int | None
    output: str
    marker: str


def agent(asked: Asked) -> Play:
    """Plays the model: asks for the shell once, then says what it answered."""
    turn = last_turn(asked.body)
    if turn.tool_output is not None:
        return saying(f"The shell said: {turn.tool_output}")
    if any(tool.type == "custom" and tool.name == "exec" for tool in offered_tools(asked.body)):
        script = (
            f'const r = await tools.exec_command({{cmd: "{COMMAND}"}}); text(JSON.stringify(r));'
        )
        return saying(ToolCall("exec", script, custom=True))
    return saying(ToolCall("exec_command", f'{{"cmd": "{COMMAND}"}}'))


async def codex(server: Served, model: str, folder: Path) -> Turn:
    """Run ``codex exec`` in ``folder`` against the proxy."""
    home, work = folder / "codex-home", folder / "work"
    home.mkdir()
    work.mkdir()
    (home / "config.toml").write_text(CONFIG.format(url=server.url))
    kept = {name: os.environ[name] for name in ("PATH", "TERM") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        str(BINARY),
        *("exec", "--skip-git-repo-check", "--sandbox", "danger-full-access"),
        *("--model", model, "say hello using the shell"),
        cwd=work,
        env={**kept, "HOME": str(home), "CODEX_HOME": str(home), "PROXY_KEY": "any"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LONGEST_TURN_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    marker = work / "marker.txt"
    return Turn(process.returncode, output.decode(), marker.read_text() if marker.exists() else "")


@pytest.fixture
async def pair(proxy: Proxy, upstream: Upstream) -> Served:
    """Two accounts, asked in order, which both play the agent."""
    upstream.choose = agent
    return await proxy(pool(dict.fromkeys(("first", "second"), upstream.url), in_order=True))


@pytest.mark.parametrize("kind", MODELS)
async def test_codex_completes_a_turn_with_a_tool(
    kind: str, pair: Served, upstream: Upstream, tmp_path: Path
) -> None:
    turn = await codex(pair, MODELS[kind], tmp_path)
    _check(turn)
    assert upstream.asked() == ["first", "first"]
    assert "Reconnecting" not in turn.output
    _check_untouched(upstream.seen[0].body)


@pytest.mark.parametrize("kind", MODELS)
async def test_an_account_that_fails_in_mid_session_goes_unseen(
    kind: str, pair: Served, upstream: Upstream, tmp_path: Path
) -> None:
    failing = faulty_plays.failed_first("server_error")
    upstream.queue("first", lambda asked: agent(asked)(asked), failing)
    turn = await codex(pair, MODELS[kind], tmp_path)
    _check(turn)
    assert upstream.asked() == ["first", "first", "second"]
    assert "Reconnecting" not in turn.output


async def test_a_stream_cut_in_the_midst_is_asked_anew_by_codex(
    pair: Served, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.queue("first", lambda asked: agent(asked)(asked), faulty_plays.cut_after(6))
    turn = await codex(pair, MODELS["classic"], tmp_path)
    _check(turn)
    assert len(upstream.seen) == 3


async def test_a_first_start_on_simulated_accounts_serves_codex(
    proxy: Proxy, tmp_path: Path
) -> None:
    server = await proxy('[[accounts]]\nid = "sim"\nkind = "simulated"\n')
    turn = await codex(server, MODELS["lite"], tmp_path)
    assert turn.code == 0, turn.output
    assert "The tool ran for simulated account sim" in turn.output
    assert "hello from a simulated account" in turn.output.rpartition("The tool ran")[2]


def _check(turn: Turn) -> None:
    assert turn.code == 0, turn.output
    assert turn.marker == "tool-ran-42\n", turn.output
    assert "The shell said:" in turn.output
    assert "tool-ran-42" in turn.output


def _check_untouched(body: dict[str, Any]) -> None:
    """What Codex needs to find again upstream is there as it sent it."""
    assert body["store"] is False
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body["prompt_cache_key"]
    assert body["client_metadata"]["session_id"] == body["prompt_cache_key"]
    assert all("id" in item for item in body["input"])
