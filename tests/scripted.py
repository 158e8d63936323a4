"""A scripted upstream over real sockets: it answers just as a test says, faults of wire included.

It speaks HTTP/1.1 over plain asyncio streams, since a server library would not let a test cut a
frame in half, reset a connection or never answer. One upstream plays as many accounts as it is
asked with keys: the play of a request comes from its account's queue, else the account's standing
play, else ``choose``, else it is a healthy answer.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Self

from attrs import Factory, define, field

from tests.plays import Asked, End, Pause, Play, Step, healthy, models
from tests.servers import refusing

LONGEST_HANG_S = 30.0


@define(eq=False)
class Upstream:
    """The scripted upstream: ``async with Upstream() as upstream: upstream.url``."""

    choose: Callable[[Asked], Play | None] | None = None
    plays: dict[str, Play] = field(factory=dict)
    queues: dict[str, deque[Play]] = Factory(lambda: defaultdict(deque))
    seen: list[Asked] = field(factory=list)
    others: list[Asked] = field(factory=list)
    slams: bool = False  # resets each connection as it is made
    connections: int = 0
    _server: asyncio.Server | None = None
    _refusing: socket.socket | None = None
    _tasks: set[asyncio.Task[None]] = field(factory=set)
    _numbers: Iterable[int] = Factory(count)

    url: str = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0, limit=2**26)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._refusing is not None:
            self._refusing.close()

    async def refuse(self) -> None:
        """From now on connections are refused; those that are open go on."""
        if self._server is not None:
            port = self._server.sockets[0].getsockname()[1]
            self._server.close()
            self._server = None
            self._refusing = refusing(port)

    def queue(self, account: str, *plays: Play) -> None:
        """Let the next requests of ``account`` be answered by ``plays``, one each."""
        self.queues[account].extend(plays)

    def asked(self) -> list[str]:
        """The accounts that were asked, in order."""
        return [each.account for each in self.seen]

    @property
    def cancelled(self) -> list[Asked]:
        """The requests whose client left before the end of the answer."""
        return [each for each in self.seen if each.left_at is not None]

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.slams:
                _reset(writer)
                return
            while (asked := await self._read(reader)) is not None:
                play = self._play_for(asked)
                if not await _perform(asked, play(asked), reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Asked | None:
        """Read one request; None when the client has hung up."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.rstrip().split("\r\n")
        method, path, _ = first.split(" ", 2)
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        raw = await _body(reader, headers)
        body = json.loads(raw) if raw[:1] == b"{" else raw
        account = headers.get("api-key") or headers.get("authorization", "").split(" ")[-1]
        now = asyncio.get_running_loop().time()
        number = next(iter(self._numbers))
        asked = Asked(account, method, path, headers, body, number, now)
        (self.seen if path.split("?")[0].endswith("/responses") else self.others).append(asked)
        return asked

    def _play_for(self, asked: Asked) -> Play:
        if asked.method == "GET":
            return models
        if queue := self.queues[asked.account]:
            return queue.popleft()
        if asked.account in self.plays:
            return self.plays[asked.account]
        return (self.choose and self.choose(asked)) or healthy


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


async def _perform(
    asked: Asked, steps: Iterable[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Play the steps; whether the connection may serve another request."""
    loop = asyncio.get_running_loop()
    for step in steps:
        left = reader.at_eof() or writer.is_closing()
        if isinstance(step, bytes) and not left:
            writer.write(step)
            asked.deltas += step.count(b'delta":"')
            await writer.drain()
        elif step is End.HANG or isinstance(step, Pause):
            left = await _leaves(reader, step.seconds if isinstance(step, Pause) else None)
        elif step is End.RESET:
            _reset(writer)
        if left:
            asked.left_at = loop.time()
        if left or isinstance(step, End):
            return False
    asked.ended_at = loop.time()
    return True


async def _leaves(reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """Whether the client hangs up within ``seconds``."""
    with contextlib.suppress(ConnectionError):
        try:
            async with asyncio.timeout(LONGEST_HANG_S if seconds is None else seconds):
                await reader.read(1)
        except TimeoutError:
            return False
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: nothing lingers."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
