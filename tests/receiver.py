"""A webhook that takes messages over real sockets, and fails as often as it is told."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from attrs import define, field


@define(eq=False)
class Receiver:
    """``answers`` are the statuses of the next answers, then 204; ``heard`` whatever came."""

    url: str = ""
    answers: deque[int] = field(factory=deque)
    heard: list[Any] = field(factory=list)
    kept: list[Any] = field(factory=list)
    headers: dict[str, str] = field(factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.heard.append(told)
        status = self.answers.popleft() if self.answers else 204
        if status < 300:
            self.kept.append(told)
        return web.Response(status=status, headers=self.headers)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hooks/T000/planted-secret", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/T000/planted-secret"
    try:
        yield receiver
    finally:
        await runner.cleanup()
