"""``lb top`` in a real terminal, and ``lb alerts test`` to a real webhook."""

import asyncio
import io
import os
import pty
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from lb.cli import main
from lb.cli.top import Feed, frames, seen
from tests.admin_answers import status
from tests.clients import ask, asking, pool, until
from tests.conftest import Proxy
from tests.plays import saying
from tests.receiver import receiving
from tests.scripted import Upstream

ROOT = Path(__file__).resolve().parent.parent
NASTY = "[red]gpt\x1b[2J\nforged"
ROW = {
    "request_id": "req_1",
    "at": 1_760_000_000.0,
    "key": "alice",
    "account": "team-a",
    "model_asked": NASTY,
    "input_tokens": 12,
    "output_tokens": 34,
    "attempts": 2,
    "ttfb_ms": 120,
    "total_ms": 1500.4,
    "outcome": "failed",
}


class Terminal:
    """A program in a terminal of its own; ``screen`` is what it wrote."""

    def __init__(self, *words: str, home: Path) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "lb", *words],
            cwd=ROOT,
            env={"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm", "LINES": "40"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)
        self.screen = ""

    def shows(self, text: str) -> bool:
        with suppress(OSError):  # nothing to read, or it has ended
            self.screen += os.read(self._ours, 1 << 20).decode("utf-8", "replace")
        return text in self.screen

    def leave(self, key: str) -> None:
        if key == "Ctrl-C":  # it has no shell that would make a signal of it
            self.process.send_signal(signal.SIGINT)
        else:
            os.write(self._ours, key.encode())

    def ended(self) -> bool:
        self.shows("")
        return self.process.poll() is not None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@contextmanager
def terminal(*words: str, home: Path) -> Iterator[Terminal]:
    one = Terminal(*words, home=home)
    try:
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("key", ["q", "Ctrl-C"])
async def test_top_shows_pool_and_requests_until_a_key_ends_it(
    key: str, upstream: Upstream, proxy: Proxy, tmp_path: Path
) -> None:
    server = await proxy(pool({"team-a": upstream.url}))
    with terminal("top", "--url", server.url, home=tmp_path) as top:
        await until(lambda: top.shows("team-a"))
        upstream.plays["team-a"] = saying("hi")
        await ask(server.url, asking())
        await until(lambda: top.shows("completed"))
        top.leave(key)
        await until(top.ended)
        assert top.process.returncode == 0
        assert "Traceback" not in top.screen


async def test_top_without_a_server_says_what_to_do(tmp_path: Path) -> None:
    with terminal("top", "--url", "http://127.0.0.1:1", home=tmp_path) as top:
        await until(top.ended)
        assert top.process.returncode == 1
        assert "lb serve" in top.screen


def test_frames_are_read_and_garbage_is_passed_over() -> None:
    told = b'event: pool\r\ndata: {"a": 1}\r\n\r\n: ping\n\nevent: x\ndata: nope\n\ndata: [1]\n\n'
    told += b'event: request\ndata: {"b": 2}\n\nevent: cut\ndata: {"c"'
    assert list(frames(io.BytesIO(told))) == [("pool", {"a": 1}), ("request", {"b": 2})]


async def test_a_feed_that_breaks_off_is_told_and_asked_for_anew() -> None:
    asked: list[int] = []

    def follow() -> io.BytesIO:
        asked.append(1)
        if len(asked) == 2:
            raise OSError
        return io.BytesIO(b'event: pool\ndata: {"pool": {"text": "all well"}}\n\n')

    feed = Feed(lambda: dict(status()), follow)
    await until(lambda: feed.trouble)
    assert feed.status["pool"] == {"text": "all well"}
    assert feed.status["version"] == "9.8.7"
    await until(lambda: len(asked) >= 3)
    feed.take("paused", {"account": "team-b", "standing": {"id": "team-b", "state": "paused"}})
    assert feed.status["accounts"][1]["state"] == "paused"


def test_no_text_moves_the_cursor_or_forges_a_row() -> None:
    screen = Console(file=io.StringIO(), width=140, height=40, force_terminal=True)
    rows: deque[dict[str, Any]] = deque([ROW, {}])
    screen.print(seen(status(), rows, "trouble [b]\x1b[2J", 40))
    told = screen.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "\x1b[2J" not in told
    assert "[red]gpt?[2J?forged" in told
    assert "12 + 34" in told
    assert "trouble [b]?[2J" in told


async def typed(*words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, words)


def configured(folder: Path, alerts: str) -> str:
    path = folder / "accounts.toml"
    path.write_text(f"[alerts]\n{alerts}\n")
    return str(path)


async def test_the_test_message_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver:
        monkeypatch.setenv("LB_WEBHOOK", receiver.url)
        path = configured(tmp_path, 'webhook_env = "LB_WEBHOOK"\nkind = "slack"')
        result = await typed("alerts", "test", "--config", path)
        assert result.exit_code == 0, result.output
        assert "this is a test" in receiver.kept[0]["text"]
        assert "planted" not in result.output


async def test_a_test_message_that_does_not_arrive_is_told(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.answers.append(403)
        path = configured(tmp_path, f'webhook = "{receiver.url}"')
        result = await typed("alerts", "test", "--config", path)
        assert result.exit_code == 1
        assert "status 403" in result.output
        assert "planted" not in result.output


async def test_without_a_webhook_it_says_how_to_have_one(tmp_path: Path) -> None:
    result = await typed("alerts", "test", "--config", configured(tmp_path, ""))
    assert result.exit_code == 1
    assert "webhook_env" in result.output
