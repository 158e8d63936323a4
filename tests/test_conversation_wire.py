"""A client's socket, frame by frame: sizes, order, signs of life, what is refused."""

import asyncio
import json
from collections.abc import Iterable

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.clients import WITHIN_S, pool
from tests.conftest import Proxy
from tests.hearing import Listener, asking, conversing, frame_of, message, over_sockets
from tests.plays import SSE, Asked, End, Pause, Step, chunk, frames, head, saying
from tests.scripted import Upstream
from tests.talking import heard, say

MIB = 1 << 20


def _late(asked: Asked) -> Iterable[Step]:
    """Nothing for a while, then a good answer with a gap in it."""
    yield head(200, SSE)
    yield Pause(0.15)
    told = frames(asked)
    yield chunk(b"".join(told[:6]))
    yield Pause(0.15)
    yield chunk(b"".join(told[6:]))


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_a_silent_upstream_is_bridged_with_keepalives(
    transport: str, proxy: Proxy, upstream: Upstream
) -> None:
    async with Listener() as listener:
        one: Listener | Upstream = listener if transport == "socket" else upstream
        one.plays["only"] = _late
        toml = over_sockets if transport == "socket" else pool
        server = await proxy(toml({"only": one.url}, extra="keepalive_s = 0.04"))
        async with conversing(server.url) as link:
            await link.send_str(frame_of(**asking()))
            kinds: list[str] = []
            while not kinds or kinds[-1] != "response.completed":
                kinds.append(json.loads(await link.receive_str(timeout=WITHIN_S))["type"])
    begun = kinds.index("response.created")
    assert kinds[:begun].count("keepalive") >= 2
    assert kinds[begun:].count("keepalive") >= 2


async def test_a_ping_is_answered_between_turns_and_within_one(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.plays["only"] = saying("one two three", interval_s=0.02)
    server = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url, autoping=False) as link:
        await link.ping(b"between")
        assert (await link.receive(timeout=WITHIN_S))[:2] == (WSMsgType.PONG, b"between")
        await link.send_str(frame_of(**asking()))
        await link.receive_str(timeout=WITHIN_S)
        await link.ping(b"within")
        while (got := await link.receive(timeout=WITHIN_S)).type is WSMsgType.TEXT:
            assert "response.completed" not in got.data[:40]
        assert (got.type, got.data) == (WSMsgType.PONG, b"within")


async def test_both_sides_speak_permessage_deflate(proxy: Proxy) -> None:
    async with Listener() as listener:
        server = await proxy(over_sockets({"only": listener.url}))
        async with conversing(server.url, compress=15) as link:
            assert link.compress == 15
            assert (await say(link, asking("x" * MIB))).status == 200
        assert "permessage-deflate" in listener.handshakes[0]["sec-websocket-extensions"]
        assert len(listener.texts[0]) > MIB


@pytest.mark.parametrize("compress", [0, 15], ids=["plain", "deflated"])
async def test_a_frame_of_twenty_megabytes_goes_through(compress: int, proxy: Proxy) -> None:
    async with Listener() as listener:
        server = await proxy(over_sockets({"only": listener.url}))
        async with conversing(server.url, compress=compress) as link:
            answer = await say(link, asking([message("x" * (20 * MIB))]))
        assert answer.text.startswith("Hello from only")
        assert len(listener.texts[0]) > 20 * MIB


@pytest.mark.parametrize("compress", [0, 15], ids=["plain", "deflated"])
async def test_a_frame_beyond_the_limit_ends_the_socket_with_1009(
    compress: int, proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"only": upstream.url}, extra="max_body_mb = 1"))
    async with conversing(server.url, compress=compress) as link:
        empty = len(frame_of(**asking("")))
        await link.send_str(frame_of(**asking("x" * (MIB - empty - 1))))
        assert (await heard(link)).status == 200
        await link.send_str(frame_of(**asking("x" * (MIB - empty + 1))))
        end = await link.receive(timeout=WITHIN_S)
        assert end.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        assert link.close_code == 1009
    assert len(upstream.seen) == 1


async def test_a_binary_frame_is_refused_and_the_socket_lives(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url) as link:
        await link.send_bytes(frame_of(**asking()).encode())
        assert (await heard(link)).status == 400
        assert upstream.seen == []
        assert (await say(link, asking())).status == 200


async def test_frames_sent_at_once_are_served_one_after_the_other(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.plays["only"] = saying(None, interval_s=0.005)
    server = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url) as link:
        for number in range(3):
            await link.send_str(frame_of(**asking(f"turn {number}")))
        answers = [await heard(link) for _ in range(3)]
    assert [len({e["response"]["id"] for e in a.events if "response" in e}) for a in answers] == [
        1
    ] * 3
    assert [asked.body["input"] for asked in upstream.seen] == ["turn 0", "turn 1", "turn 2"]
    for before, after in zip(upstream.seen, upstream.seen[1:], strict=False):
        assert before.ended_at is not None
        assert before.ended_at <= after.at


async def test_more_frames_than_may_wait_are_refused_one_by_one(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.plays["only"] = lambda _: [End.HANG]
    server = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url) as link:
        for _ in range(20):
            await link.send_str(frame_of(**asking()))
        refused = await heard(link)
    assert refused.status == 429
    assert refused.error["code"] == "websocket_stream_limit_reached"


async def test_turns_of_many_sockets_go_on_side_by_side(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"only": upstream.url}))

    async def turns() -> list[str]:
        async with conversing(server.url) as link:
            return [(await say(link, asking(f"turn {n}"))).text for n in range(3)]

    said = await asyncio.gather(*(turns() for _ in range(30)))
    assert {text for texts in said for text in texts} == {said[0][0]}
    assert len(upstream.seen) == 90


@pytest.mark.parametrize("path", ["/v1/responses", "/backend-api/codex/responses"])
async def test_both_paths_are_upgraded_and_a_plain_get_is_told_so(
    path: str, proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"only": upstream.url}))
    async with aiohttp.ClientSession() as session:
        async with session.get(server.url + path) as refused:
            assert refused.status == 400
            assert (await refused.json())["error"]["code"] == "upgrade_required"
        async with session.ws_connect(server.url + path) as link:
            assert (await say(link, asking())).status == 200
