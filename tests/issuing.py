"""A scripted issuer that listens: new tokens for a refresh token, each good for one use."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from attrs import define, field

from tests.adapters.issuing import HOUR, Issuer, jwt


@define
class LiveIssuer(Issuer):
    """Its tokens are good by the wall clock; ``access`` is the one it gave last."""

    access: str = field(factory=lambda: jwt(time.time() + HOUR, n="renewed"))

    def rotate(self, question: dict[str, Any]) -> web.Response:
        answer = super().rotate(question)
        if answer.status != 200:
            return answer
        tokens = {"access_token": self.access, "refresh_token": self.good, "id_token": "i"}
        return web.json_response(tokens)


@asynccontextmanager
async def issuing() -> AsyncIterator[LiveIssuer]:
    """An issuer at ``url``."""
    scripted = LiveIssuer()
    app = web.Application()
    app.router.add_post("/oauth/token", scripted.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield scripted
    await runner.cleanup()
