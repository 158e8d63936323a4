"""A stream in lockstep: the upstream writes once, the client has it, the upstream writes again.

So each read of lb's is just what a test wrote, and it is certain which way it took.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from attrs import define

from lb.core.ledger import Settled
from lb.core.response_events import Identity, answer_events, frame
from lb.proxy.splice import Splice
from tests.clients import PATIENT, WITHIN_S, asking, events_of, pool, until
from tests.conftest import Proxy, Served
from tests.plays import CREATED_AT, LAST_CHUNK, SSE, chunk, head
from tests.wire import post

TEXT = "Hello: one two three four five six seven eight nine ten eleven twelve."
FRAMES = [frame(e) for e in answer_events(TEXT, {"model": "gpt-5.5"}, Identity("x", CREATED_AT))]
BEGUN = 5  # frames, of which the last is the first delta
DELTAS = [each for each in FRAMES[BEGUN:] if b".delta" in each]
ENDING = FRAMES[BEGUN + len(DELTAS) :]


@define(eq=False)
class Lockstep:
    """One stream that has begun: ``upstream`` is written to by hand, ``client`` reads by hand."""

    served: Served
    upstream: asyncio.StreamWriter
    client: asyncio.StreamReader
    link: asyncio.Transport  # the client's

    async def says(self, data: bytes, *, expected: bytes) -> None:
        """The upstream writes ``data``, and the client gets what was ``expected``."""
        self.upstream.write(data)
        assert await asyncio.wait_for(self.client.readexactly(len(expected)), WITHIN_S) == expected

    async def ends(self) -> bytes:
        """All that the client still gets."""
        return await asyncio.wait_for(self.client.read(), WITHIN_S)

    @property
    def splice(self) -> Splice | None:
        """Who lets chunks through at the moment; None where nobody does."""
        (delivery,) = self.served.gateway.deliveries
        through = delivery.opened.answer.wire.through
        splice = getattr(through, "__self__", None)
        assert splice is None or isinstance(splice, Splice)
        return splice


Stepping = Callable[..., Awaitable[Lockstep]]


@pytest.fixture
async def lockstep(proxy: Proxy) -> AsyncIterator[Stepping]:
    met: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        told = await reader.readuntil(b"\r\n\r\n")
        (length,) = (
            int(x[15:]) for x in told.lower().split(b"\r\n") if x[:15] == b"content-length:"
        )
        await reader.readexactly(length)
        await met.put(writer)

    async def begin(timeouts: str = PATIENT, extra: str = "") -> Lockstep:
        served = await proxy(pool({"a": url}, timeouts=timeouts, extra=extra))
        place = urlsplit(served.url)
        reader, ours = await asyncio.open_connection(place.hostname, place.port, limit=2**26)
        writers.append(ours)
        ours.write(post(json.dumps(asking(stream=True)).encode()))
        writer = await asyncio.wait_for(met.get(), WITHIN_S)
        writer.write(head(200, SSE))
        stepping = Lockstep(served, writer, reader, cast("asyncio.Transport", ours.transport))
        writer.write(chunk(b"".join(FRAMES[:BEGUN])))
        await asyncio.wait_for(reader.readuntil(FRAMES[BEGUN - 1] + b"\r\n"), WITHIN_S)
        assert stepping.splice is not None
        return stepping

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield begin
        for writer in writers:
            writer.close()


async def test_a_chunk_of_whole_frames_goes_on_as_it_came(lockstep: Stepping) -> None:
    line = await lockstep()
    for each in DELTAS:
        sent = b"000%b" % chunk(each)  # its size as nobody else would write it
        await line.says(sent, expected=sent)
        assert line.splice is not None
    two = chunk(FRAMES[BEGUN] + b": between\n\n")
    await line.says(two, expected=two)
    line.upstream.write(chunk(b"".join(ENDING)) + LAST_CHUNK)
    told = await line.ends()
    assert told == chunk(b"".join(ENDING)) + LAST_CHUNK


HALF = len(DELTAS[0]) // 2
CUT = {
    "a frame in two chunks": ([chunk(DELTAS[0][:HALF]), chunk(DELTAS[0][HALF:])], DELTAS[0]),
    "a chunk in two reads": ([chunk(DELTAS[0])[:HALF], chunk(DELTAS[0])[HALF:]], DELTAS[0]),
    "two chunks in one read": ([chunk(DELTAS[0]) + chunk(DELTAS[1])], DELTAS[0] + DELTAS[1]),
    "a chunk and half of one": (
        [chunk(DELTAS[0]) + chunk(DELTAS[1])[:20], chunk(DELTAS[1])[20:]],
        DELTAS[0] + DELTAS[1],
    ),
    "a chunk that ends within a frame": (
        [chunk(DELTAS[0] + DELTAS[1][:HALF]), chunk(DELTAS[1][HALF:])],
        DELTAS[0] + DELTAS[1],
    ),
    "a size with an extension": (
        [b"%x;a=b\r\n%b\r\n" % (len(DELTAS[0]), DELTAS[0])],
        DELTAS[0],
    ),
}


@pytest.mark.parametrize(("reads", "told"), CUT.values(), ids=CUT.keys())
async def test_what_is_cut_otherwise_comes_whole_and_the_next_goes_through_again(
    reads: list[bytes], told: bytes, lockstep: Stepping
) -> None:
    line = await lockstep()
    got = b""
    *begun, last = reads
    for each in begun:
        line.upstream.write(each)
        await until(lambda: line.splice is None)
    line.upstream.write(last)
    while len(got) < len(told):
        size = int(await asyncio.wait_for(line.client.readline(), WITHIN_S), 16)
        got += (await line.client.readexactly(size + 2))[:-2]
    assert got == told
    assert line.splice is not None
    await line.says(chunk(DELTAS[2]), expected=chunk(DELTAS[2]))


@pytest.mark.parametrize("apart", [True, False], ids=["in two chunks", "in one"])
@pytest.mark.parametrize("cut", [len(b"event: response.comp"), 0], ids=["name cut", "whole"])
async def test_the_end_is_seen_wherever_it_is_cut(
    cut: int, *, apart: bool, lockstep: Stepping
) -> None:
    line = await lockstep()
    first, rest = DELTAS[0] + ENDING[-1][:cut], ENDING[-1][cut:]
    if apart:
        line.upstream.write(chunk(first))
        assert DELTAS[0] in await asyncio.wait_for(line.client.readuntil(b"\n\n\r\n"), WITHIN_S)
        line.upstream.write(chunk(rest))
    else:
        line.upstream.write(chunk(first + rest))
    events = events_of(await line.ends())  # the connection ends, though the upstream has not
    assert events[-1]["type"] == "response.completed"


async def test_a_cut_stream_goes_on_from_the_last_number_that_went_through(
    lockstep: Stepping,
) -> None:
    line = await lockstep()
    for each in DELTAS:
        await line.says(chunk(each), expected=chunk(each))
    line.upstream.close()
    (last,) = events_of((await line.ends()).split(b"\r\n", 1)[1].rsplit(b"\r\n0\r\n", 1)[0])
    assert (last["type"], last["sequence_number"]) == ("response.failed", BEGUN + len(DELTAS))


async def test_what_went_through_before_the_client_left_is_booked(lockstep: Stepping) -> None:
    line = await lockstep()
    heard: list[Any] = []
    line.served.gateway.dispatch.books.note = lambda *facts: heard.extend(facts)
    for each in DELTAS:
        await line.says(chunk(each), expected=chunk(each))
    line.link.abort()
    await until(lambda: [fact for fact in heard if isinstance(fact, Settled)])
    (settled,) = (fact for fact in heard if isinstance(fact, Settled))
    assert (settled.outcome, settled.tokens.source) == ("client_gone", "estimated")
    assert settled.tokens.output == 1 + len(DELTAS)


async def test_nothing_goes_through_to_a_client_that_was_cut_this_very_turn(
    lockstep: Stepping, caplog: pytest.LogCaptureFixture
) -> None:
    line = await lockstep()
    splice = line.splice
    assert splice is not None
    (delivery,) = line.served.gateway.deliveries
    splice._pulse._sink.abort()
    for each in DELTAS:
        delivery.opened.answer.wire.data_received(chunk(each))
    await until(lambda: not line.served.gateway.deliveries)
    assert await line.ends() == b""
    assert not caplog.records, "asyncio complains of who writes to what is closed"


async def test_a_client_that_does_not_read_holds_up_what_goes_through(lockstep: Stepping) -> None:
    line = await lockstep()
    (delivery,) = line.served.gateway.deliveries
    wire = delivery.opened.answer.wire
    line.link.pause_reading()
    big = b'event: response.output_text.delta\ndata: {"delta":"' + b"x" * 60_000 + b'"}\n\n'
    sent = 0
    while not wire._held:
        wire.data_received(chunk(big))  # each a read of its own
        sent += 1
        assert sent < 1000, "it never stops"
    assert line.splice is not None, "all went through"
    line.link.resume_reading()
    await until(lambda: not wire._held)
    for _ in range(sent):
        assert await asyncio.wait_for(line.client.readuntil(big + b"\r\n"), WITHIN_S)
    await line.says(chunk(DELTAS[0]), expected=chunk(DELTAS[0]))


async def test_a_stream_that_goes_through_is_not_idle(lockstep: Stepping) -> None:
    line = await lockstep("{ idle_s = 1 }", "keepalive_s = 0.8")
    for each in [*DELTAS, *DELTAS]:
        await line.says(chunk(each), expected=chunk(each))
        await asyncio.sleep(0.06)
    line.upstream.write(chunk(b"".join(ENDING)) + LAST_CHUNK)
    events = events_of((await line.ends()).partition(b"\r\n")[2])
    assert events[-1]["type"] == "response.completed"
