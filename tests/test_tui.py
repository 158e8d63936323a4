"""The real Codex TUI in tmux, with a ChatGPT login, through the proxy. Marked ``codex``."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import pytest
from attrs import define

from tests import logins
from tests.clients import get
from tests.codex_modes import BINARY, MODES, agent, at_home
from tests.conftest import Proxy
from tests.hearing import Listener

TMUX = shutil.which("tmux")
START_S = 60.0
AGAIN_S = 3.0
PROMPT = "\u203a"  # the mark before the line one types in
NOTHING_STAYS = """
[features]
daemon_auto_start = false
"""
pytestmark = [
    pytest.mark.codex,
    pytest.mark.skipif(not BINARY, reason="no Codex CLI: set LB_CODEX or npm i @openai/codex"),
    pytest.mark.skipif(not TMUX, reason="no tmux: apt-get install tmux"),
]


@define
class Screen:
    """A terminal in tmux, with a server of its own: ``name`` is its socket."""

    name: str

    async def tmux(self, *words: str) -> str:
        """What tmux answers."""
        process = await asyncio.create_subprocess_exec(
            *(str(TMUX), "-L", self.name, "-f", "/dev/null", *words),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return output.decode("utf-8", "replace")

    async def shows(self, holds: Callable[[str], object], press: str = "") -> str:
        """The screen, once it ``holds``; ``press`` is pressed every ``AGAIN_S`` seconds until."""
        text, until = "", time() + START_S
        pressed_at = 0.0
        while not holds(text):
            if time() > until:
                pytest.fail(f"after {START_S:.0f} s the screen shows:\n{text}")
            if press and time() - pressed_at > AGAIN_S:
                pressed_at = time()
                await self.tmux("send-keys", press)
            await asyncio.sleep(0.1)
            text = await self.tmux("capture-pane", "-p", "-J")
        return text


@asynccontextmanager
async def _tui(url: str, folder: Path) -> AsyncIterator[Screen]:
    home, work = folder / "codex-home", folder / "work"
    environment = at_home(MODES["built-in provider, ChatGPT login"], url, home)
    work.mkdir()
    with (home / "config.toml").open("a") as config:
        config.write(NOTHING_STAYS + f'[projects."{work}"]\ntrust_level = "trusted"\n')
    told = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
    screen = Screen(f"lb-{os.getpid()}")
    await screen.tmux(
        *("new-session", "-d", "-x", "150", "-y", "60", "-c", str(work), *told, str(BINARY))
    )
    try:
        yield screen
    finally:
        await screen.tmux("kill-server")


def _usage(five_hours: int, week: int) -> dict[str, Any]:
    """What an account says of its plan: per cent used."""
    now = int(time())
    windows = [
        {
            "used_percent": used,
            "limit_window_seconds": span_s,
            "reset_after_seconds": span_s // 2,
            "reset_at": now + span_s // 2,
        }
        for used, span_s in ((five_hours, 18_000), (week, 604_800))
    ]
    limit: dict[str, Any] = {"allowed": True, "limit_reached": False, "primary_window": windows[0]}
    limit["secondary_window"] = windows[1]
    credit = {"has_credits": False, "unlimited": False, "balance": "0"}
    return {
        "plan_type": "plus",
        "rate_limit": limit,
        "credits": credit,
    }


async def _read_by_lb(url: str) -> dict[str, Any]:
    """The pool's usage, once it has been read of both accounts."""
    for _ in range(500):
        limit: dict[str, Any] = (await get(url, "/backend-api/wham/usage"))["rate_limit"]
        if limit["primary_window"] and limit["primary_window"]["used_percent"] == 40:
            return limit
        await asyncio.sleep(0.01)
    pytest.fail(f"the usage was not read: {limit}")


async def test_status_shows_the_bars_of_the_pool(proxy: Proxy, tmp_path: Path) -> None:
    async with Listener() as first, Listener() as second:
        first.usage, second.usage = _usage(60, 30), _usage(20, 10)
        first.standing = second.standing = agent
        toml = "[server]\npatience_s = 0\n"
        for number, upstream in enumerate((first, second)):
            logins.save(tmp_path / f"{number}.json", f"user-{number}", f"acct-{number}")
            toml += (
                f'[[accounts]]\nid = "a{number}"\nkind = "chatgpt"\n'
                f'auth_file = "{tmp_path / str(number)}.json"\nissuer = "http://127.0.0.1:9"\n'
                f'base_url = "{upstream.url.removesuffix("/v1")}/backend-api"\n'
            )
        server = await proxy(toml)
        limit = await _read_by_lb(server.url)
        async with _tui(server.url, tmp_path) as screen:
            await screen.shows(lambda text: PROMPT in text)
            await screen.tmux("send-keys", "-l", "/status")
            await screen.shows(lambda text: "current session configuration" in text)
            text = await screen.shows(lambda text: "Weekly limit:" in text, press="Enter")
    used = [limit[f"{name}_window"]["used_percent"] for name in ("primary", "secondary")]
    assert used == [40, 20]
    assert re.search(r"5h limit:.*60% left", text), text
    assert re.search(r"Weekly limit:.*80% left", text), text
