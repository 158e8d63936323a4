"""What is left of a request while its answer stands, and what its end says of it."""

import asyncio
import json
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

import aiohttp

from tests.clients import ask, asking, client, pool, until
from tests.conftest import Proxy
from tests.plays import LAST_CHUNK, SSE, Asked, Pause, Step, chunk, frames, head, plain
from tests.scripted import Upstream
from tests.test_relay import quiet
from tests.wire import post


async def test_a_request_is_forgotten_once_content_has_begun(
    upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = quiet(60.0, frames_first=6)
    server = await proxy(pool({"a": upstream.url}))
    url, sent = f"{server.url}/v1/responses", asking("x" * 10_000, stream=True)
    async with client() as session, session.post(url, json=sent) as answer:
        assert answer.status == 200
        assert b"response.created" in await answer.content.readany()
        (delivery,) = server.gateway.deliveries
        assert delivery.call.body.names() == ()
        assert delivery.opened is not None
        assert delivery.opened.head == b""


async def test_a_client_that_leaves_with_the_last_word_was_answered(
    upstream: Upstream, proxy: Proxy
) -> None:
    def late_end(asked: Asked) -> Iterable[Step]:
        yield head(200, SSE)
        yield chunk(b"".join(frames(asked)))
        yield Pause(0.15)
        yield LAST_CHUNK

    upstream.plays["a"] = late_end
    server = await proxy(pool({"a": upstream.url}))
    answer = await ask(server.url, asking(stream=True))  # its connection ends with it
    timeline = server.gateway.timelines.get
    await until(lambda: timeline(answer.headers["x-request-id"]))
    told = timeline(answer.headers["x-request-id"])
    assert told is not None
    assert (told.past.status, told.past.settled.outcome) == (200, "completed")


LARGE = "x" * 300_000  # more than is copied


async def test_a_large_body_comes_through_every_door(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    for stream in (True, False):
        answer = await ask(server.url, asking(LARGE, stream=stream))
        assert answer.status == 200
        assert upstream.seen[-1].body["input"] == LARGE
    said = {"model": "gpt-5.5", "messages": [{"role": "user", "content": LARGE}]}
    async with client() as session:
        answered = await session.post(f"{server.url}/v1/chat/completions", json=said)
        assert answered.status == 200
        upstream.plays["a"] = plain(200, b'{"id": "file-1"}')
        form = aiohttp.FormData({"purpose": "user_data", "file": LARGE}, default_to_multipart=True)
        sent = await session.post(f"{server.url}/v1/files", data=form)
        assert sent.status == 200, await sent.text()


async def test_answers_to_one_connection_keep_their_order_in_a_crowd(
    upstream: Upstream, proxy: Proxy
) -> None:
    """What is relayed may be held back to the end of a turn; what the server says itself is not."""
    server = await proxy(pool({"a": upstream.url}))
    server.gateway.dispatch.tries.transport.wires.outbox.asking = 10
    place = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    asked = post(json.dumps(asking()).encode(), {"Connection": "keep-alive"})
    nowhere = b"GET /nowhere HTTP/1.1\r\nHost: lb\r\n"
    writer.write((asked + nowhere + b"\r\n") * 3 + nowhere + b"Connection: close\r\n\r\n")
    async with asyncio.timeout(10):
        told = await reader.read()
    writer.close()
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200", b"404"] * 3 + [b"404"]
