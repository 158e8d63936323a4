"""A token dies under fire: one refresh serves everybody, and no kill loses what was given."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests import faulty_plays
from tests.adapters.issuing import HOUR, jwt, save
from tests.clients import account_states, ask, asking, client, until
from tests.conftest import Proxy
from tests.hearing import Listener
from tests.issuing import LiveIssuer, issuing
from tests.plays import Asked, End, Play, Step, healthy
from tests.scripted import Upstream
from tests.serving import Serving, serving
from tests.talking import ask_on_a_socket

CROWD = 200
DEAD = faulty_plays.error(401, "token_expired", "invalid_request_error")


@pytest.fixture
async def issuer() -> AsyncIterator[LiveIssuer]:
    async with issuing() as one:
        yield one


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A login whose access token looks good, and is not."""
    path = tmp_path / "auth.json"
    save(path, jwt(time.time() + HOUR, n="dead"), "rt_0")
    path.chmod(0o600)
    return path


def _config(file: Path, upstream: str, issuer: LiveIssuer, *, rows: str = "") -> str:
    return f"""
[server]
patience_s = 10
{rows}
[[accounts]]
id = "only"
kind = "chatgpt"
auth_file = "{file}"
base_url = "{upstream.removesuffix("/v1")}/backend-api"
issuer = "{issuer.url}"
max_in_flight = {CROWD}
"""


def _only_for(token: str, then: Play = healthy) -> Play:
    """An upstream that knows one token."""

    def play(asked: Asked) -> Iterable[Step]:
        return (then if asked.account == token else DEAD)(asked)

    return play


def _held_back(issuer: LiveIssuer) -> asyncio.Event:
    """Its next answer waits for this."""
    go = asyncio.Event()

    async def held(question: dict[str, Any]) -> web.Response:
        await go.wait()
        return issuer.rotate(question)

    issuer.plays.append(held)
    return go


def _refresh_token(file: Path) -> str:
    told: str = json.loads(file.read_text())["tokens"]["refresh_token"]
    return told


@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_a_crowd_on_a_dead_token_makes_one_refresh_and_all_succeed(
    transport: str, proxy: Proxy, upstream: Upstream, file: Path, issuer: LiveIssuer
) -> None:
    play = _only_for(issuer.access)
    async with Listener() as listener:
        listener.standing, upstream.choose = play, lambda _: play
        url = listener.url if transport == "socket" else upstream.url
        server = await proxy(_config(file, url, issuer))
        async with client() as session:
            if transport == "http":
                asks = [ask(server.url, asking(stream=True), session) for _ in range(CROWD)]
            else:
                asks = [ask_on_a_socket(server.url, asking()) for _ in range(CROWD)]
            answers = await asyncio.gather(*asks)
    assert Counter(answer.status for answer in answers) == {200: CROWD}
    assert issuer.uses == len(issuer.asked) == 1
    assert _refresh_token(file) == issuer.good
    assert (await account_states(server.url))["only"]["state"] == "ready"


async def test_who_comes_while_a_token_is_renewed_waits_for_it(
    proxy: Proxy, upstream: Upstream, file: Path, issuer: LiveIssuer
) -> None:
    go = _held_back(issuer)
    upstream.choose = lambda _: _only_for(issuer.access)
    server = await proxy(_config(file, upstream.url, issuer))
    async with client() as session:
        began = time.monotonic()
        first = asyncio.create_task(ask(server.url, asking(), session))
        await until(lambda: issuer.asked)
        held = time.monotonic()
        assert (await account_states(server.url))["only"]["state"] == "refreshing"
        late = asyncio.create_task(ask(server.url, asking(), session))
        early, _ = await asyncio.wait([late], timeout=0.2)
        assert not early, early.pop().result()
        held_s = time.monotonic() - held
        go.set()
        answers = [await first, await late]
        total_s = time.monotonic() - began
    assert [answer.status for answer in answers] == [200, 200]
    for answer in answers:  # what the issuer took is no time of the proxy's
        assert float(answer.headers["x-lb-overhead-ms"]) / 1000 + held_s < total_s
    assert len(issuer.asked) == 1


async def test_a_renewal_that_never_ends_is_told_as_it_is(
    proxy: Proxy, upstream: Upstream, file: Path, issuer: LiveIssuer
) -> None:
    go = _held_back(issuer)
    upstream.choose = lambda _: _only_for(issuer.access)
    text = _config(file, upstream.url, issuer).replace("patience_s = 10", "patience_s = 0.1")
    server = await proxy(text)
    async with client() as session:
        first = asyncio.create_task(ask(server.url, asking(), session))
        await until(lambda: issuer.asked)
        told = await ask(server.url, asking(), session)
        go.set()
        await first
    assert (told.status, told.headers["retry-after"]) == (503, "1")
    assert told.body["error"]["message"] == "No account can serve this now: 1 refreshing."


async def test_a_crowd_that_the_renewed_token_does_not_help_is_told_once_each(
    proxy: Proxy, upstream: Upstream, file: Path, issuer: LiveIssuer
) -> None:
    upstream.choose = lambda _: DEAD
    server = await proxy(_config(file, upstream.url, issuer))
    async with client() as session:
        asks = [ask(server.url, asking(stream=True), session) for _ in range(50)]
        answers = await asyncio.gather(*asks)
    assert Counter(answer.status for answer in answers) == {503: 50}
    assert issuer.uses == len(issuer.asked) == 1
    assert (await account_states(server.url))["only"]["state"] == "refused"


async def test_a_kill_between_refresh_and_use_loses_no_token(
    upstream: Upstream, file: Path, issuer: LiveIssuer, tmp_path: Path
) -> None:
    running: list[Serving] = []
    on_disk: list[str] = []

    def killed_at_first_use(asked: Asked) -> Iterable[Step]:
        """The new token's first use is the moment this server dies."""
        if not on_disk:
            on_disk.append(_refresh_token(file))
            running[0].process.kill()
            return [End.CUT]
        return healthy(asked)

    upstream.choose = lambda _: _only_for(issuer.access, killed_at_first_use)
    path = tmp_path / "accounts.toml"
    rows = f'data_dir = "{tmp_path / "data"}"\nlog = "json"'
    path.write_text(_config(file, upstream.url, issuer, rows=rows))
    path.chmod(0o600)
    async with serving(path) as server:
        running.append(server)
        await asyncio.gather(ask(server.url, asking(stream=True)), return_exceptions=True)
        await server.ended(5.0)
    assert on_disk == [issuer.good]

    async with serving(path) as server:
        answer = await ask(server.url, asking(stream=True))
    assert answer.status == 200
    assert issuer.uses == len(issuer.asked) == 1
