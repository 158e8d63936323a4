"""A conversation on one WebSocket when it is refused: what is tried, what the client is told."""

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from attrs import define

from tests import faulty_plays
from tests.adapters.issuing import HOUR, jwt, save
from tests.clients import QUICK, WITHIN_S, account_states, pool
from tests.conftest import Proxy
from tests.hearing import Listener, asking, by_turns, conversing, message, over_sockets
from tests.issuing import LiveIssuer, issuing
from tests.plays import Asked, Play, Step, healthy, plain
from tests.scripted import Upstream
from tests.talking import heard, say

NOT_FOUND = "previous_response_not_found"


def _last_id(answer: Any) -> str:
    return str(answer.events[-1]["response"]["id"])


async def test_a_transcript_beyond_its_bound_is_asked_for_anew(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url) as link:
        big = [message("x" * (33 << 20))]
        first = await say(link, asking(big))
        told = {"previous_response_id": _last_id(first)}
        refused = await say(link, asking([message("more")], **told))
        assert (refused.status, refused.error["code"]) == (400, NOT_FOUND)
        assert len(upstream.seen) == 1
        again = await say(link, asking([message("all of it")]))
        told = {"previous_response_id": _last_id(again)}
        on = await say(link, asking([message("more")], **told))
    assert again.text == on.text
    assert len(upstream.seen[-1].body["input"]) == 3


async def test_an_unknown_previous_response_is_told_as_openai_tells_it(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url) as link:
        refused = await say(link, asking([message("more")], previous_response_id="resp_gone"))
        assert (refused.status, refused.error["code"]) == (400, NOT_FOUND)
        assert refused.error["type"] == "invalid_request_error"
        assert (await say(link, asking())).status == 200


async def test_a_turn_that_failed_late_can_be_asked_again_from_before(
    proxy: Proxy, upstream: Upstream
) -> None:
    upstream.plays["only"] = by_turns(healthy, faulty_plays.failed_late)
    server = await proxy(pool({"only": upstream.url}))
    async with conversing(server.url) as link:
        told = {"previous_response_id": _last_id(await say(link, asking("one")))}
        broken = await say(link, asking([message("two")], **told))
        assert broken.events[-1]["type"] == "response.failed"
        again = await say(link, asking([message("two")], **told))
    assert again.status == 200
    assert len(upstream.seen[-1].body["input"]) == 3


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_reasoning_minted_elsewhere_is_left_out_once_and_resent(
    transport: str, proxy: Proxy, upstream: Upstream
) -> None:
    reasoning = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "encrypted_content": "gAAAAsecret",
    }
    foreign = faulty_plays.error(400, "invalid_encrypted_content", "invalid_request_error")

    def play(asked: Asked) -> Iterable[Step]:
        kinds = [item["type"] for item in asked.body["input"]]
        return (foreign if "reasoning" in kinds else healthy)(asked)

    async with Listener() as listener:
        one: Listener | Upstream = listener if transport == "socket" else upstream
        one.plays["only"] = play
        toml = over_sockets if transport == "socket" else pool
        server = await proxy(toml({"only": one.url}))
        async with conversing(server.url) as link:
            answer = await say(link, asking([message("a"), reasoning, message("b")]))
        assert answer.text.startswith("Hello from only")
        assert [len(asked.body["input"]) for asked in one.seen] == [3, 2]
        assert (await account_states(server.url))["only"]["state"] == "ready"


async def test_an_exhausted_pool_says_so_with_the_time(proxy: Proxy, upstream: Upstream) -> None:
    upstream.plays = dict.fromkeys(("first", "second"), faulty_plays.usage_limit)
    server = await proxy(pool(dict.fromkeys(("first", "second"), upstream.url)))
    async with conversing(server.url) as link:
        for _ in range(2):
            answer = await say(link, asking())
            assert answer.status == 429
            assert answer.error["type"] == "usage_limit_reached"
            assert answer.error["resets_at"] == pytest.approx(time.time() + 3600, abs=120)
    assert sorted(upstream.asked()) == ["first", "second"]


SURE_TO_FAIL: Mapping[str, Any] = {
    "no model": {"model": None},
    "no JSON": "}{",
    "no object": "[1]",
    "no type": '{"model":"gpt-5.5"}',
    "an odd type": '{"type":7}',
    "an unknown type": '{"type":"response.cancel"}',
    "an odd input": {"input": 7},
    "an odd previous id": {"previous_response_id": 7},
    "an odd generate": {"generate": "no", "model": 1},
    "a lone surrogate": '{"type":"response.create","model":"gpt-5.5","input":"\\ud800"}',
    "nested too deep": '{"type":"response.create","input":' + "[" * 5000 + "]" * 5000 + "}",
    "nothing": "",
}


@pytest.mark.parametrize("name", SURE_TO_FAIL)
async def test_what_is_no_request_is_a_400_and_the_socket_lives(
    name: str, proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"only": upstream.url}))
    what = SURE_TO_FAIL[name]
    if not isinstance(what, str):
        what = json.dumps({"type": "response.create", **asking(), **what})
    async with conversing(server.url) as link:
        await link.send_str(what)
        refused = await heard(link)
        assert refused.status == 400, refused
        assert refused.error["message"]
        assert upstream.seen == []
        assert (await say(link, asking())).status == 200


@define
class _Twin:
    """What an account with a file is, in a pool."""

    toml: str
    issuer: LiveIssuer


async def _chatgpt(folder: Path, url: str, stack: AsyncExitStack) -> _Twin:
    issuer = await stack.enter_async_context(issuing())
    save(folder / "a.json", jwt(time.time() + HOUR, n="dead"), "rt_0")
    toml = (
        f'[server]\npatience_s = 0\n[[accounts]]\nid = "a"\nkind = "chatgpt"\npriority = 0\n'
        f'auth_file = "a.json"\nissuer = "{issuer.url}"\n'
        f'base_url = "{url.removesuffix("/v1")}/backend-api"\n'
    )
    return _Twin(toml, issuer)


def _unless(token: str, play: Play) -> Play:
    """``play`` for any credential but ``token``."""
    return lambda asked: (healthy if asked.account == token else play)(asked)


DEAD = faulty_plays.error(401, "token_expired", "invalid_request_error")


async def test_a_dead_token_is_renewed_and_never_the_clients_matter(
    proxy: Proxy, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(Listener())
        twin = await _chatgpt(tmp_path, listener.url, stack)
        listener.standing = _unless(twin.issuer.access, DEAD)
        server = await proxy(twin.toml)
        async with conversing(server.url) as link:
            answer = await say(link, asking())
        assert answer.status == 200
        assert twin.issuer.uses == 1
        assert len(listener.handshakes) == 2
        assert (await account_states(server.url))["a"]["state"] == "ready"


@pytest.mark.parametrize("where", ["frame", "handshake"])
async def test_a_refused_login_sends_the_turn_to_another_account(
    where: str, proxy: Proxy, tmp_path: Path, upstream: Upstream
) -> None:
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(Listener())
        twin = await _chatgpt(tmp_path, listener.url, stack)
        listener.standing = DEAD
        listener.refuses_upgrade = 401 if where == "handshake" else 0
        other = pool({"other": upstream.url}, timeouts=QUICK).partition("[[accounts]]")
        other_toml = f"[[accounts]]{other[2]}".replace("priority = 0", "priority = 1")
        server = await proxy(twin.toml + other_toml)
        async with conversing(server.url) as link:
            answer = await say(link, asking())
        assert answer.text.startswith("Hello from other")
        assert twin.issuer.uses == 1
        assert (await account_states(server.url))["a"]["state"] == "refused"


@pytest.mark.parametrize("status", [426, 404, 405, 501, 200])
async def test_an_upstream_that_wants_http_gets_it(status: int, proxy: Proxy) -> None:
    async with Listener() as listener:
        listener.refuses_upgrade = status
        server = await proxy(over_sockets({"only": listener.url}))
        async with conversing(server.url) as link:
            warm = await say(link, asking([], generate=False))
            answer = await say(link, asking("one", previous_response_id=_last_id(warm)))
            assert answer.text.startswith("Hello from only")
            told = {"previous_response_id": _last_id(answer)}
            await say(link, asking([message("two")], **told))
    assert listener.refused == 1
    assert [len(asked.body["input"]) for asked in listener.posted] == [1, 3]
    assert all(asked.stream for asked in listener.posted)


async def test_why_a_handshake_was_refused_is_asked_over_http(proxy: Proxy) -> None:
    spent = {"type": "usage_limit_reached", "resets_at": int(time.time()) + 3600, "message": "no"}
    async with Listener() as listener:
        listener.refuses_upgrade, listener.post_refusal = 429, (429, spent)
        server = await proxy(over_sockets({"only": listener.url}))
        async with conversing(server.url) as link:
            answer = await say(link, asking())
        assert (answer.status, answer.error["type"]) == (429, "usage_limit_reached")
        assert (await account_states(server.url))["only"]["state"] == "exhausted"


async def test_every_error_frame_has_a_status(proxy: Proxy, upstream: Upstream) -> None:
    odd = [
        plain(418, {"error": "a word"}),
        plain(400, {"detail": "Instructions are required"}),
        plain(422, ["a", "list"]),
        plain(400, b"<html>"),
        plain(404, {}),
    ]
    server = await proxy(pool({"only": upstream.url}, timeouts=QUICK))
    for play in odd:
        upstream.plays["only"] = play
        async with conversing(server.url) as link:
            await link.send_str(json.dumps({"type": "response.create", **asking()}))
            frame = json.loads((await link.receive(timeout=WITHIN_S)).data)
        assert frame["type"] == "error"
        assert isinstance(frame["status"], int)
        assert isinstance(frame["error"], dict), frame
        assert frame["error"]["message"]


async def test_a_handshake_needs_a_key_where_there_are_keys(
    proxy: Proxy, upstream: Upstream
) -> None:
    keys = '[[keys]]\nname = "alice"\nkey = "alice-key-0123456789"\n'
    server = await proxy(pool({"only": upstream.url}) + keys)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with conversing(server.url):
            pass
    assert refused.value.status == 401
    told = {"authorization": "Bearer alice-key-0123456789"}
    async with conversing(server.url, told) as link:
        assert (await say(link, asking())).status == 200
