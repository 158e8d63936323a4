"""Sockets come and go: tasks, descriptors and places are as many afterwards as before."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.clients import asking, get, until
from tests.conftest import Proxy, Served
from tests.hearing import Listener, frame_of, over_sockets
from tests.plays import Asked, Play, healthy
from tests.talking import say
from tests.test_conversation_leaving import NEVER_ENDING, _at_rest, _cut

STEADY = 20  # looks in a row that count the same
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts /proc/self/fd")


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _play_for(asked: Asked) -> Play:
    """One third of all turns never ends, before or after content."""
    names = [*NEVER_ENDING, ""]
    name = names[asked.number % 3]
    return NEVER_ENDING[name] if name else healthy


@pytest.mark.parametrize(("count", "how"), [(200, "cut"), (100, "closed")])
async def test_clients_that_leave_take_everything_along(
    count: int,
    how: str,
    proxy: Proxy,
) -> None:
    async with Listener() as listener:
        listener.standing = lambda asked: _play_for(asked)(asked)
        server = await proxy(
            over_sockets({"only": listener.url}).replace(
                "priority = 0", "priority = 0\nmax_in_flight = 512"
            )
        )
        await _round(server.url, listener, 3, how)
        tasks, descriptors = await _baseline(server)
        await _round(server.url, listener, count, how)
        await until(lambda: _at_rest(server))
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: _descriptors() <= descriptors)
        assert len(listener.left_at) == count + 3


async def _baseline(server: Served) -> tuple[int, int]:
    """Tasks and descriptors once everything that starts late has started."""
    await get(server.url, "/v1/models")  # its connection upstream is kept
    await until(lambda: _at_rest(server))
    seen = [(0, 0)]
    while len(seen) < STEADY or len(set(seen[-STEADY:])) > 1:
        seen.append((len(asyncio.all_tasks()), _descriptors()))
        await asyncio.sleep(0.01)
    return seen[-1]


async def _round(url: str, listener: Listener, count: int, how: str) -> None:
    """Clients come: some sit idle after a turn, some leave in the midst of one."""
    seen = len(listener.seen)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        links = await asyncio.gather(
            *(session.ws_connect(f"{url}/v1/responses") for _ in range(count))
        )
        for link in links:
            await link.send_str(frame_of(**asking()))
        await until(lambda: len(listener.seen) == seen + count)
        for link in links:
            if how == "cut":
                _cut(link)
        if how == "closed":
            await asyncio.gather(*(link.close() for link in links))


async def test_a_socket_that_only_shakes_hands_leaves_nothing(proxy: Proxy) -> None:
    async with Listener() as listener, aiohttp.ClientSession() as session:
        server = await proxy(over_sockets({"only": listener.url}))
        async with session.ws_connect(f"{server.url}/v1/responses") as link:
            await say(link, asking())
        tasks, descriptors = await _baseline(server)
        for _ in range(100):
            async with session.ws_connect(f"{server.url}/v1/responses"):
                pass
        await until(lambda: _at_rest(server))
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: _descriptors() <= descriptors)
