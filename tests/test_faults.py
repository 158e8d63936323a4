"""Every fault x {stream, whole} x {1, 2, 3 of 3 accounts}, on the wire.

Each case holds three things: what the client saw, which accounts were asked, what the pool
learned. Accounts a, b and c are asked in this order; the first ``faulty`` of them have the fault.
"""

from random import Random
from typing import Any

import pytest

from tests.clients import ENVELOPE, TERMINAL, Answer, account_states, ask, asking, pool
from tests.conftest import Proxy, Scripted
from tests.faults import FAULTS, Fault, Seen
from tests.scripted import Upstream

NAMES = "abc"
FULL = "Hello from {}: one two three four five six seven eight."


class NoJitter(Random):
    """Chance without a wait: every jitter is nought."""

    def random(self) -> float:
        return 0.0


@pytest.mark.parametrize("faulty", [1, 2, 3], ids=["one", "two", "all"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_costs_the_client_no_more_than_it_must(
    *, name: str, stream: bool, faulty: int, scripted: Scripted, proxy: Proxy
) -> None:
    fault = FAULTS[name]
    upstreams = dict(zip(NAMES, await scripted(3), strict=True))
    for broken in NAMES[:faulty]:
        await _arm(upstreams[broken], broken, fault)
    urls = {account: upstream.url for account, upstream in upstreams.items()}
    server = await proxy(pool(urls, timeouts=fault.timeouts, in_order=True), rng=NoJitter(1))

    answer = await ask(server.url, asking(stream=stream))

    asked = {account: len(upstream.seen) for account, upstream in upstreams.items()}
    served = _who_serves(fault, faulty, asked, stream=stream)
    _check_client(fault, answer, served, stream=stream)
    _check_asked(fault, faulty, asked, served, stream=stream)
    _check_learned(fault, faulty, asked, await account_states(server.url))


async def _arm(upstream: Upstream, account: str, fault: Fault) -> None:
    if fault.play is not None:
        upstream.plays[account] = fault.play
    upstream.slams = fault.slams
    if fault.refuses:
        await upstream.refuse()


def _who_serves(fault: Fault, faulty: int, asked: dict[str, int], *, stream: bool) -> str | None:
    """The account whose answer the client should have got whole; None: an error is due."""
    if fault.harmless or (fault.after_content and not stream and fault.whole is not None):
        if fault.harmless or fault.seen_by(stream=False).statuses == {200}:
            return "a"
        return NAMES[faulty] if faulty < len(NAMES) else None
    if fault.moves is None:
        return next((name for name in NAMES[faulty:] if asked[name]), None)
    if not fault.moves or fault.after_content or faulty == len(NAMES):
        return None
    return NAMES[faulty]


def _check_client(fault: Fault, answer: Answer, served: str | None, *, stream: bool) -> None:
    assert not answer.broken, "an HTTP message that does not end properly"
    if served is not None:
        _check_whole_answer(answer, served, stream=stream)
    elif fault.after_content and stream:
        _check_said_so(answer)
    else:
        _check_error(answer, fault.seen_by(stream=stream))


def _check_whole_answer(answer: Answer, served: str, *, stream: bool) -> None:
    assert answer.status == 200, answer.body
    assert answer.text == FULL.format(served)
    if stream:
        types = [event["type"] for event in answer.events]
        assert types[-1] == "response.completed"
        assert len(TERMINAL.intersection(types)) == 1
        _check_numbers(answer)
    else:
        assert answer.body["status"] == "completed"
        assert answer.headers["content-type"].startswith("application/json")


def _check_said_so(answer: Answer) -> None:
    """The stream ended in an error of the same response, after what had been told."""
    assert answer.status == 200
    first, last = answer.events[0], answer.events[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["id"] == first["response"]["id"]
    assert answer.error["code"]
    assert answer.error["message"]
    assert answer.text
    assert FULL.format("a").startswith(answer.text)
    assert sum(event["type"] in TERMINAL for event in answer.events) == 1
    _check_numbers(answer)


def _check_numbers(answer: Answer) -> None:
    numbers = [event["sequence_number"] for event in answer.events if "sequence_number" in event]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _check_error(answer: Answer, seen: Seen) -> None:
    assert answer.status in seen.statuses, (answer.status, answer.body)
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.error) >= ENVELOPE, answer.body
    assert answer.error["message"]
    if seen.words:
        assert seen.words & {answer.error["type"], answer.error["code"]}, answer.body
    if seen.retry_after:
        assert float(answer.headers["retry-after"]) >= 1


def _check_asked(
    fault: Fault, faulty: int, asked: dict[str, int], served: str | None, *, stream: bool
) -> None:
    connects = not (fault.refuses or fault.slams)
    stays = fault.harmless or fault.moves is False or (fault.after_content and stream)
    if stays or served == "a":
        assert asked == {"a": 1, "b": 0, "c": 0}, "asked again, or elsewhere, when it must not"
        return
    for name in NAMES[:faulty] if connects and fault.moves else "":
        assert asked[name] >= 1, f"gave up without asking {name}"
    for name in NAMES[faulty:]:
        assert asked[name] == (name == served), f"asked {name} {asked[name]} times"


def _check_learned(
    fault: Fault, faulty: int, asked: dict[str, int], states: dict[str, dict[str, Any]]
) -> None:
    for name in NAMES:
        told = states[name]
        assert told["in_flight"] == 0, "a slot was not given back"
        if name in NAMES[:faulty] and asked[name]:
            assert told["state"] in fault.states, told
            assert bool(told["blocks"]) == fault.blocks, told
        elif not (fault.refuses or fault.slams):
            assert told["state"] == "ready", told
