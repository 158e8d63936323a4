"""Nothing lb says or keeps holds a secret: a busy run is searched for those planted in it.

The server runs as a process of its own, so that all it writes is seen: both streams, every file,
every answer. Secrets: client keys, upstream credentials, headers, the admin token, login files.
"""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lb import config
from lb.core.secret import Secret
from tests.clients import Answer, asking, pool
from tests.plays import End, plain, saying
from tests.scripted import Upstream
from tests.servers import free_port
from tests.tenants import ask_as, call, key_of, keys

PLANTED = {
    "an upstream key": "sk-planted-upstream-000000000000000000",
    "the admin token": "planted-admin-token-0000000000",
    "a header of an account": "planted-header-value-0000000000",
    "a client key": key_of("alice"),
    "a client key used wrongly": "sk-lb-planted-wrong-key-0000000000000000",
    "a key of no form": "planted-wrong-key-of-no-form-at-all",
    "an access token": "eyJplanted.access.token0000000000",
    "a refresh token": "rt_planted_refresh_token_000000000",
}
PROMPT = "planted-prompt: the merger is on Tuesday"
"""Not a secret of the operator's, but nobody's business: bodies are not logged."""
ROOT = Path(config.__file__).parents[2]


def _toml(folder: Path, upstream: str, port: int) -> Path:
    login = folder / "login.json"
    tokens = {"access_token": PLANTED["an access token"], "account_id": "acct"}
    tokens |= {"refresh_token": PLANTED["a refresh token"], "id_token": "eyJhbGciOiJub25lIn0.e30."}
    login.write_text(json.dumps({"tokens": tokens}))
    login.chmod(0o600)
    extra = f"port = {port}\ndata_dir = 'data'\nlog = 'json'\nlog_level = 'debug'\n"
    extra += f"admin_token = '{PLANTED['the admin token']}'\n"
    text = pool({"one": upstream, "two": upstream}, extra=extra)
    text = text.replace('api_key = "one"', f'api_key = "{PLANTED["an upstream key"]}"')
    text += f"[[accounts]]\nid = 'login'\nkind = 'chatgpt'\nauth_file = '{login}'\n"
    text += f"base_url = '{upstream}'\nissuer = 'http://127.0.0.1:9'\npriority = 5\n"
    text += f"[[accounts]]\nid = 'odd'\nkind = 'compatible'\nbase_url = '{upstream}'\n"
    text += f"headers = {{ 'X-Odd' = '{PLANTED['a header of an account']}' }}\npriority = 9\n"
    path = folder / "accounts.toml"
    path.write_text(text + keys(alice="rpm = 500", bob="rpm = 1"))
    path.chmod(0o600)
    return path


class Run:
    """A server in a process, and everything it said."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.said: list[tuple[str, bytes]] = []

    def heard(self, where: str, answer: Answer) -> Answer:
        """Keep an answer: its head and its body."""
        self.said.append((where, repr(answer.headers).encode() + answer.raw))
        return answer

    async def asks(self, key: str, body: Any = None, **headers: str) -> Answer:
        """Ask, and keep the answer."""
        return self.heard(f"asked by {key[:9]}", await ask_as(self.url, key, body, headers))

    async def calls(self, method: str, path: str, body: Any = None, key: str = "") -> Answer:
        """Call, and keep the answer."""
        return self.heard(f"{method} {path}", await call(self.url, method, path, body, key))


@asynccontextmanager
async def running(folder: Path, upstream: str) -> AsyncIterator[Run]:
    port = free_port()
    path = _toml(folder, upstream, port)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lb", "serve", "--config", str(path)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    run = Run(f"http://127.0.0.1:{port}")
    try:
        await _up(run.url)
        yield run
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 20)
        run.said += [("stdout", out), ("stderr", err)]


async def _up(url: str) -> None:
    for _ in range(300):
        try:
            await call(url, "GET", "/health")
        except (OSError, aiohttp.ClientError):  # not yet, or whoever had the port before
            await asyncio.sleep(0.05)
        else:
            return
    message = "the server did not start"
    raise AssertionError(message)


async def _busy(run: Run, upstream: Upstream) -> set[str]:
    """Everything that can go well or wrong; gives back the keys that were made."""
    admin, alice = PLANTED["the admin token"], PLANTED["a client key"]
    echo = {"error": {"message": f"Incorrect API key: {PLANTED['an upstream key']}", "code": "x"}}
    fine = saying("fine")  # a healthy answer would say the name of its account, which is the key
    upstream.choose = lambda _: fine
    upstream.queue(
        PLANTED["an upstream key"],
        *(fine, plain(500, echo), plain(429, echo), plain(400, echo), lambda _: [End.CUT]),
        *(lambda _: [End.RESET], plain(401, echo)),
    )
    for number in range(30):
        await run.asks(alice, asking(PROMPT, stream=number % 2 == 0))
    for key in ("a client key used wrongly", "a key of no form"):
        for _ in range(15):
            await run.asks(PLANTED[key])
    await run.asks(alice, {"model": "none", "input": PROMPT, "api_key": alice})
    for path in (f"/v1/{alice}", f"/v1/models/{alice}", f"/?key={alice}"):
        await call(run.url, "GET", path, key=alice)  # the answer repeats what was typed
    made = set()
    for name in ("made-1", "made-2"):
        answer = await call(run.url, "POST", "/admin/keys", {"name": name}, admin)
        made.add(answer.body["api_key"])
        await run.asks(answer.body["api_key"])
    rotated = await call(run.url, "POST", "/admin/keys/made-1/rotate", {"grace_s": 0}, admin)
    made.add(rotated.body["api_key"])
    for path in ("status", "explain?model=gpt-5.5", "keys", "keys/made-1", "usage", "accounts/one"):
        await run.calls("GET", f"/admin/{path}", key=admin)
        await run.calls("GET", f"/admin/{path}", key=PLANTED["a key of no form"])
    for key in (alice, key_of("bob"), *made):
        await run.calls("GET", "/v1/usage", key=key)
        await run.calls("GET", "/v1/models", key=key)
    return made


async def test_nothing_that_is_said_or_kept_holds_a_secret(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with running(tmp_path, upstream.url) as run:
        made = await _busy(run, upstream)
        await asyncio.sleep(1.0)  # the store has what the journal had
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        kept = [(f"live {path.name}", path.read_bytes()) for path in files]
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    kept += [(path.name, path.read_bytes()) for path in files]
    assert any(b"alice" in data for _, data in kept), "the run was kept at all"
    assert any(b'"client":"alice"' in data or b"alice" in data for _, data in run.said)
    secrets = {**PLANTED, **{f"made key {n}": key for n, key in enumerate(made)}}
    found = [
        f"{name} in {where}"
        for where, data in (*run.said, *kept)
        for name, secret in secrets.items()
        if secret.encode() in data
    ]
    ours = [pair for pair in run.said if pair[0].startswith(("std", "GET /admin"))]
    found += [f"a prompt in {where}" for where, data in (*ours, *kept) if PROMPT.encode() in data]
    assert not found, "\n".join(sorted(set(found)))
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}


@pytest.mark.parametrize("way", [repr, str, "{}".format, "{!r}".format, lambda s: f"{[s]}"])
def test_a_secret_shows_itself_to_nobody(way: Any) -> None:
    assert "planted" not in way(Secret("planted"))


def test_what_is_known_shows_no_secret(tmp_path: Path) -> None:
    told = repr(config.load(_toml(tmp_path, "http://127.0.0.1:1/v1", 1)))
    assert [name for name, secret in PLANTED.items() if secret in told] == []
    digests = [key.digest.hex() for key in config.load(tmp_path / "accounts.toml").keys]
    assert not [digest for digest in digests if digest in told]
