"""A client's socket when somebody leaves: the client, or this server; and who shares what."""

import asyncio
import gc
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.clients import WITHIN_S, pool, until
from tests.conftest import Proxy, Served
from tests.hearing import Listener, asking, conversing, frame_of, message, over_sockets
from tests.plays import SSE, End, Play, chunk, frames, head, saying
from tests.scripted import Upstream
from tests.talking import heard, say

AT_ONCE_S = 0.2
NEVER_ENDING: dict[str, Play] = {
    "before content": lambda _: [head(200, SSE), End.HANG],
    "after content": lambda asked: [
        head(200, SSE),
        chunk(b"".join(frames(asked)[:6])),
        End.HANG,
    ],
}


def _cut(link: aiohttp.ClientWebSocketResponse) -> None:
    """The client's machine is gone: no close frame."""
    connection = link._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()


def _at_rest(server: Served) -> bool:
    gateway = server.gateway
    in_flight = sum(slot.in_flight for slot in gateway.pool.slots.values())
    held = len(gateway.dispatch.tries.sockets)
    return not in_flight and not held and not gateway.deliveries and not gateway.on_drain


@pytest.mark.parametrize("how", ["cut", "closed"])
@pytest.mark.parametrize("transport", ["socket", "http"])
@pytest.mark.parametrize("when", NEVER_ENDING)
async def test_a_client_that_vanishes_cancels_the_upstream_at_once(
    when: str, transport: str, how: str, proxy: Proxy, upstream: Upstream
) -> None:
    async with Listener() as listener:
        one: Listener | Upstream = listener if transport == "socket" else upstream
        one.plays["only"] = NEVER_ENDING[when]
        toml = over_sockets if transport == "socket" else pool
        server = await proxy(toml({"only": one.url}))
        loop = asyncio.get_running_loop()
        async with conversing(server.url) as link:
            await link.send_str(frame_of(**asking()))
            await until(lambda: one.seen)
            if when == "after content":
                await link.receive_str(timeout=WITHIN_S)
            left_at = loop.time()
            if how == "cut":
                _cut(link)
            else:
                closing = asyncio.create_task(link.close())
            await until(lambda: listener.left_at or upstream.cancelled)
            gone_at = [*listener.left_at, *(asked.left_at or 0.0 for asked in upstream.cancelled)]
            assert gone_at[0] - left_at < AT_ONCE_S
            await until(lambda: _at_rest(server), AT_ONCE_S)
            if how == "closed":
                await closing


async def test_a_client_that_leaves_between_turns_takes_its_upstream_socket_along(
    proxy: Proxy,
) -> None:
    async with Listener() as listener:
        server = await proxy(over_sockets({"only": listener.url}))
        async with conversing(server.url) as link:
            await say(link, asking())
            assert listener.left_at == []
            _cut(link)
            await until(lambda: listener.left_at, AT_ONCE_S)
        await until(lambda: _at_rest(server), AT_ONCE_S)


async def test_a_client_that_leaves_on_the_last_word_leaves_no_upstream_waiting(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.plays["only"] = lambda asked: [
        head(200, SSE),
        chunk(b"".join(frames(asked))),
        End.HANG,
    ]
    server = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url) as link:
        assert (await say(link, asking())).status == 200
        _cut(link)
        gc.disable()
        try:
            await until(lambda: upstream.cancelled, AT_ONCE_S)
        finally:
            gc.enable()
        await until(lambda: _at_rest(server), AT_ONCE_S)


async def test_draining_closes_idle_sockets_at_once_and_busy_ones_after_their_turn(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.plays["only"] = saying(None, interval_s=0.02)
    server: Any = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url) as idle, conversing(server.url) as busy:
        await busy.send_str(frame_of(**asking()))
        await busy.receive_str(timeout=WITHIN_S)
        draining = asyncio.create_task(server.drain())
        assert (await idle.receive(timeout=WITHIN_S)).type is WSMsgType.CLOSE
        assert idle.close_code == 1012
        assert (await heard(busy)).events[-1]["type"] == "response.completed"
        assert (await busy.receive(timeout=WITHIN_S)).type is WSMsgType.CLOSE
        assert busy.close_code == 1012
        await asyncio.wait_for(draining, WITHIN_S)


async def test_a_turn_longer_than_the_drain_ends_in_a_frame_and_1012(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.plays["only"] = NEVER_ENDING["after content"]
    server: Any = await proxy(pool({"only": upstream.url}, extra="drain_s = 0.1"))
    async with conversing(server.url) as link:
        await link.send_str(frame_of(**asking()))
        await link.receive_str(timeout=WITHIN_S)
        draining = asyncio.create_task(server.drain())
        told = await heard(link)
        assert told.events[-1]["type"] == "response.failed"
        assert told.error["code"] == "server_shutdown"
        assert (await link.receive(timeout=WITHIN_S)).type is WSMsgType.CLOSE
        assert link.close_code == 1012
        await asyncio.wait_for(draining, WITHIN_S)


async def test_the_turns_of_a_socket_stay_on_one_account(proxy: Proxy) -> None:
    names = [f"account-{number}" for number in range(5)]
    async with Listener() as listener:
        server = await proxy(over_sockets(dict.fromkeys(names, listener.url), in_order=False))
        for number in range(6):
            async with conversing(server.url) as link:
                warm = await say(link, asking([], generate=False))
                last = warm.events[-1]["response"]["id"]
                for turn in range(4):
                    told = {"previous_response_id": last}
                    answer = await say(link, asking([message(f"{number} {turn}")], **told))
                    last = answer.events[-1]["response"]["id"]
        turns = [asked.account for asked in listener.seen]
        by_socket = [set(turns[5 * n : 5 * n + 5]) for n in range(6)]
        assert [len(accounts) for accounts in by_socket] == [1] * 6
        assert len(listener.handshakes) == 6


async def test_tenants_share_neither_sockets_nor_responses(
    proxy: Proxy, upstream: Upstream
) -> None:
    keys = "".join(
        f'[[keys]]\nname = "{name}"\nkey = "{name}-key-0123456789"\n' for name in ("alice", "bob")
    )
    async with Listener() as listener:
        server = await proxy(over_sockets({"only": listener.url}) + keys)
        same = {"session-id": "one-session", "thread-id": "one-session"}
        alice = {**same, "authorization": "Bearer alice-key-0123456789"}
        bob = {**same, "authorization": "Bearer bob-key-0123456789"}
        async with conversing(server.url, alice) as hers, conversing(server.url, bob) as his:
            answer = await say(hers, asking("a secret"))
            told = {"previous_response_id": answer.events[-1]["response"]["id"]}
            refused = await say(his, asking([message("and?")], **told))
            assert refused.error["code"] == "previous_response_not_found"
            assert (await say(his, asking("mine"))).status == 200
    assert len(listener.handshakes) == 2
    assert not any("key-0123456789" in str(headers) for headers in listener.handshakes)


async def test_an_early_frame_of_one_client_does_not_hold_up_another(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.queue("only", NEVER_ENDING["before content"])
    server = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url) as slow, conversing(server.url) as quick:
        await slow.send_str(frame_of(**asking()))
        await until(lambda: upstream.seen)
        assert (await asyncio.wait_for(say(quick, asking()), WITHIN_S)).status == 200
