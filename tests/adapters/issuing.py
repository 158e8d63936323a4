"""What the tests of credentials share: tokens, a held clock, a scripted issuer, an auth.json."""

import base64
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from attrs import define, field

NOW = 1_795_000_000.0
HOUR = 3600.0
Play = Callable[[dict[str, Any]], Awaitable[web.Response]]


def jwt(expires_at: float, **claims: Any) -> str:
    text = json.dumps({"exp": int(expires_at), **claims}).encode()
    return f"eyJhbGciOiJub25lIn0.{base64.urlsafe_b64encode(text).decode().rstrip('=')}.c2ln"


OLD = jwt(NOW + 60, n="old")
NEW = jwt(NOW + HOUR, n="new")


@define
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@define
class Issuer:
    """A scripted issuer: each refresh token is good for one use; ``plays`` come first."""

    url: str = ""
    good: str = "rt_0"
    uses: int = 0
    asked: list[dict[str, Any]] = field(factory=list)
    plays: list[Play] = field(factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        question = json.loads(await request.read())
        self.asked.append({**question, "content-type": request.content_type})
        if self.plays:
            return await self.plays.pop(0)(question)
        return self.rotate(question)

    def rotate(self, question: dict[str, Any]) -> web.Response:
        if question["refresh_token"] != self.good:
            error = {"error": {"code": "refresh_token_reused", "message": self.good}}
            return web.json_response(error, status=401)
        self.uses += 1
        self.good = f"rt_{self.uses}"
        return web.json_response({"access_token": NEW, "refresh_token": self.good, "id_token": "i"})


def save(path: Path, access: str, refresh: str) -> None:
    tokens = {"access_token": access, "refresh_token": refresh, "account_id": "acct", "x": 1}
    path.write_text(json.dumps({"OPENAI_API_KEY": None, "tokens": tokens, "extra": [1]}))
    path.chmod(0o644)


def saved(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def put(path: Path, text: str | None) -> None:
    """The file holds ``text``; None: there is none."""
    path.unlink()
    if text is not None:
        path.write_text(text)


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def page(_question: dict[str, Any]) -> web.Response:
    """A bot wall."""
    return web.Response(status=403, text="<html>", content_type="text/html")


async def outage(_question: dict[str, Any]) -> web.Response:
    """A bad moment."""
    return web.json_response({"error": "server_error"}, status=503)
