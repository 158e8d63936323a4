"""What a client gets of an upstream's stream: its very bytes, signs of life, and an end."""

import asyncio
import json
import random
import socket
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from lb.core.ledger import Settled
from lb.core.sse import COMMENT, KEEPALIVE_EVENT
from lb.proxy.said import line_of
from tests.clients import Answer, ask, asking, client, events_of, pool, taken, until
from tests.conftest import Proxy, Scripted
from tests.faulty_plays import cut_after, error, failed_first
from tests.plays import LAST_CHUNK, SSE, Asked, End, Pause, Play, Step, chunk, frames, head, saying
from tests.scripted import Upstream
from tests.wire import post

CODEX = {"originator": "codex_cli_rs", "user-agent": "codex_cli_rs/0.169.0"}
LINE_ENDS = [b"\n", b"\r\n"]


def wire_of(asked: Asked, line_end: bytes = b"\n") -> bytes:
    """A healthy answer as bytes, with comments and ids between."""
    told = b": hi\n\n" + b"id: 1\n: between\n\n".join(frames(asked))
    return told.replace(b"\n", line_end)


def in_pieces(line_end: bytes, most: int, seed: int) -> Play:
    """The answer of ``wire_of``, cut anywhere."""

    def play(asked: Asked) -> Iterable[Step]:
        wire, rng = wire_of(asked, line_end), random.Random(seed)
        yield head(200, SSE)
        while wire:
            size = rng.randint(1, most)
            yield chunk(wire[:size])
            wire = wire[size:]
            if rng.random() < 0.1:
                yield Pause(0.001)
        yield LAST_CHUNK

    return play


def quiet(seconds: float, *, frames_first: int) -> Play:
    """A healthy answer with a silence after its first frames."""

    def play(asked: Asked) -> Iterable[Step]:
        told = frames(asked)
        yield head(200, SSE)
        yield chunk(b"".join(told[:frames_first]) + told[frames_first][:20])
        yield Pause(seconds)
        yield chunk(told[frames_first][20:] + b"".join(told[frames_first + 1 :]))
        yield LAST_CHUNK

    return play


async def asked_as(url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Answer:
    async with (
        client() as session,
        session.post(f"{url}/v1/responses", json=body, headers=headers) as response,
    ):
        return await taken(response)


@pytest.mark.parametrize("line_end", LINE_ENDS, ids=["LF", "CRLF"])
@pytest.mark.parametrize("most", [1 << 20, 200, 7], ids=["whole", "pieces", "crumbs"])
async def test_the_client_gets_the_very_bytes_the_upstream_sent(
    most: int, line_end: bytes, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    for seed in range(3):
        upstream.plays["a"] = in_pieces(line_end, most, seed)
        answer = await ask(server.url, asking(stream=True))
        assert answer.raw == wire_of(upstream.seen[-1], line_end)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache, no-transform"
        assert answer.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize(
    ("headers", "sign"), [({}, COMMENT), (CODEX, KEEPALIVE_EVENT)], ids=["others", "codex"]
)
@pytest.mark.parametrize("frames_first", [2, 6], ids=["before content", "after content"])
async def test_a_silence_is_bridged_by_signs_of_life_between_frames(
    frames_first: int, headers: dict[str, str], sign: bytes, upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = quiet(0.3, frames_first=frames_first)
    server = await proxy(pool({"a": upstream.url}, extra="keepalive_s = 0.1"))
    answer = await asked_as(server.url, headers, asking(stream=True))
    told = frames(upstream.seen[0])
    before = 0 if frames_first == 2 else frames_first
    beats = answer.raw.count(sign)
    assert 1 <= beats <= 3
    assert answer.raw == b"".join(told[:before]) + sign * beats + b"".join(told[before:])


async def test_a_request_moves_on_unseen_after_the_first_sign_of_life(
    scripted: Scripted, proxy: Proxy
) -> None:
    one, other = await scripted(2)

    def fails_late(asked: Asked) -> Iterable[Step]:
        yield head(200, SSE)
        yield chunk(b"".join(frames(asked)[:2]))
        yield Pause(0.25)
        yield from list(failed_first("server_error")(asked))[2:]

    one.plays["a"] = fails_late
    urls = {"a": one.url, "b": other.url}
    server = await proxy(pool(urls, in_order=True, extra="keepalive_s = 0.1"))
    answer = await ask(server.url, asking(stream=True))
    assert answer.status == 200
    assert answer.raw.startswith(COMMENT)
    assert answer.raw.replace(COMMENT, b"") == b"".join(frames(other.seen[0]))


async def test_a_failure_after_the_first_sign_of_life_ends_in_a_frame(
    upstream: Upstream, proxy: Proxy
) -> None:
    def late(asked: Asked) -> Iterable[Step]:
        yield Pause(0.25)
        yield from error(401, "invalid_api_key")(asked)

    upstream.plays["a"] = late
    server = await proxy(pool({"a": upstream.url}, extra="keepalive_s = 0.1"))
    answer = await ask(server.url, asking(stream=True))
    assert (answer.status, answer.broken) == (200, "")
    assert answer.raw.startswith(COMMENT)
    assert [event["type"] for event in answer.events] == ["response.failed"]
    assert answer.error["code"] == "no_accounts"


async def test_a_busy_stream_needs_no_signs_of_life(upstream: Upstream, proxy: Proxy) -> None:
    upstream.plays["a"] = saying(None, interval_s=0.02)
    server = await proxy(pool({"a": upstream.url}, extra="keepalive_s = 0.15"))
    answer = await ask(server.url, asking(stream=True))
    assert answer.raw == b"".join(frames(upstream.seen[0]))


async def test_a_cut_stream_ends_under_its_own_id_and_the_next_number(
    upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = cut_after(7)
    server = await proxy(pool({"a": upstream.url}))
    answer = await ask(server.url, asking(stream=True))
    sent = b"".join(frames(upstream.seen[0])[:7])
    assert answer.raw.startswith(sent)
    (last,) = events_of(answer.raw[len(sent) :])
    assert (last["type"], last["sequence_number"]) == ("response.failed", 7)
    assert last["response"]["id"] == upstream.seen[0].identity.response_id
    assert last["response"]["error"]["code"] == "upstream_interrupted"


def login(folder: Any, upstream: Upstream, extra: str = "") -> str:
    """accounts.toml for one chatgpt account that is signed in."""
    token = "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln"
    tokens = {"access_token": token, "refresh_token": "rt_1", "id_token": token, "account_id": "w"}
    file = folder / "auth.json"
    file.write_text(json.dumps({"tokens": tokens, "last_refresh": "2026-01-01T00:00:00Z"}))
    file.chmod(0o600)
    url = upstream.url.removesuffix("/v1")
    return (
        f'[server]\npatience_s = 0\n{extra}\n[[accounts]]\nid = "a"\nkind = "chatgpt"\n'
        f'base_url = "{url}"\nauth_file = "{file}"\n'
    )


@pytest.mark.parametrize("emptied", [True, False], ids=["output left empty", "output complete"])
async def test_who_asked_for_no_stream_gets_the_whole_of_one(
    *, emptied: bool, tmp_path: Any, upstream: Upstream, proxy: Proxy
) -> None:
    def play(asked: Asked) -> Iterable[Step]:
        told = frames(asked)
        done = events_of(told[-1])[0]
        if emptied:
            done["response"]["output"] = []
        last = b"event: response.completed\ndata: " + json.dumps(done).encode() + b"\n\n"
        yield head(200, SSE)
        yield chunk(b"".join(told[:-1]) + last)
        yield LAST_CHUNK

    upstream.choose = lambda _: play
    server = await proxy(login(tmp_path, upstream))
    answer = await ask(server.url, asking())
    assert upstream.seen[0].stream, "this upstream is asked for a stream whatever the client wants"
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.body["status"] == "completed"
    assert answer.text.endswith("seven eight.")
    assert answer.body["output"][0]["id"].startswith("msg_")
    assert answer.body["usage"]["total_tokens"] > 0


async def test_a_client_that_does_not_read_costs_a_bounded_buffer(
    upstream: Upstream, proxy: Proxy
) -> None:
    sent = 0
    big = b'event: response.output_text.delta\ndata: {"delta":"' + b"x" * 65536 + b'"}\n\n'

    def flood(asked: Asked) -> Iterable[Step]:
        nonlocal sent
        yield head(200, SSE)
        for _ in range(1000):
            sent += len(big)
            yield chunk(big)
        yield LAST_CHUNK

    upstream.plays["a"] = flood
    server = await proxy(pool({"a": upstream.url}))
    place = urlsplit(server.url)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, (place.hostname, place.port))
        await loop.sock_sendall(deaf, post(json.dumps(asking(stream=True)).encode()))
        await until(lambda: sent > 0)
        before = -1
        while before != sent:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 20 << 20, "of 64 MiB only what buffers hold has been taken"
    await until(lambda: server.gateway.pool.slots["a"].in_flight == 0)
    await asyncio.sleep(0.05)
    assert sent <= before + 2 * len(big), "nothing more is taken once the client is gone"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("begun", [True, False], ids=["after content", "before content"])
async def test_a_client_that_leaves_ends_the_upstream_s_work_and_blames_nobody(
    *, begun: bool, stream: bool, upstream: Upstream, proxy: Proxy
) -> None:
    def play(asked: Asked) -> Iterable[Step]:
        if begun:
            yield head(200, SSE if stream else {"content-type": "application/json"})
            yield chunk(b"".join(frames(asked)[:6]) if stream else b'{"id":')
        yield End.HANG

    upstream.plays["a"] = play
    server = await proxy(pool({"a": upstream.url}))
    loop, slot = asyncio.get_running_loop(), server.gateway.pool.slots["a"]
    place = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(post(json.dumps(asking(stream=stream)).encode(), {"Connection": "keep-alive"}))
    await until(lambda: upstream.seen and slot.in_flight)
    if begun and stream:
        await reader.readuntil(b"output_text.delta")
    delivery = next(iter(server.gateway.deliveries))
    left_at = loop.time()
    writer.transport.abort()
    await until(lambda: upstream.cancelled)
    assert (upstream.seen[0].left_at or 0) - left_at < 0.2
    await until(lambda: slot.in_flight == 0 and not server.gateway.deliveries)
    assert slot.health.state.value == "ready"
    assert slot.mishap is None
    told = line_of(delivery)
    assert isinstance(told["attempts"], list)
    assert "client_gone" in {told["outcome"], *(a["outcome"] for a in told["attempts"])}


async def test_what_a_client_used_before_it_left_is_booked(
    upstream: Upstream, proxy: Proxy
) -> None:
    def play(asked: Asked) -> Iterable[Step]:
        told = frames(asked)
        yield head(200, SSE)
        yield chunk(b"".join(told))
        yield End.HANG

    upstream.plays["a"] = play
    server = await proxy(pool({"a": upstream.url}))
    heard: list[Any] = []
    server.gateway.dispatch.books.note = lambda *facts: heard.extend(facts)
    answer = await ask(server.url, asking(stream=True))
    assert answer.status == 200
    await until(lambda: [fact for fact in heard if isinstance(fact, Settled)])
    (settled,) = (fact for fact in heard if isinstance(fact, Settled))
    used = settled.tokens
    assert (settled.account, used.source, used.input > 0, used.output > 0) == (
        "a",
        "upstream",
        True,
        True,
    )
