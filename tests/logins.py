"""ChatGPT logins for tests: documents like auth.json, and an issuer that hands them out."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from attrs import define, field

from lb import app
from lb.config import Config
from tests.adapters.issuing import jwt

AUTH = "https://api.openai.com/auth"
CANARY = "canary-never-shown"
HOUR_S = 3600.0


def tokens(user: str = "user-1", workspace: str = "acct-1", **more: Any) -> dict[str, Any]:
    """What an issuer gives a person; ``more``: email, plan, lasts_s."""
    own = {
        "chatgpt_account_id": workspace,
        "chatgpt_user_id": user,
        "chatgpt_plan_type": more.get("plan", "plus"),
    }
    expires_at = time.time() + more.get("lasts_s", HOUR_S)
    claims = {"email": more.get("email", "alice@example.com"), AUTH: own, "c": CANARY}
    return {
        "id_token": jwt(expires_at, **claims),
        "access_token": jwt(expires_at, n=f"{CANARY}-{user}", **{AUTH: own}),
        "refresh_token": f"rt_{CANARY}-{user}-{time.monotonic_ns()}",
    }


def document(user: str = "user-1", workspace: str = "acct-1", **more: Any) -> dict[str, Any]:
    """An auth.json; ``more`` as for tokens, and refreshed (an RFC 3339 instant)."""
    return {
        "OPENAI_API_KEY": None,
        "tokens": {**tokens(user, workspace, **more), "account_id": workspace},
        "last_refresh": more.get("refreshed", "2026-11-01T00:00:00.123456789Z"),
    }


def save(path: Path, user: str = "user-1", workspace: str = "acct-1", **more: Any) -> Path:
    """An auth.json in a file of its owner's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(user, workspace, **more)))
    path.chmod(0o600)
    return path


def challenge_of(verifier: str) -> str:
    """RFC 7636, 4.2."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


@define
class SigningIn:
    """A scripted issuer: whoever opens its page is signed in as ``user``, at once.

    ``denies`` is what it says instead; ``pending`` how often a device must ask; ``renews`` whether
    old tokens are good for new ones.
    """

    url: str = ""
    user: str = "user-1"
    workspace: str = "acct-1"
    denies: str = ""
    forgets_challenges: bool = False
    pending: int = 2
    renews: bool = False
    device: dict[str, Any] = field(factory=dict)
    device_status: int = 200
    refusal: int = 403
    pages: list[dict[str, str]] = field(factory=list)
    forms: list[dict[str, str]] = field(factory=list)
    asked: list[dict[str, Any]] = field(factory=list)
    _codes: dict[str, tuple[str, str]] = field(factory=dict)

    async def authorize(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.pages.append(query)
        back = {"state": query["state"]}
        if self.denies:
            back |= {"error": "access_denied", "error_description": self.denies}
        else:
            back["code"] = self._code(query["redirect_uri"], query["code_challenge"])
        raise web.HTTPFound(f"{query['redirect_uri']}?{urlencode(back)}")

    async def token(self, request: web.Request) -> web.Response:
        if request.content_type == "application/json" and self.renews:
            return web.json_response(tokens(self.user, self.workspace))
        if request.content_type == "application/json":
            return web.json_response({"error": {"code": "refresh_token_expired"}}, status=401)
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        known = self._codes.pop(form["code"], ("", ""))
        if known != (form["redirect_uri"], challenge_of(form["code_verifier"])):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(tokens(self.user, self.workspace))

    async def usercode(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        told = {"device_auth_id": "dev-1", "user_code": "ABCD-1234", "interval": "0.01"}
        return web.json_response(
            {**told, "expires_in": 30, **self.device}, status=self.device_status
        )

    async def device_token(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.pending -= 1
        if self.pending >= 0:
            return web.json_response({"error": "authorization_pending"}, status=self.refusal)
        verifier = "v" * 64
        code = self._code(f"{self.url}/deviceauth/callback", challenge_of(verifier))
        return web.json_response({"authorization_code": code, "code_verifier": verifier})

    def _code(self, redirect: str, challenge: str) -> str:
        code = f"ac_{CANARY}-{len(self._codes)}"
        self._codes[code] = (redirect, "" if self.forgets_challenges else challenge)
        return code


async def _refuses(_: web.Request) -> web.Response:
    """An upstream that takes no token."""
    return web.json_response({"error": {"code": "token_expired"}}, status=401)


@asynccontextmanager
async def signing_in() -> AsyncIterator[SigningIn]:
    """The scripted issuer, on a port of its own."""
    issuer = SigningIn()
    site = web.Application()
    site.router.add_get("/oauth/authorize", issuer.authorize)
    site.router.add_post("/oauth/token", issuer.token)
    site.router.add_post("/refuses/{path:.*}", _refuses)
    site.router.add_post("/api/accounts/deviceauth/usercode", issuer.usercode)
    site.router.add_post("/api/accounts/deviceauth/token", issuer.device_token)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield issuer
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(told: Config) -> AsyncIterator[app.Running]:
    """A server that takes up what happens to its files."""
    async with app.running(told, port=0) as server:
        tasks = [asyncio.create_task(watch) for watch in server.watches(every_s=0.01)]
        try:
            yield server
        finally:
            for task in tasks:
                task.cancel()
