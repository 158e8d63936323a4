"""The request door under fire: whatever comes in, no 5xx, no hang, no traceback.

A healthy upstream stands behind it, so that a 5xx could only be the door's own fault.
"""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clients import pool
from tests.conftest import Proxy, Served
from tests.scripted import Upstream
from tests.wire import Reply, post, send

LARGEST_MB = 2
FIELDS = [
    *("model", "input", "instructions", "messages", "stream", "store", "tools", "tool_choice"),
    *("text", "reasoning", "include", "previous_response_id", "conversation", "truncation"),
    *("metadata", "prompt_cache_key", "background", "max_output_tokens", "temperature", "top_p"),
    *("parallel_tool_calls", "service_tier", "user", "unheard_of"),
]
ITEM_TYPES = (
    "message",
    "function_call",
    "function_call_output",
    "reasoning",
    "item_reference",
    "?",
)
GOOD = json.dumps({"model": "gpt-5.5", "input": "hello"}).encode()
FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["user", "system", "tool", "gpt-5.5", "input_text", "file_search", *ITEM_TYPES]
    )
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "role", "content", "text", "id", "x"]), inner)
    ),
    max_leaves=12,
)
item = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(ITEM_TYPES) | scalars,
        "role": st.sampled_from(["user", "assistant", "system", "developer", "tool"]) | scalars,
        "content": anything,
        "tool_calls": anything,
        "call_id": scalars,
        "output": anything,
    },
)
near_misses = st.fixed_dictionaries(
    {"model": st.just("gpt-5.5") | scalars},
    optional={
        "input": st.text(max_size=20) | st.lists(item, max_size=4) | anything,
        "messages": st.lists(item, max_size=4) | anything,
        "tools": st.lists(item, max_size=3) | anything,
        "stream": st.booleans() | scalars,
        "store": st.booleans() | scalars,
        "include": st.lists(scalars, max_size=3) | anything,
    },
)
bodies = near_misses | st.dictionaries(st.sampled_from(FIELDS), anything, max_size=8)


Door = Callable[[bytes], Coroutine[Any, Any, Reply]]


@pytest.fixture
async def door(proxy: Proxy, upstream: Upstream, capfd: pytest.CaptureFixture[str]) -> Door:
    """Sends bytes to the proxy and holds the answer against what the door promises."""
    server: Served = await proxy(
        pool({"only": upstream.url}, extra=f'max_body_mb = {LARGEST_MB}\nlog_level = "info"')
    )

    async def knock(request: bytes, *, half_close: bool = False) -> Reply:
        reply = await send(server.url, request, half_close=half_close)
        assert all(status < 500 for status in reply.statuses), reply.raw[:500]
        told = capfd.readouterr()
        assert "Traceback" not in told.out + told.err, told.out + told.err
        return reply

    return knock


@FUZZ
@given(body=bodies)
async def test_any_json_is_answered_or_refused_in_words(door: Door, body: Any) -> None:
    _check(await door(post(json.dumps(body).encode())))


@FUZZ
@given(body=st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode("utf-16")))
async def test_any_bytes_are_refused_in_words(door: Door, body: bytes) -> None:
    reply = await door(post(body))
    _check(reply)


@FUZZ
@given(
    place=st.integers(0, 400),
    cut=st.integers(0, 3),
    put=st.binary(max_size=6) | st.sampled_from([b"\r\n", b"\n", b"\0", b": ", b"\xff", b"HTTP/9"]),
)
async def test_a_damaged_request_does_no_harm(door: Any, place: int, cut: int, put: bytes) -> None:
    whole = post(GOOD)
    place %= len(whole)
    await door(whole[:place] + put + whole[place + cut :], half_close=True)


@FUZZ
@given(
    encoding=st.sampled_from(["gzip", "deflate", "zstd", "br", "identity", "gzip, zstd", "?", ""]),
    body=st.binary(max_size=100)
    | st.sampled_from([gzip.compress(GOOD), zlib.compress(GOOD), zstandard.compress(GOOD), GOOD]),
    cut=st.integers(0, 8),
)
async def test_any_encoding_is_read_or_refused(
    door: Door, encoding: str, body: bytes, cut: int
) -> None:
    _check(await door(post(body[: len(body) - cut], {"Content-Encoding": encoding})))


HUGE = 64 << 20
REFUSED_BODIES: dict[str, tuple[bytes, dict[str, str], set[int]]] = {
    "nothing": (b"", {}, {400}),
    "null": (b"null", {}, {400}),
    "a list": (b"[1, 2]", {}, {400}),
    "NaN": (b'{"model": "gpt-5.5", "input": NaN}', {}, {400}),
    "infinity": (b'{"model": "gpt-5.5", "input": "x", "temperature": 1e999}', {}, {200, 400}),
    "a lone surrogate": (b'{"model": "gpt-5.5", "input": "\\ud800"}', {}, {400}),
    "no UTF-8": (b'{"model": "gpt-5.5", "input": "\xff\xfe"}', {}, {400}),
    "deep": (b'{"input": ' + b"[" * 200_000, {}, {400}),
    "deep and closed": (
        b'{"model": "gpt-5.5", "input": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        {},
        {400},
    ),
    "a long number": (b'{"model": "gpt-5.5", "input": ' + b"9" * 100_000 + b"}", {}, {400}),
    "too large": (b'{"input": "' + b"x" * (LARGEST_MB << 20) + b'"}', {}, {413}),
    "the wrong content type": (GOOD, {"Content-Type": "text/plain"}, {400, 415}),
    "a form": (b"model=gpt", {"Content-Type": "application/x-www-form-urlencoded"}, {400, 415}),
    "an unknown charset": (
        GOOD,
        {"Content-Type": "application/json; charset=klingon"},
        {200, 400, 415},
    ),
    "a gzip bomb": (gzip.compress(bytes(HUGE)), {"Content-Encoding": "gzip"}, {413}),
    "a deflate bomb": (zlib.compress(bytes(HUGE)), {"Content-Encoding": "deflate"}, {413}),
    "a zstd bomb": (zstandard.compress(bytes(HUGE)), {"Content-Encoding": "zstd"}, {413}),
    "a bomb in a bomb": (
        gzip.compress(gzip.compress(bytes(HUGE))),
        {"Content-Encoding": "gzip, gzip"},
        {400, 413, 415},
    ),
    "garbage as gzip": (b"no gzip at all", {"Content-Encoding": "gzip"}, {400}),
    "half a gzip": (gzip.compress(GOOD * 50)[:60], {"Content-Encoding": "gzip"}, {400}),
    "an unknown encoding": (GOOD, {"Content-Encoding": "sdch"}, {400, 415}),
}


@pytest.mark.parametrize("name", REFUSED_BODIES)
async def test_a_body_that_cannot_be_read_is_refused(name: str, door: Door) -> None:
    body, headers, statuses = REFUSED_BODIES[name]
    reply = await door(post(body, headers))
    assert reply.statuses, "hung up without a word"
    assert reply.statuses[0] in statuses, reply.raw[:400]
    _check(reply)
    assert reply.seconds < 2.0


HEAD = (
    b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\n"
)
WHOLE = HEAD + b"Content-Length: %d\r\n" % len(GOOD)
HEADS: dict[str, bytes] = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "an unknown version": b"POST /v1/responses HTTP/9.9\r\nHost: x\r\n\r\n",
    "no version": b"POST /v1/responses\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "no path": b"POST  HTTP/1.1\r\nHost: x\r\n\r\n",
    "a strange method": b"BREW /v1/responses HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "both lengths": WHOLE + b"Transfer-Encoding: chunked\r\n\r\n" + GOOD,
    "chunks within a length": HEAD
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "two lengths": WHOLE + b"Content-Length: 1\r\n\r\n" + GOOD,
    "a length below zero": HEAD + b"Content-Length: -1\r\n\r\n" + GOOD,
    "a length with a sign": HEAD + b"Content-Length: +37\r\n\r\n" + GOOD,
    "a length that is none": HEAD + b"Content-Length: many\r\n\r\n" + GOOD,
    "a length out of this world": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n" + GOOD,
    "a chunk that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + GOOD,
    "a chunk below zero": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + GOOD,
    "a chunk that ends early": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + GOOD,
    "an unknown transfer": HEAD + b"Transfer-Encoding: cow\r\n\r\n" + GOOD,
    "a body that ends early": HEAD + b"Content-Length: 4000\r\n\r\n" + GOOD,
    "a huge header": HEAD + b"X-Huge: " + b"x" * 200_000 + b"\r\n\r\n",
    "a huge path": b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
    "a header without a name": HEAD + b": value\r\n\r\n",
    "a header in the header": HEAD + b"X-A: b\rX-C: d\r\n\r\n",
    "a zero byte": HEAD + b"X-A: b\x00c\r\n\r\n",
    "a folded header": HEAD + b"X-A: b\r\n c\r\n\r\n",
    "two hosts": HEAD + b"Host: elsewhere\r\n\r\n",
    "bytes in the key": HEAD + b"Authorization: Bearer \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    "bytes in the type": b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: \xff/\xfe\r\nContent-Length: 2\r\n\r\n{}",
    "an expectation": WHOLE + b"Expect: the-unexpected\r\n\r\n" + GOOD,
    "a broken upgrade": HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "pipelined rubbish": WHOLE + b"\r\n" + GOOD + b"\x00\x01\x02rubbish\r\n\r\n",
    "an empty line first": b"\r\n\r\n\r\n",
}


@pytest.mark.parametrize("name", HEADS)
async def test_a_head_that_is_no_http_does_no_harm(name: str, door: Any) -> None:
    reply = await door(HEADS[name], half_close=True)
    assert reply.seconds < 2.0
    assert all(status in range(100, 500) for status in reply.statuses)


async def test_of_two_lengths_nothing_is_smuggled(door: Any) -> None:
    hidden = b"0\r\n\r\nPOST /admin/accounts/only/pause HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = HEAD + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(hidden)
    reply = await door(head + hidden, half_close=True)
    assert reply.statuses == [400]


async def test_the_door_still_opens_after_all_that(door: Any) -> None:
    attacks = (door(head, half_close=True) for head in HEADS.values())
    await asyncio.gather(*attacks)
    reply = await door(post(GOOD))
    assert reply.statuses == [200]


def _check(reply: Reply) -> None:
    """Well-formed HTTP is always answered: well, or with OpenAI's envelope."""
    assert reply.statuses, "hung up without a word"
    assert reply.statuses[0] == 200 or reply.is_envelope, reply.raw[:400]
