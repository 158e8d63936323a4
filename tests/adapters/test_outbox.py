"""What is written in a turn of the loop leaves at its end, in its order, and none of it is lost."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import cast

import pytest
from attrs import frozen

from lb.adapters.outbox import FEW, LARGE_BYTES, Outbox, Outgoing, outgoing, write_soon


@frozen
class Line:
    """A connection: its transport here, and the socket at its other end."""

    ours: Outgoing
    theirs: socket.socket

    def come(self) -> bytes:
        """What has come there, without waiting."""
        with suppress(BlockingIOError):
            return self.theirs.recv(1 << 20)
        return b""

    async def end(self) -> bytes:
        """What comes there until the connection ends."""
        told = b""
        while piece := await asyncio.get_running_loop().sock_recv(self.theirs, 1 << 20):
            told += piece
        return told


Connect = Callable[[], Awaitable[Line]]


@pytest.fixture
def outbox() -> Outbox:
    """One of a busy server."""
    box = Outbox()
    box.asking = FEW
    return box


@pytest.fixture
async def connect(outbox: Outbox) -> AsyncIterator[Connect]:
    lines: list[Line] = []

    async def one() -> Line:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        lines.append(Line(cast("Outgoing", outgoing(transport, outbox)), theirs))
        return lines[-1]

    yield one
    for line in lines:
        line.ours.abort()
        line.theirs.close()


async def turn() -> None:
    """The rest of this turn, and the next."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_what_a_crowd_writes_leaves_together_at_the_end_of_the_turn(connect: Connect) -> None:
    one, other = await connect(), await connect()
    one.ours.write_soon(b"a")
    other.ours.write_soon(b"b")
    assert (one.come(), other.come()) == (b"", b"")
    assert one.ours.get_write_buffer_size() == 1
    await turn()
    assert (one.come(), other.come()) == (b"a", b"b")
    assert one.ours.get_write_buffer_size() == 0


async def test_where_few_ask_nothing_is_held_back(connect: Connect, outbox: Outbox) -> None:
    line = await connect()
    outbox.asking = FEW - 1
    line.ours.write_soon(b"a")
    assert line.come() == b"a"


async def test_what_is_large_is_not_held_back(connect: Connect) -> None:
    line = await connect()
    large = b"x" * (LARGE_BYTES + 1)
    line.ours.write_soon(b"a")
    line.ours.write_soon(large)
    assert line.come() == b"a" + large


AFTER: list[Callable[[Outgoing], object]] = [
    lambda ours: ours.write(b"b"),
    lambda ours: ours.write(bytearray(b"b")),
    lambda ours: ours.writelines([b"b"]),
    lambda ours: ours.write_soon(b"b"),
]


@pytest.mark.parametrize("write", AFTER)
async def test_nothing_overtakes_what_is_held_back(
    write: Callable[[Outgoing], object], connect: Connect
) -> None:
    line = await connect()
    line.ours.write_soon(b"a")
    write(line.ours)
    await turn()
    assert line.come() == b"ab"


@pytest.mark.parametrize("finish", [Outgoing.close, Outgoing.write_eof])
async def test_an_end_comes_after_what_is_held_back(
    finish: Callable[[Outgoing], None], connect: Connect
) -> None:
    line = await connect()
    line.ours.write_soon(b"a")
    finish(line.ours)
    assert await line.end() == b"a"


async def test_a_connection_that_is_cut_takes_nobody_else_along(connect: Connect) -> None:
    cut, lost, well = await connect(), await connect(), await connect()
    for line in (cut, lost, well):
        line.ours.write_soon(b"a")
    cut.ours.abort()
    lost.ours.innermost.abort()  # by the other end, say
    await turn()
    assert (await cut.end(), await lost.end(), well.come()) == (b"", b"", b"a")


async def test_a_write_that_fails_takes_nobody_else_along(connect: Connect) -> None:
    bad, well = await connect(), await connect()
    bad.ours.write_soon(b"a")
    bad.ours.innermost.write_eof()  # what is written now is an error
    well.ours.write_soon(b"a")
    await turn()
    assert (await bad.end(), well.come()) == (b"", b"a")


async def test_the_next_turn_is_another(connect: Connect) -> None:
    line = await connect()
    for _ in range(3):
        line.ours.write_soon(b"a")
        await turn()
        assert line.come() == b"a"


async def test_another_transport_just_writes() -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    write_soon(transport, b"a")
    assert theirs.recv(10) == b"a"
    transport.close()
    theirs.close()
