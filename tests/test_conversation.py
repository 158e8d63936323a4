"""A conversation on one WebSocket: what reaches upstream, and what the client never notices."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientWebSocketResponse

from tests import faulty_plays
from tests.clients import Answer, account_states
from tests.conftest import Proxy, Served
from tests.hearing import Listener, asking, by_turns, conversing, frame_of, message, over_sockets
from tests.plays import healthy
from tests.scripted import Upstream
from tests.talking import heard, say

WEIRD = '{"type":"message","role":"user", "content" : "caf\\u00e9 \\u2028 1.0e+2","n":1.50}'


@pytest.fixture
async def listeners() -> AsyncIterator[list[Listener]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Listener()) for _ in range(2)]


async def _pair(proxy: Proxy, first: Listener | Upstream, second: Listener | Upstream) -> Served:
    """Two accounts, asked in order; a scripted HTTP upstream is asked over HTTP."""
    toml = over_sockets({"first": first.url, "second": second.url})
    for each in (first, second):
        if isinstance(each, Upstream):
            on, off = (
                f'websocket = "as_client"\nbase_url = "{each.url}"',
                f'base_url = "{each.url}"',
            )
            toml = toml.replace(on, off)
    return await proxy(toml)


async def _turns(link: ClientWebSocketResponse, count: int, start: int = 0) -> list[Answer]:
    """Turns that go on from each other, as Codex takes them: only what is new."""
    answers: list[Answer] = []
    last = ""
    for number in range(start, start + count):
        told = {"previous_response_id": last} if last else {}
        answers.append(await say(link, asking([message(f"turn {number}")], **told)))
        assert answers[-1].status == 200, answers[-1]
        last = answers[-1].events[-1]["response"]["id"]
    return answers


def _said(text: str) -> list[str]:
    """What a frame's input says, item by item."""
    items = json.loads(text)["input"]
    return [part["text"] for item in items for part in item.get("content", ())]


async def test_a_prewarm_goes_to_the_socket_and_its_id_is_gone_on_from(
    proxy: Proxy, listeners: list[Listener]
) -> None:
    server = await _pair(proxy, *listeners)
    async with conversing(server.url) as link:
        warm = await say(link, asking([], generate=False))
        warm_id = warm.events[-1]["response"]["id"]
        turn = await say(link, asking([message("hi")], previous_response_id=warm_id))
    assert [event["type"] for event in warm.events] == ["response.created", "response.completed"]
    assert turn.text.startswith("Hello from first")
    assert [body.body.get("generate") for body in listeners[0].seen] == [False, None]
    assert listeners[0].seen[1].body["previous_response_id"] == warm_id
    assert len(listeners[0].handshakes) == 1


async def test_a_prewarm_costs_an_http_upstream_nothing(proxy: Proxy, upstream: Upstream) -> None:
    server = await _pair(proxy, upstream, upstream)
    async with conversing(server.url) as link:
        warm = await say(link, asking([message("base")], generate=False))
        assert upstream.seen == []
        warm_id = warm.events[-1]["response"]["id"]
        turn = await say(link, asking([message("hi")], previous_response_id=warm_id))
    assert [event["type"] for event in warm.events] == ["response.created", "response.completed"]
    assert turn.text.startswith("Hello from first")
    body = upstream.seen[0].body
    assert [item["content"][0]["text"] for item in body["input"]] == ["base", "hi"]
    assert not {"previous_response_id", "generate", "type"} & set(body)


async def test_a_prewarm_that_fails_is_answered_from_memory_not_generated(
    proxy: Proxy, listeners: list[Listener], upstream: Upstream
) -> None:
    listeners[0].plays["first"] = faulty_plays.error(503, "server_is_overloaded")
    server = await _pair(proxy, listeners[0], upstream)
    async with conversing(server.url) as link:
        warm = await say(link, asking([], generate=False))
        assert upstream.seen == []
        warm_id = warm.events[-1]["response"]["id"]
        turn = await say(link, asking([message("hi")], previous_response_id=warm_id))
    assert turn.text.startswith("Hello from second")
    assert "generate" not in upstream.seen[0].body


async def test_increments_reach_a_live_socket_byte_for_byte(
    proxy: Proxy, listeners: list[Listener]
) -> None:
    server = await _pair(proxy, *listeners)
    sent = []
    async with conversing(server.url) as link:
        last = ""
        for number in range(3):
            going_on = f'"previous_response_id":"{last}",' if last else ""
            rest = f'"store":false,"novelty":{{ "n": {number}.0 }},"input":[ {WEIRD} ]}}'
            text = f'{{"type":"response.create","model":"gpt-5.5",{going_on}{rest}'
            sent.append(text)
            await link.send_str(text)
            last = (await heard(link)).events[-1]["response"]["id"]
    assert listeners[0].texts == sent
    assert len(listeners[0].handshakes) == 1


async def test_an_http_upstream_gets_the_whole_input_each_turn(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await _pair(proxy, upstream, upstream)
    async with conversing(server.url) as link:
        await link.send_str(frame_of(model="gpt-5.5", input="turn 0"))
        first = await heard(link)
        told = {"previous_response_id": first.events[-1]["response"]["id"]}
        await link.send_str(frame_of(model="gpt-5.5", input=json.loads(f"[{WEIRD}]"), **told))
        await heard(link)
    bodies = [asked.body for asked in upstream.seen]
    assert [body["stream"] for body in bodies] == [True, True]
    assert [item["role"] for item in bodies[1]["input"]] == ["user", "assistant", "user"]
    assert "previous_response_id" not in bodies[1]
    assert upstream.asked() == ["first", "first"]


FAILURES = {
    "failed": faulty_plays.failed_first("server_error"),
    "overloaded": faulty_plays.error(503, "server_is_overloaded"),
    "usage limit": faulty_plays.usage_limit,
    "cut": faulty_plays.hang_up,
    "reset": faulty_plays.cut_after(2, reset=True),
    "ended": faulty_plays.ended_after(1),
}


@pytest.mark.parametrize("transport", ["socket", "http"])
@pytest.mark.parametrize("turn", [2, 3])
@pytest.mark.parametrize("name", FAILURES)
async def test_a_turn_whose_owner_fails_is_resent_whole_and_unseen(
    name: str,
    turn: int,
    transport: str,
    proxy: Proxy,
    listeners: list[Listener],
    upstream: Upstream,
) -> None:
    second = listeners[1] if transport == "socket" else upstream
    listeners[0].plays["first"] = by_turns(*[healthy] * (turn - 1), then=FAILURES[name])
    server = await _pair(proxy, listeners[0], second)
    async with conversing(server.url) as link:
        answers = await _turns(link, 3)
    served = [answer.text.split(":")[0] for answer in answers]
    assert served == [f"Hello from {'first' if n + 1 < turn else 'second'}" for n in range(3)]
    items = second.seen[0].body["input"]
    said = [item["content"][0]["text"][:10] for item in items]
    assert said == ["turn 0", *["Hello from", "turn 1", "Hello from", "turn 2"][: 2 * turn - 2]]
    assert "previous_response_id" not in second.seen[0].body


async def _again_in_silence(
    server: Served, link: ClientWebSocketResponse, last: Answer, listener: Listener
) -> None:
    """The next turn goes to the same account, whole, on a new socket; nobody is doubted."""
    told = {"previous_response_id": last.events[-1]["response"]["id"]}
    answer = await say(link, asking([message("more")], **told))
    assert answer.text.startswith("Hello from first"), answer
    assert len(listener.handshakes) == 2
    assert "previous_response_id" not in listener.seen[-1].body
    assert [said[:10] for said in _said(listener.texts[-1])] == ["turn 0", "Hello from", "more"]
    states = await account_states(server.url)
    assert {name: state["state"] for name, state in states.items()} == {
        "first": "ready",
        "second": "ready",
    }


@pytest.mark.parametrize("code", [1000, 1011, 1012])
async def test_a_socket_closed_between_turns_is_replaced_in_silence(
    code: int, proxy: Proxy, listeners: list[Listener]
) -> None:
    server = await _pair(proxy, *listeners)
    async with conversing(server.url) as link:
        [last] = await _turns(link, 1)
        await listeners[0].links[0].close(code=code, message=b"bye")
        await _again_in_silence(server, link, last, listeners[0])


async def test_a_socket_cut_between_turns_is_replaced_in_silence(
    proxy: Proxy, listeners: list[Listener]
) -> None:
    listeners[0].plays["first"] = by_turns(healthy, faulty_plays.reset_at_once)
    server = await _pair(proxy, *listeners)
    async with conversing(server.url) as link:
        [last] = await _turns(link, 1)
        await _again_in_silence(server, link, last, listeners[0])


@pytest.mark.parametrize(
    "code", ["websocket_connection_limit_reached", "previous_response_not_found"]
)
async def test_a_socket_that_forgot_or_is_too_old_is_replaced_in_silence(
    code: str, proxy: Proxy, listeners: list[Listener]
) -> None:
    refusal = faulty_plays.error(400, code, "invalid_request_error")
    listeners[0].plays["first"] = by_turns(healthy, refusal)
    server = await _pair(proxy, *listeners)
    async with conversing(server.url) as link:
        [last] = await _turns(link, 1)
        await _again_in_silence(server, link, last, listeners[0])


async def test_a_socket_is_renewed_before_upstreams_sixty_minutes(
    proxy: Proxy, listeners: list[Listener]
) -> None:
    server = await _pair(proxy, *listeners)
    async with conversing(server.url) as link:
        [last] = await _turns(link, 1)
        [held] = server.gateway.dispatch.tries.sockets._held.values()
        held.opened_at -= 56 * 60
        await _again_in_silence(server, link, last, listeners[0])
