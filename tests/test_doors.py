"""Every fault x each pair of client door and upstream transport: one failover loop serves all.

HTTP to HTTP is ``test_faults``; here are the three pairs with a WebSocket in them.
"""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.clients import account_states, ask, asking, pool
from tests.conftest import Proxy
from tests.faults import FAULTS, Fault
from tests.scripted import Upstream
from tests.speaking import Speaker
from tests.talking import ask_on_a_socket
from tests.test_faults import (
    NAMES,
    NoJitter,
    _check_client,
    _check_learned,
    _who_serves,
)

PAIRS = [("socket", "http"), ("socket", "socket"), ("http", "socket")]
NEEDS_HTTP = {"garbage head", "403 HTML", "redirect 307", "200 HTML", "200 empty", "endless event"}
"""Faults that are told in an HTTP head alone; a socket has no such thing."""


@pytest.mark.parametrize("faulty", [1, 3], ids=["one", "all"])
@pytest.mark.parametrize("pair", PAIRS, ids="-to-".join)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_answered_the_same_whichever_door(
    name: str, pair: tuple[str, str], faulty: int, proxy: Proxy
) -> None:
    fault, (door, transport) = FAULTS[name], pair
    if transport == "socket" and name in NEEDS_HTTP:
        return
    async with AsyncExitStack() as stack:
        kind: Any = Speaker if transport == "socket" else Upstream
        upstreams = {each: await stack.enter_async_context(kind()) for each in NAMES}
        for broken in NAMES[:faulty]:
            await _arm(upstreams[broken], broken, fault)
        urls = {account: upstream.url for account, upstream in upstreams.items()}
        toml = pool(urls, timeouts=fault.timeouts, in_order=True)
        when = "always" if door == "http" else "as_client"
        if transport == "socket":
            toml = toml.replace('kind = "openai"', f'kind = "openai"\nwebsocket = "{when}"')
        server = await proxy(toml, rng=NoJitter(1))

        asks = ask if door == "http" else ask_on_a_socket
        answer = await asks(server.url, asking(stream=True))

        asked = {account: len(upstream.seen) for account, upstream in upstreams.items()}
        served = _who_serves(fault, faulty, asked, stream=True)
        _check_client(fault, answer, served, stream=True)
        _check_learned(fault, faulty, asked, await account_states(server.url))


async def _arm(upstream: Any, account: str, fault: Fault) -> None:
    if fault.play is not None:
        upstream.plays[account] = fault.play
    upstream.slams = fault.slams
    if fault.refuses:
        await upstream.refuse()
