"""The real Codex CLI in each of its modes: how it is configured for a proxy, and run.

The binary is ``$LB_CODEX``, else ``codex`` on the PATH, else the one npm put into ``node_modules``.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from lb.core.response_events import ToolCall
from lb.core.simulated_answers import last_turn, offered_tools
from tests import logins
from tests.hearing import warmed
from tests.plays import Asked, Play, Step, saying

LOCAL = Path("node_modules/.bin/codex")
BINARY = os.environ.get("LB_CODEX") or shutil.which("codex") or (LOCAL.exists() and str(LOCAL))
LONGEST_TURN_S = 90.0
COMMAND = "echo tool-ran-$((40+2)) | tee marker.txt"
LITE = "gpt-6.1-sol"
ALIKE = """
check_for_update_on_startup = false
[analytics]
enabled = false
"""
PROVIDER = """
[model_providers.proxy]
name = "{name}"
base_url = "{base}"
wire_api = "responses"
"""


@frozen
class Mode:
    """One way to speak to a proxy. ``login``: chatgpt, key or none; ``socket``: over a WebSocket.

    ``provider`` is the name of a provider of one's own; empty: the built-in one.
    """

    provider: str
    login: str
    socket: bool

    def config(self, url: str) -> str:
        """config.toml for the proxy at ``url``."""
        elsewhere = f"http://localhost:{urlsplit(url).port}/backend-api/"  # another origin
        base = f"{url}/backend-api/codex" if self.login == "chatgpt" else f"{url}/v1"
        lines = ['model_provider = "proxy"'] if self.provider else [f'openai_base_url = "{base}"']
        if self.login == "chatgpt":
            lines.append(f'chatgpt_base_url = "{elsewhere}"')
        lines.append(ALIKE)
        if self.provider:
            lines.append(PROVIDER.format(name=self.provider, base=base))
            told = {"chatgpt": "requires_openai_auth = true", "none": 'env_key = "PROXY_KEY"'}
            lines.append(told[self.login])
            lines.append(f"supports_websockets = {str(self.socket).lower()}")
        return "\n".join(lines)


MODES = {
    "custom provider, HTTP": Mode("proxy", "none", socket=False),
    "custom provider, WebSocket": Mode("proxy", "none", socket=True),
    "ChatGPT login, HTTP": Mode("OpenAI", "chatgpt", socket=False),
    "ChatGPT login, WebSocket": Mode("proxy", "chatgpt", socket=True),
    "built-in provider, ChatGPT login": Mode("", "chatgpt", socket=True),
    "built-in provider, API key": Mode("", "key", socket=True),
}


def at_home(mode: Mode, url: str, home: Path) -> dict[str, str]:
    """Fill CODEX_HOME for the proxy at ``url``; the environment to run Codex in."""
    home.mkdir(parents=True)
    (home / "config.toml").write_text(mode.config(url))
    if mode.login == "chatgpt":
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        logins.save(home / "auth.json", "user-9", "acct-9", refreshed=now, lasts_s=30 * 86400.0)
    elif mode.login == "key":
        (home / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "sk-any"}))
    kept = {name: os.environ[name] for name in ("PATH", "TERM") if name in os.environ}
    nowhere = f"{url}/no-refresh"
    return {
        **kept,
        "HOME": str(home),
        "CODEX_HOME": str(home),
        "PROXY_KEY": "any",
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE": nowhere,
    }


@frozen
class Turn:
    """What a run of ``codex exec`` left behind."""

    code: int | None
    output: str
    marker: str

    def check_unseen(self) -> None:
        """The turn is complete, its tool ran, and nothing strange was said to the user."""
        assert self.code == 0, self.output
        assert self.marker == "tool-ran-42\n", self.output
        assert "The shell said:" in self.output
        for strange in ("Reconnecting", "Falling back", "flagged", "ERROR", "disconnected"):
            assert strange not in self.output, self.output


async def codex(mode: Mode, url: str, folder: Path, model: str = LITE) -> Turn:
    """Run ``codex exec`` in ``folder`` against the proxy at ``url``."""
    environment = at_home(mode, url, folder / "codex-home")
    work = folder / "work"
    work.mkdir()
    process = await asyncio.create_subprocess_exec(
        str(BINARY),
        *("exec", "--skip-git-repo-check", "--sandbox", "danger-full-access"),
        *("--model", model, "say hello using the shell"),
        cwd=work,
        env=environment,
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


def agent(asked: Asked) -> Iterable[Step]:
    """Plays the model: asks for the shell once, then says what it answered."""
    asked.account = "agent"  # its token would make ids longer than Codex takes
    return _agents_answer(asked.body)(asked)


def _agents_answer(body: dict[str, Any]) -> Play:
    if body.get("generate") is False:
        return warmed
    turn = last_turn(body)
    if turn.tool_output is not None:
        return saying(f"The shell said: {turn.tool_output}")
    if any(tool.type == "custom" and tool.name == "exec" for tool in offered_tools(body)):
        script = (
            f'const r = await tools.exec_command({{cmd: "{COMMAND}"}}); text(JSON.stringify(r));'
        )
        return saying(ToolCall("exec", script, custom=True))
    return saying(ToolCall("exec_command", f'{{"cmd": "{COMMAND}"}}'))
