"""Connections of our own: kept while they may serve again, and never fuller than they may be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from attrs import evolve

from lb.adapters.wire import READ_BYTES, HungUpError, Target, Wire
from lb.adapters.wires import Wires, head_of, target_of
from tests.clients import until

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
ASKED = ("POST", b"POST / HTTP/1.1\r\n\r\n", b"", 5.0)


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Target]:
    """A server of raw bytes; each connection is closed when ``serve`` returns."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield target_of(f"http://{host}:{port}/")
    finally:
        server.close()


async def answered(wires: Wires, target: Target) -> Wire:
    """A connection that has served one request and is given back."""
    wire = await wires.connect(target, 5.0)
    head = await wire.ask(*ASKED)
    assert (head.status, await wire.chunk(), wire.at_end()) == (200, b"hi", True)
    wires.give_back(wire)
    return wire


async def test_a_connection_serves_again() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)

    async with serving(serve) as target:
        wires = Wires()
        wire = await answered(wires, target)
        assert wires.take(target) is wire
        assert len(wires) == 0
        wire.close()


@pytest.mark.parametrize(("first_s", "then_s"), [(5.0, 0.1), (0.3, 0.5)])
async def test_each_answer_has_a_time_of_its_own_to_come(first_s: float, then_s: float) -> None:
    """Whether the timer of the one before would ring later or sooner."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()

    async with serving(serve) as target:
        wires, loop = Wires(), asyncio.get_running_loop()
        wire = await wires.connect(target, 5.0)
        await wire.ask(*ASKED[:3], first_s)
        assert (await wire.chunk(), wire.at_end()) == (b"hi", True)
        began = loop.time()
        with pytest.raises(TimeoutError):
            await wire.ask(*ASKED[:3], then_s)
        assert then_s <= loop.time() - began < 4.0
        wire.abort()


async def test_one_that_said_more_than_it_was_asked_does_not() -> None:
    spoken = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await spoken.wait()
        writer.write(OK)
        await reader.read()

    async with serving(serve) as target:
        wires = Wires()
        wire = await answered(wires, target)
        spoken.set()
        await until(lambda: not wire.keeps())
        assert wires.take(target) is None
        assert not wire.is_open()


async def test_one_that_was_closed_while_it_lay_idle_does_not() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    async with serving(serve) as target:
        wires = Wires()
        wire = await answered(wires, target)
        await until(lambda: not wire.is_open())
        assert wires.take(target) is None


async def test_one_that_was_answered_before_it_was_heard_does_not() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await reader.read(1)
        await asyncio.sleep(60)

    async with serving(serve) as target:
        wires = Wires()
        wire = await wires.connect(target, 5.0)
        head = await wire.ask("POST", b"POST / HTTP/1.1\r\n\r\n", bytes(64 << 20), 5.0)
        assert (head.status, wire.at_end(), wire.is_writing()) == (413, True, True)
        wires.give_back(wire)
        assert wires.take(target) is None


async def test_who_hangs_up_without_a_word_is_told_apart() -> None:
    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with serving(serve) as target:
        wire = await Wires().connect(target, 5.0)
        try:
            await wire.ask(*ASKED)
        except HungUpError:
            return
        raise AssertionError


async def test_what_nobody_takes_is_not_read() -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 << 20))
        for _ in range(64):
            writer.write(bytes(1 << 20))
            await writer.drain()
            sent += 1

    async with serving(serve) as target:
        wire = await Wires().connect(target, 5.0)
        await wire.ask(*ASKED)
        before = -1
        while before != sent:  # until the pipe between is full, too
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 32
        held = len(wire.take())
        assert READ_BYTES < held < 4 * READ_BYTES
        took = held
        while piece := await wire.chunk():
            took += len(piece)
        assert took == 64 << 20
        wire.close()


BREAKS = ["\r", "\n", "\r\n", "\r\nx: y", "\n\r"]


@pytest.mark.parametrize("told", BREAKS)
def test_no_header_breaks_out_of_its_line(told: str) -> None:
    target = target_of("http://127.0.0.1:1/v1/responses")
    assert head_of("POST", target, {"a": "b"}, 3).endswith(b"\r\na: b\r\ncontent-length: 3\r\n\r\n")
    for headers in ({"a": f"b{told}c"}, {f"a{told}b": "c"}, {"a": told}):
        with pytest.raises(ValueError, match="line break"):
            head_of("POST", target, headers, 0)
    with pytest.raises(ValueError, match="line break"):
        head_of("POST", evolve(target, path=f"/{told}"), {}, 0)
