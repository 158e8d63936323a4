"""Where the browser comes back to after a login: on this machine only, once."""

import asyncio
from hmac import compare_digest
from types import TracebackType
from typing import Final, Self

from aiohttp import web

PATH: Final = "/auth/callback"
PAGE: Final = """<!doctype html><meta charset="utf-8"><title>lb</title>
<body style="font: 1.1rem system-ui; margin: 4rem auto; max-width: 36rem"><p>{text}</p>"""
DONE: Final = "Thank you. You can close this page; lb goes on in its terminal."
STRANGE: Final = "This is not the login lb waits for. Open the address lb printed last."
USED: Final = "This login was used already. Nothing happened."
REFUSED: Final = "The login was refused. lb says more in its terminal."
_NO_REFERRER: Final = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


class Callback:
    """Waits for the one redirect that knows ``state``; whatever else comes in changes nothing."""

    def __init__(self, state: str) -> None:
        self._state = state
        self._code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        del kind, error, at
        if self._runner is not None:
            await self._runner.cleanup()

    async def listen(self, port: int) -> None:
        """Listen on ``port`` of this machine; 0: any. Raises: OSError when it is taken."""
        app = web.Application()
        app.router.add_get(PATH, self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True).start()
        self.url = f"http://localhost:{self._runner.addresses[0][1]}{PATH}"

    async def code(self) -> str:
        """The code the issuer sent. Raises: PermissionError with its word, when it refused."""
        return await self._code

    async def _answer(self, request: web.Request) -> web.Response:
        if request.host.rpartition(":")[0] not in {"localhost", "127.0.0.1"}:
            return _page(STRANGE, 421)  # a rebound DNS name
        shown = request.query.get("state", "").encode()
        if not compare_digest(shown, self._state.encode()):
            return _page(STRANGE, 400)
        if self._code.done():
            return _page(USED, 410)
        code = request.query.get("code", "")
        if not code:
            told = request.query.get("error_description") or request.query.get("error") or "no code"
            self._code.set_exception(PermissionError(_plain(told)))
            return _page(REFUSED, 403)
        self._code.set_result(code)
        return _page(DONE, 200)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def _page(text: str, status: int) -> web.Response:
    return web.Response(
        text=PAGE.format(text=text), status=status, content_type="text/html", headers=_NO_REFERRER
    )
