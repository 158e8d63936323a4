"""Timelines are packed: what is taken out was put in. And how often usage windows are read."""

from typing import Any

import pytest
from msgspec.structs import replace

from lb.core.account import Ask, Only
from lb.core.ledger import Admitted, Settled, Tokens
from lb.proxy.timelines import Past, Tried, _packed, _unpacked
from tests.clients import ask, asking, pool
from tests.conftest import Proxy
from tests.plays import saying
from tests.scripted import Upstream

PAST = Past(
    Admitted("r", 1.0, "k", "m", "high", stream=True),
    Settled("r", "a", "m", Tokens(2**40, 1, 2, 3, "upstream"), None, 1, 0, None, 5, "client_gone"),
    Ask(
        "m",
        client="k",
        needs=frozenset({"store"}),
        anchors=("resp:1",),
        only=(Only(frozenset({"eu"}), "why"),),
        order=("a",),
    ),
    "/v1/responses",
    "agent/1",
    codex=True,
    lane=False,
    status=200,
    problem="",
    overhead_ms=None,
    rules=(("rule", ("a", "b")),),
    tries=(Tried("a", 1.0, 0.0, 2.0, 0, "timeout", "said", ("ours", "theirs"), ("x",)),),
)


@pytest.mark.parametrize(
    "past",
    [
        PAST,
        replace(PAST, agent="bytes that are no text: \udcff"),
        replace(PAST, settled=replace(PAST.settled, cost_uusd=2**70)),
        replace(PAST, tries=(), overhead_ms=0.5),
    ],
)
def test_what_is_unpacked_is_what_was_packed(past: Past) -> None:
    assert _unpacked(_packed(past)) == past


@pytest.mark.parametrize(("measures_per_s", "read"), [(100.0, 1), (0.001, 0)])
async def test_a_large_pool_reads_windows_no_oftener_than_a_small_one(
    measures_per_s: float,
    read: int,
    upstream: Upstream,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lb.proxy.dispatch.MEASURE_S", 0.0)
    monkeypatch.setattr("lb.proxy.dispatch.MEASURES_PER_S", measures_per_s)
    told = {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "5",
        "x-ratelimit-reset-requests": "20s",
    }
    upstream.plays["a"] = saying("hi", headers=told)
    server: Any = await proxy(pool({"a": upstream.url}))
    slot = server.gateway.pool.slots["a"]
    await ask(server.url, asking())
    slot.measured_at = before = server.gateway.clock.now() - 60.0
    await ask(server.url, asking())
    assert (slot.measured_at > before) == read
