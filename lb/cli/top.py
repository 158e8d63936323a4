"""``lb top``: the pool and its requests in the terminal, as it happens."""

import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click
import msgspec

from lb.cli.common import console, running, with_config, with_url

if TYPE_CHECKING:
    from rich.console import RenderableType

REFRESH_S = 0.25
AGAIN_S = 1.0  # before a feed that broke off is asked for anew
MOST_ROWS = 200  # remembered; as many are shown as there is room for
MOST_LINE_BYTES = 4 << 20


class Feed:
    """What ``/admin/live`` tells, taken up by a thread of its own."""

    def __init__(self, look: Callable[[], dict[str, Any]], follow: Callable[[], IO[bytes]]) -> None:
        self.status: dict[str, Any] = look()
        self.rows: deque[dict[str, Any]] = deque(maxlen=MOST_ROWS)
        self.trouble = ""
        self._look, self._follow = look, follow
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self.status = self._look()
                with contextlib.closing(self._follow()) as lines:
                    self.trouble = ""
                    for name, told in frames(lines):
                        self.take(name, told)
                self.trouble = "The feed ended; asking again."
            except (click.ClickException, OSError, HTTPException, ValueError) as error:
                said = getattr(error, "message", type(error).__name__)
                self.trouble = f"Not up to date: {said}"
            time.sleep(AGAIN_S)

    def take(self, name: str, told: dict[str, Any]) -> None:
        """Take up one frame."""
        if name == "request":
            self.rows.appendleft(told)
        elif name == "pool":
            news = {key: value for key, value in told.items() if key in ("pool", "accounts")}
            self.status = self.status | news
        elif "standing" in told:
            accounts = [
                told["standing"] if each.get("id") == told.get("account") else each
                for each in self.status.get("accounts", ())
            ]
            self.status = {**self.status, "accounts": accounts}


def frames(lines: IO[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The named JSON frames of an event stream; what is none is passed over."""
    name, data = "", b""
    while line := lines.readline(MOST_LINE_BYTES):
        line = line.rstrip(b"\r\n")
        if line.startswith(b"event:"):
            name = line[6:].strip().decode("utf-8", "replace")
        elif line.startswith(b"data:"):
            data += line[5:].strip()
        elif not line:
            with contextlib.suppress(msgspec.DecodeError):
                told = msgspec.json.decode(data)
                if isinstance(told, dict):
                    yield name, told
            name, data = "", b""


@click.command()
@with_config
@with_url
def top(path: Path | None, url: str | None) -> None:
    """Watch the pool and its requests, live; q or Ctrl-C leaves."""
    from lb.cli.ask import ask, follow

    server, token = running(path, url)
    feed = Feed(
        lambda: ask(server, "/admin/status", token), lambda: follow(server, "/admin/live", token)
    )
    with contextlib.suppress(KeyboardInterrupt):
        _show(feed)


def _show(feed: Feed) -> None:
    from rich.live import Live

    screen = console()
    with _keys() as key, Live(console=screen, screen=True, auto_refresh=False) as live:
        while True:
            live.update(seen(feed.status, feed.rows, feed.trouble, screen.height), refresh=True)
            if key(REFRESH_S) in ("q", "Q", "\x03"):
                return


def seen(
    status: Mapping[str, Any], rows: "deque[dict[str, Any]]", trouble: str, height: int
) -> "RenderableType":
    """The whole screen, ``height`` lines: the pool above, the last requests below."""
    from rich.console import Group
    from rich.text import Text

    from lb.cli import tables

    room = max(3, height - len(status.get("accounts", ())) - 12)
    below = tables.requests(list(rows)[:room])
    note = tables.text_of(trouble, "bold red") if trouble else Text("q leaves", "dim")
    return Group(tables.status(status), Text(""), below, note)


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Single keys as they are typed; where there is no terminal, only time passes."""
    if not sys.stdin.isatty():
        yield _nothing
        return
    import select

    try:
        import termios
        import tty
    except ImportError:  # no such terminals here
        yield _nothing
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def key(seconds: float) -> str:
        ready, _, _ = select.select([number], [], [], seconds)
        return os.read(number, 1).decode("utf-8", "replace") if ready else ""

    try:
        tty.setcbreak(number)
        yield key
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _nothing(seconds: float) -> str:
    time.sleep(seconds)
    return ""
