"""The real Codex CLI through the proxy, in each of its six modes. Marked ``codex``."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attrs import define

from tests import faulty_plays, logins
from tests.codex_modes import BINARY, MODES, Mode, agent, codex
from tests.conftest import Proxy, Served
from tests.hearing import Listener
from tests.plays import Asked, Play, Step
from tests.scripted import Upstream

pytestmark = [
    pytest.mark.codex,
    pytest.mark.skipif(not BINARY, reason="no Codex CLI: set LB_CODEX or npm i @openai/codex"),
]
FAILURES: dict[str, Play] = {
    "failed": faulty_plays.failed_first("server_error"),
    "usage limit": faulty_plays.usage_limit,
    "cut": faulty_plays.hang_up,
}
SOCKETS = {name: mode for name, mode in MODES.items() if mode.socket}


@define(eq=False)
class Pair:
    """A server with two accounts, asked in order, each with an upstream of its own."""

    server: Served
    first: Listener | Upstream
    second: Listener | Upstream


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as one:
        yield one


async def _upstream(stack: AsyncExitStack, *, socket: bool) -> Listener | Upstream:
    if socket:
        listener = await stack.enter_async_context(Listener())
        listener.standing = agent
        return listener
    upstream = await stack.enter_async_context(Upstream())
    upstream.choose = lambda _: agent
    return upstream


async def _pair(
    stack: AsyncExitStack, proxy: Proxy, folder: Path, *, first: bool, second: bool
) -> Pair:
    """Two ChatGPT accounts; ``first``, ``second``: whether each is asked over a WebSocket."""
    upstreams = [await _upstream(stack, socket=socket) for socket in (first, second)]
    toml = "[server]\npatience_s = 0\n"
    for number, (name, upstream) in enumerate(zip(("first", "second"), upstreams, strict=True)):
        logins.save(folder / f"{name}.json", f"user-{number}", f"acct-{number}")
        over = "as_client" if isinstance(upstream, Listener) else "never"
        toml += (
            f'[[accounts]]\nid = "{name}"\nkind = "chatgpt"\npriority = {number}\n'
            f'auth_file = "{folder / name}.json"\nissuer = "http://127.0.0.1:9"\n'
            f'base_url = "{upstream.url.removesuffix("/v1")}/backend-api"\nwebsocket = "{over}"\n'
        )
    return Pair(await proxy(toml), *upstreams)


@asynccontextmanager
async def _overheard(url: str, heads: list[bytes]) -> AsyncIterator[str]:
    """A wire to ``url`` that keeps the heads of requests."""
    target = urlsplit(url)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, keep: bool) -> None:
        while data := await source.read(65536):
            if keep and data.partition(b" ")[0] in (b"GET", b"POST"):
                heads.append(data.partition(b"\r\n\r\n")[0].lower())
            sink.write(data)
            await sink.drain()
        sink.close()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(target.hostname, target.port)
        both = (pump(reader, there[1], keep=True), pump(there[0], writer, keep=False))
        await asyncio.gather(*both, return_exceptions=True)

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_chatgpt_login_over_http_sends_zstd(
    stack: AsyncExitStack, proxy: Proxy, tmp_path: Path
) -> None:
    pair = await _pair(stack, proxy, tmp_path, first=False, second=False)
    heads: list[bytes] = []
    async with _overheard(pair.server.url, heads) as url:
        turn = await codex(MODES["ChatGPT login, HTTP"], url, tmp_path)
    turn.check_unseen()
    posts = [head for head in heads if head.startswith(b"post /backend-api/codex/responses ")]
    assert len(posts) == 2
    assert all(b"content-encoding: zstd" in head for head in posts)
    assert all(b"chatgpt-account-id: acct-9" in head for head in posts)
    told = [asked.headers for asked in pair.first.seen]
    assert {headers["chatgpt-account-id"] for headers in told} == {"acct-0"}


def _turns(upstream: Listener | Upstream) -> list[Asked]:
    """What was asked of it, but for prewarms."""
    return [asked for asked in upstream.seen if asked.body.get("generate") is not False]


def _fail_second_turn(upstream: Listener | Upstream, failure: Play) -> None:
    """The account answers its first turn, and none after."""

    def play(asked: Asked) -> Iterable[Step]:
        again = any(str(item["type"]).endswith("_output") for item in asked.body["input"])
        return (failure if again else agent)(asked)

    if isinstance(upstream, Listener):
        upstream.standing = play
    else:
        upstream.choose = lambda _: play


@pytest.mark.parametrize("name", MODES)
async def test_codex_completes_a_turn_with_a_tool(
    name: str, stack: AsyncExitStack, proxy: Proxy, tmp_path: Path
) -> None:
    mode = MODES[name]
    pair = await _pair(stack, proxy, tmp_path, first=mode.socket, second=mode.socket)
    turn = await codex(mode, pair.server.url, tmp_path)
    turn.check_unseen()
    assert len(_turns(pair.first)) == 2
    assert pair.second.seen == []
    _check_transport(mode, pair.first)


def _check_transport(mode: Mode, upstream: Listener | Upstream) -> None:
    """The mode is what it says: sockets with increments, or HTTP with the whole each time."""
    first, second = (asked.body for asked in _turns(upstream))
    if isinstance(upstream, Listener):
        assert mode.socket
        assert len(upstream.handshakes) == 1
        assert second["previous_response_id"]
        assert len(second["input"]) < len(first["input"])
    else:
        assert "previous_response_id" not in second
        assert len(second["input"]) > len(first["input"])


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", MODES)
async def test_an_owner_that_fails_in_mid_session_goes_unseen(
    name: str, failure: str, stack: AsyncExitStack, proxy: Proxy, tmp_path: Path
) -> None:
    mode = MODES[name]
    pair = await _pair(stack, proxy, tmp_path, first=mode.socket, second=mode.socket)
    _fail_second_turn(pair.first, FAILURES[failure])
    turn = await codex(mode, pair.server.url, tmp_path)
    turn.check_unseen()
    _check_moved(pair)


@pytest.mark.parametrize("sockets", [(True, False), (False, True)], ids=["to-http", "to-socket"])
@pytest.mark.parametrize("name", SOCKETS)
async def test_a_session_on_a_socket_moves_between_transports_unseen(
    name: str, sockets: tuple[bool, bool], stack: AsyncExitStack, proxy: Proxy, tmp_path: Path
) -> None:
    first, second = sockets
    pair = await _pair(stack, proxy, tmp_path, first=first, second=second)
    _fail_second_turn(pair.first, FAILURES["failed"])
    turn = await codex(SOCKETS[name], pair.server.url, tmp_path)
    turn.check_unseen()
    _check_moved(pair)


def _check_moved(pair: Pair) -> None:
    """The whole of the second turn went to the second account; a cut may be tried again first."""
    [whole] = _turns(pair.second)
    begun = _turns(pair.first)[0].body["input"]
    assert len(_turns(pair.first)) in (2, 3)
    assert "previous_response_id" not in whole.body
    assert len(whole.body["input"]) >= len(begun) + 2
    kinds = [item["type"] for item in whole.body["input"]]
    assert kinds[-2:] == ["custom_tool_call", "custom_tool_call_output"]
