"""A scripted upstream that speaks WebSocket: it plays the same plays as the HTTP one.

What a play writes as an HTTP answer is said as frames: each event a text message, a refusal an
error frame with its status, and a cut is a cut.
"""

import asyncio
import json
import socket
from collections.abc import Iterable
from itertools import count
from typing import Any, Self

from aiohttp import WSMsgType, web
from attrs import define, field

from lb.core import sse
from tests.plays import Asked, End, Pause, Play, healthy, models
from tests.scripted import LONGEST_HANG_S
from tests.servers import refusing


@define(eq=False)
class Speaker:
    """The upstream: ``async with Speaker() as speaker: speaker.url``. ``seen`` are its turns."""

    plays: dict[str, Play] = field(factory=dict)
    queues: dict[str, list[Play]] = field(factory=dict)
    seen: list[Asked] = field(factory=list)
    handshakes: list[dict[str, str]] = field(factory=list)
    refuses_upgrade: int = 0  # the status of a refused handshake; 0: none is
    slams: bool = False
    url: str = ""
    _runner: web.AppRunner | None = None
    _site: web.TCPSite | None = None
    _refusing: socket.socket | None = None
    _numbers: Iterable[int] = field(factory=count)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v1/responses", self._converse)
        app.router.add_get("/backend-api/codex/responses", self._converse)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await self._site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._refusing is not None:
            self._refusing.close()

    async def refuse(self) -> None:
        """From now on connections are refused."""
        if self._site is not None and self._runner is not None:
            port = self._runner.addresses[0][1]
            await self._site.stop()
            self._refusing = refusing(port)

    def queue(self, account: str, *plays: Play) -> None:
        """Let the next turns of ``account`` be answered by ``plays``, one each."""
        self.queues.setdefault(account, []).extend(plays)

    async def _models(self, request: web.Request) -> web.Response:
        asked = Asked("", "GET", request.path, {}, {}, 0, 0.0)
        written = b"".join(step for step in models(asked) if isinstance(step, bytes))
        return web.Response(body=written.partition(b"\r\n\r\n")[2], content_type="application/json")

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        if self.slams:
            request.transport.abort()
        if self.refuses_upgrade:
            return web.json_response({"error": {"message": "no"}}, status=self.refuses_upgrade)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.handshakes.append(headers)
        link = web.WebSocketResponse(max_msg_size=2**27)
        await link.prepare(request)
        account = headers.get("authorization", "").split(" ")[-1]
        async for message in link:
            if message.type is not WSMsgType.TEXT:
                break
            body = json.loads(message.data)
            now = asyncio.get_running_loop().time()
            number = next(iter(self._numbers))
            asked = Asked(account, "WS", request.path, headers, body, number, now)
            self.seen.append(asked)
            body = {**body, "stream": True}
            play = self._play_for(asked)
            told = Asked(account, "WS", request.path, headers, body, number, now)
            if not await _say(play(told), link, request.transport):
                break
        return link

    def _play_for(self, asked: Asked) -> Play:
        if queue := self.queues.get(asked.account):
            return queue.pop(0)
        return self.plays.get(asked.account, healthy)


async def _say(
    steps: Iterable[Any], link: web.WebSocketResponse, transport: asyncio.Transport
) -> bool:
    """Say a play; whether the socket goes on."""
    spoken = Spoken()
    for step in steps:
        if isinstance(step, bytes):
            for message in spoken.feed(step):
                await link.send_str(message)
        elif isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif step is End.HANG:
            await asyncio.sleep(LONGEST_HANG_S)
        else:
            transport.abort() if step is End.RESET else transport.close()
            return False
    if not spoken.complete:
        await link.close()
    return spoken.complete


class Spoken:
    """Turns the bytes of an HTTP answer into messages, as they come."""

    def __init__(self) -> None:
        self._head: dict[str, str] | None = None
        self._status = 0
        self._bytes = b""
        self._cutter = sse.Cutter(2**26)
        self.complete = False

    def feed(self, data: bytes) -> list[str]:
        """The messages that are whole now."""
        self._bytes += data
        if self._head is None and not self._read_head():
            return [self._bytes.decode("latin-1")] if b"HTTP" not in self._bytes[:20] else []
        assert self._head is not None
        if "chunked" not in self._head.get("transfer-encoding", ""):
            return self._whole()
        return [text for piece in self._chunks() for text in self._events(piece)]

    def _read_head(self) -> bool:
        head, end, rest = self._bytes.partition(b"\r\n\r\n")
        if not end or not head.startswith(b"HTTP/1.1 "):
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        self._status = int(first.split(" ")[1])
        pairs = (line.split(":", 1) for line in lines)
        self._head = {name.strip().lower(): value.strip() for name, value in pairs}
        self._bytes = rest
        return True

    def _whole(self) -> list[str]:
        assert self._head is not None
        if len(self._bytes) < int(self._head.get("content-length", "0")):
            return []
        self.complete = True
        if self._status == 200:
            return [self._bytes.decode("latin-1")]
        try:
            error = json.loads(self._bytes)["error"]
        except (ValueError, KeyError, TypeError):
            error = {"message": "refused", "type": "server_error", "code": None}
        frame = {"type": "error", "status": self._status, "error": error, "headers": self._head}
        return [json.dumps(frame)]

    def _chunks(self) -> Iterable[bytes]:
        while (end := self._bytes.find(b"\r\n")) >= 0:
            size = int(self._bytes[:end] or b"0", 16)
            if len(self._bytes) < end + 2 + size + 2:
                return
            yield self._bytes[end + 2 : end + 2 + size]
            self._bytes = self._bytes[end + 4 + size :]

    def _events(self, piece: bytes) -> Iterable[str]:
        for frame in sse.frames(self._cutter.feed(piece)):
            name, data = sse.read(frame)
            if not data:
                continue
            self.complete = self.complete or name in TERMINAL or _type(data) in TERMINAL
            yield data.decode("utf-8", "replace")


TERMINAL = ("response.completed", "response.failed", "response.incomplete", "error")


def _type(data: bytes) -> str:
    try:
        told = json.loads(data)
    except ValueError:
        return ""
    return str(told.get("type", "")) if isinstance(told, dict) else ""
