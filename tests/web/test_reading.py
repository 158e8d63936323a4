"""Bodies are read over real sockets: in time, in bounds, plain."""

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
import zstandard
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from lb.core.errors import Problem
from lb.core.inflate import MIB
from lb.web.reading import is_unread, read_body

LIMIT = 4 * MIB
JSON = {"Content-Type": "application/json"}
Serve = Callable[..., Awaitable["Door"]]


class Door:
    """A server that reads a body and says how long it was; what went wrong is in ``problems``."""

    def __init__(self, limit_bytes: int = LIMIT, **patience: float) -> None:
        self.limit_bytes, self.patience = limit_bytes, patience
        self.problems: list[BaseException] = []
        self.bodies: list[bytes] = []
        self.done = asyncio.Event()
        self.url = ""
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        try:
            self.bodies.append(bytes(await read_body(request, self.limit_bytes, **self.patience)))
        except Problem as problem:
            self.problems.append(problem)
            response = web.Response(status=problem.status, body=problem.body())
            if is_unread(request):
                response.force_close()
            return response
        except BaseException as error:
            self.problems.append(error)
            raise
        finally:
            self.done.set()
        return web.Response(text=str(len(self.bodies[-1])))


@pytest.fixture
async def serve(aiohttp_server: Callable[..., Awaitable[TestServer]]) -> Serve:
    async def serve(**options: Any) -> Door:
        door = Door(**options)
        app = web.Application()
        app.router.add_post("/", door.answer)
        server = await aiohttp_server(app, auto_decompress=False, lingering_time=0.05)
        door.url, door.port = str(server.make_url("/")), int(server.port or 0)
        return door

    return serve


async def post(door: Door, data: Any, **headers: str) -> tuple[int, str]:
    named = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with (
        ClientSession() as session,
        session.post(door.url, data=data, headers=named) as response,
    ):
        return response.status, await response.text()


async def say(door: Door, *pieces: bytes) -> tuple[bytes, asyncio.StreamWriter]:
    """Speak raw bytes; what is answered until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    for piece in pieces:
        writer.write(piece)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 5)
    return answer, writer


def head(*lines: str) -> bytes:
    return "\r\n".join(("POST / HTTP/1.1", "Host: x", *lines, "", "")).encode()


@pytest.mark.parametrize("size", [0, 2, 200_000, LIMIT])
async def test_a_body_is_read_as_it_came(serve: Serve, size: int) -> None:
    door = await serve()
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert await post(door, data) == (200, str(size))
    assert door.bodies == [data]


async def test_a_chunked_body_is_read_as_it_came(serve: Serve) -> None:
    door = await serve()

    async def pieces() -> Any:
        for at in range(20):
            yield b"%d," % at * 5000

    assert (await post(door, pieces()))[0] == 200
    assert door.bodies == [b"".join(b"%d," % at * 5000 for at in range(20))]


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("Deflate", zlib.compress),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "identity": ("identity", lambda data: data),
    "two": ("gzip, identity , zstd", lambda data: CODINGS["zstd"][1](gzip.compress(data))),
}


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize("size", [100, LIMIT])
async def test_a_compressed_body_is_plain(serve: Serve, name: str, size: int) -> None:
    coding, encode = CODINGS[name]
    door = await serve()
    data = Random(1).randbytes(size // 8).hex().encode() * 4  # compressible, but no bomb
    data += b" " * (size - len(data))
    assert await post(door, encode(data), Content_Encoding=coding) == (200, str(size))
    assert door.bodies == [data]


@pytest.mark.parametrize(
    ("data", "coding", "status"),
    [
        (gzip.compress(bytes(LIMIT + 1)), "gzip", 413),
        (gzip.compress(b"{}")[:-3], "gzip", 400),
        (b"{}", "gzip", 400),
        (b"{}", "br", 415),
        (b"{}", "gzip, gzip, gzip", 415),
    ],
    ids=["too large", "cut", "plain", "unknown", "too many"],
)
async def test_a_bad_coding_is_told(serve: Serve, data: bytes, coding: str, status: int) -> None:
    door = await serve()
    answer = await post(door, data, Content_Encoding=coding)
    assert answer[0] == status
    assert '"error"' in answer[1]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/vnd.api+json", 200),
        ("text/plain", 400),
        ("application/x-www-form-urlencoded", 400),
        ("application/jsonx", 400),
        ("", 400),
    ],
)
async def test_only_json_is_read(serve: Serve, kind: str, status: int) -> None:
    door = await serve()
    answer = await post(door, b"{}", Content_Type=kind)
    assert answer[0] == status
    assert ("unsupported_content_type" in answer[1]) == (status == 400)


async def test_a_missing_content_type_is_told(serve: Serve) -> None:
    door = await serve()
    answer, _ = await say(door, head("Content-Length: 2", "Connection: close"), b"{}")
    assert b" 400 " in answer
    assert b"unsupported_content_type" in answer


async def test_a_body_announced_too_large_is_refused_before_it_comes(serve: Serve) -> None:
    door = await serve(limit_bytes=1000)
    answer, _ = await say(door, head("Content-Type: application/json", "Content-Length: 1001"))
    assert b" 413 " in answer
    assert b"Connection: close" in answer


@pytest.mark.parametrize("pieces", [1, 40])
async def test_a_chunked_body_is_refused_where_it_passes_the_limit(
    serve: Serve, pieces: int
) -> None:
    door = await serve(limit_bytes=1000)
    chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    start = head("Content-Type: application/json", "Transfer-Encoding: chunked")
    answer, _ = await say(door, start, *[chunk] * pieces, b"1\r\nx\r\n")
    assert b" 413 " in answer
    assert b"Connection: close" in answer
    assert not door.bodies


async def test_a_slow_body_is_cut_and_the_connection_closed(serve: Serve) -> None:
    door = await serve(base_s=0.05)
    answer, _ = await say(door, head("Content-Type: application/json", "Content-Length: 10"), b"{")
    assert b" 408 " in answer
    assert b"Connection: close" in answer
    assert b"request_timeout" in answer


async def test_what_has_arrived_buys_time(serve: Serve) -> None:
    """Not a byte's worth of patience at first; a mebibyte received is worth half a minute."""
    door = await serve(base_s=0.1, per_mib_s=30.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(head("Content-Type: application/json", f"Content-Length: {MIB + 1}"))
    writer.write(bytes(MIB))
    await writer.drain()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(door.done.wait(), 0.2)
    writer.write(b"x")
    assert b" 200 " in await reader.readline()
    writer.close()


async def test_wrong_framing_is_a_400(serve: Serve) -> None:
    door = await serve()
    start = head("Content-Type: application/json", "Transfer-Encoding: chunked")
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(start + b"2\r\n{}\r\n")
    await writer.drain()
    writer.write(b"zz\r\n")
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_a_client_that_leaves_is_no_fault_of_the_server(serve: Serve) -> None:
    door = await serve()
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(head("Content-Type: application/json", "Content-Length: 10") + b"{")
    await writer.drain()
    writer.close()
    await asyncio.wait_for(door.done.wait(), 5)
    assert isinstance(door.problems[0], (ConnectionError, asyncio.CancelledError))
