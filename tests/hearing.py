"""A scripted upstream on a WebSocket that never stops listening.

It plays what a ``Speaker`` plays, and keeps more: each frame as it came, each socket, and the
moment the proxy left it, also in the midst of an answer.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
from aiohttp import WSMsgType, web
from attrs import define, field

from tests.clients import MODEL, pool
from tests.plays import SSE, Asked, Play, Step, chunk, frames, head, healthy
from tests.speaking import Speaker, _say


@define(eq=False)
class Listener(Speaker):
    """``texts`` are the frames as they came, ``links`` the sockets, ``left_at`` loop seconds."""

    texts: list[str] = field(factory=list)
    links: list[web.WebSocketResponse] = field(factory=list)
    left_at: list[float] = field(factory=list)
    posted: list[Asked] = field(factory=list)
    refused: int = 0
    post_refusal: tuple[int, Any] | None = None  # status and error of what is asked over HTTP
    usage: dict[str, Any] | None = None  # what a ChatGPT account says of its plan
    standing: Play | None = None  # what every turn is answered with

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**28)
        for path in ("/v1/responses", "/backend-api/codex/responses"):
            app.router.add_get(path, self._converse)
            app.router.add_post(path, self._post)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/backend-api/wham/usage", self._usage)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await self._site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    def play_for(self, asked: Asked) -> Play:
        """A prewarm is answered with nothing in it, as upstream does."""
        if self.standing is not None:
            return self.standing
        if asked.body.get("generate") is False and asked.account not in self.plays:
            return warmed
        return self._play_for(asked)

    async def _usage(self, _: web.Request) -> web.Response:
        if self.usage is None:
            raise web.HTTPNotFound
        return web.json_response(self.usage)

    async def _post(self, request: web.Request) -> web.Response:
        asked = self._asked(request, await request.read(), "POST")
        self.posted.append(asked)
        if self.post_refusal is not None:
            status, error = self.post_refusal
            return web.json_response({"error": error}, status=status)
        return web.Response(body=b"".join(frames(asked)), content_type="text/event-stream")

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_upgrade:
            self.refused += 1
            return web.json_response({"error": {"message": "no"}}, status=self.refuses_upgrade)
        self.handshakes.append({name.lower(): value for name, value in request.headers.items()})
        link = web.WebSocketResponse(max_msg_size=2**28)
        await link.prepare(request)
        self.links.append(link)
        answers: set[asyncio.Task[bool]] = set()
        try:
            async for message in link:
                if message.type is WSMsgType.TEXT:
                    answers.add(asyncio.create_task(self._answer(request, link, message.data)))
        finally:
            self.left_at.append(asyncio.get_running_loop().time())
            for answer in answers:
                answer.cancel()
            await asyncio.gather(*answers, return_exceptions=True)
        return link

    async def _answer(self, request: web.Request, link: web.WebSocketResponse, text: str) -> bool:
        self.texts.append(text)
        asked = self._asked(request, text.encode(), "WS")
        self.seen.append(asked)
        told = self._asked(request, text.encode(), "WS")
        told.body["stream"] = True
        assert request.transport is not None
        return await _say(self.play_for(asked)(told), link, request.transport)

    def _asked(self, request: web.Request, text: bytes, method: str) -> Asked:
        headers = {name.lower(): value for name, value in request.headers.items()}
        account = headers.get("authorization", "").split(" ")[-1]
        number = len(self.texts) + len(self.posted)
        now = asyncio.get_running_loop().time()
        return Asked(account, method, request.path, headers, json.loads(text), number, now)


def warmed(asked: Asked) -> Iterable[Step]:
    """The answer to a prewarm: created and completed, nothing between."""
    told = frames(asked, "")
    yield head(200, SSE) + chunk(told[0]) + chunk(told[-1])


def by_turns(*plays: Play, then: Play = healthy) -> Play:
    """One play after the other, whoever asks."""
    left = list(plays)

    def play(asked: Asked) -> Iterable[Step]:
        return (left.pop(0) if left else then)(asked)

    return play


def over_sockets(urls: Mapping[str, str], **options: Any) -> str:
    """A pool whose accounts are asked over a WebSocket when the client came over one."""
    toml = pool(urls, **{"in_order": True, **options})
    return toml.replace('kind = "openai"', 'kind = "openai"\nwebsocket = "as_client"')


def frame_of(**fields: Any) -> str:
    """A frame, written as Codex writes it: no spaces, the type first."""
    return json.dumps({"type": "response.create", **fields}, separators=(",", ":"))


def asking(what: str | list[dict[str, Any]] = "Say hello", **fields: Any) -> dict[str, Any]:
    """The body of a request, for a text or for items."""
    return {"model": MODEL, "input": what, **fields}


def message(text: str) -> dict[str, Any]:
    """An item of ``input``: what the user says."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


@asynccontextmanager
async def conversing(
    url: str, headers: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A client's socket to the proxy at ``url``."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"{url}/v1/responses", headers=headers, max_msg_size=0, **options
        ) as link,
    ):
        yield link
