"""The upstream behind ``kind = "simulated"`` accounts: a real HTTP server on loopback.

So a first start, a demo and a test go through everything a real account goes through: sockets,
streams, limits, faults. Each account lives below a path of its own: ``/<account>/responses``.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import uuid4

import msgspec
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response
from attrs import Factory, define, frozen

from lb.core.account import Account
from lb.core.response_events import (
    Identity,
    answer_events,
    failed_event,
    response_object,
    whole_answer,
)
from lb.core.simulated_answers import answer_to

MODELS = ("gpt-6.1-sol", "gpt-5.5", "gpt-5.1-codex", "gpt-4.1")
MINUTE_S = 60.0
LARGEST_BODY = 256 * 1024 * 1024  # bytes; the proxy before it has the real limit
FAULTS = ("503", "500", "failed", "cut")
"""How the answers that are to fail do so, in turn."""


@define
class Player:
    """One simulated account at work: its chance, its fault in turn, its last minute."""

    account: Account
    rng: random.Random
    faults: int = 0
    asked_at: deque[float] = Factory(deque)

    @classmethod
    def of(cls, account: Account) -> "Player":
        """A player whose chance depends on nothing but the account."""
        return cls(account, random.Random(f"{account.simulation.seed}:{account.id}"))  # noqa: S311

    def next_fault(self) -> str | None:
        """How this answer is to fail; None when it is not."""
        if self.rng.random() >= self.account.simulation.fail_share:
            return None
        self.faults += 1
        return FAULTS[(self.faults - 1) % len(FAULTS)]

    def limits(self, now: float) -> "Limits | None":
        """Count a request at ``now`` (monotonic seconds); None: there is no limit."""
        limit = self.account.simulation.requests_per_minute
        if limit is None:
            return None
        while self.asked_at and self.asked_at[0] <= now - MINUTE_S:
            self.asked_at.popleft()
        spent = len(self.asked_at) >= limit
        if not spent:
            self.asked_at.append(now)
        oldest = self.asked_at[0] if self.asked_at else now
        return Limits(limit, limit - len(self.asked_at), oldest + MINUTE_S - now, spent)


@frozen
class Limits:
    """Requests a minute: the limit, what is left, seconds until one more is free.

    ``spent``: this request came when nothing was left.
    """

    limit: int
    left: int
    reset_s: float
    spent: bool

    def headers(self) -> dict[str, str]:
        """The limits as OpenAI tells them."""
        told = {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.left),
            "x-ratelimit-reset-requests": f"{self.reset_s:.3f}s",
        }
        return (
            {**told, "Retry-After": str(max(1, -int(-self.reset_s // 1)))} if self.spent else told
        )


class Simulator:
    """Serves simulated accounts on an ephemeral port of 127.0.0.1."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._players: dict[str, Player] = {}
        self._runner: web.AppRunner | None = None
        self._url = ""
        self.update(accounts)

    def update(self, accounts: Sequence[Account]) -> None:
        """Serve these accounts from now on; one that behaves as before keeps its last minute."""
        kept = self._players
        self._players = {
            account.id: kept[account.id]
            if account.id in kept and kept[account.id].account.simulation == account.simulation
            else Player.of(account)
            for account in accounts
        }

    async def start(self) -> None:
        """Bind and serve."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.add_routes(
            [
                web.post("/{account}/responses", self._respond),
                web.get("/{account}/models", self._models),
            ]
        )
        # a client that leaves is to stop the answer at once, as a real upstream does
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"

    def base_url(self, account_id: str) -> str:
        """Where the account answers; only known once started."""
        return f"{self._url}/{account_id}"

    async def stop(self) -> None:
        """Stop serving; answers under way are cut."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _models(self, request: web.Request) -> web.Response:
        if request.match_info["account"] not in self._players:
            return _error(404, "No such simulated account.", "not_found")
        made = {"object": "model", "created": 1767225600, "owned_by": "simulated"}
        return _json({"object": "list", "data": [{"id": name, **made} for name in MODELS]})

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        player = self._players.get(request.match_info["account"])
        if player is None:
            return _error(404, "No such simulated account.", "not_found")
        try:
            asked = msgspec.json.decode(await request.read(), type=dict[str, Any])
        except msgspec.DecodeError:
            return _error(400, "We could not parse the JSON body of your request.", None)
        limits = player.limits(asyncio.get_running_loop().time())
        if limits is not None and limits.spent:
            return _too_many(player.account, limits)
        headers = {"x-request-id": f"req_{uuid4().hex}", **(limits.headers() if limits else {})}
        return await _answer(request, asked, player, headers)


async def _answer(
    request: web.Request, asked: Mapping[str, Any], player: Player, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer as the account's simulation says: in its time, with its faults."""
    simulation, fault = player.account.simulation, player.next_fault()
    stream = asked.get("stream") is True
    await asyncio.sleep(simulation.delay_s)
    if fault == "503":
        return _error(503, "The simulated account is overloaded.", "server_is_overloaded", headers)
    if fault == "500" or (fault == "failed" and not stream):
        return _error(500, "The simulated account had an error.", "server_error", headers)
    if fault == "cut" and not stream:
        return _cut(request)
    identity = Identity(uuid4().hex, int(time.time()))
    answer = answer_to(asked, player.account.id)
    if not stream:
        return _json(whole_answer(answer, asked, identity), headers)
    told = _failing(asked, identity) if fault else answer_events(answer, asked, identity)
    events = islice(told, 2) if fault == "cut" else told
    response = await _streamed(request, events, simulation.interval_s, headers)
    return _cut(request, response) if fault == "cut" else response


async def _streamed(
    request: web.Request,
    events: Iterable[Mapping[str, Any]],
    interval_s: float,
    headers: Mapping[str, str],
) -> EventSourceResponse:
    """Send ``events``, with a pause before each delta."""
    opened = sse_response(request, headers=headers, sep="\n", allow_all_methods=True)
    async with opened as response:
        for event in events:
            if event["type"].endswith(".delta"):
                await asyncio.sleep(interval_s)
            await response.send(msgspec.json.encode(event).decode(), event=event["type"])
    return response


def _failing(asked: Mapping[str, Any], identity: Identity) -> list[dict[str, Any]]:
    """A stream whose first word after ``created`` is that it failed."""
    begun = response_object(asked, identity, "in_progress")
    error = {"code": "server_error", "message": "The simulated account had an error."}
    return [
        {"type": "response.created", "sequence_number": 0, "response": begun},
        {"type": "response.in_progress", "sequence_number": 1, "response": begun},
        failed_event(error, asked, identity),
    ]


def _cut(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return response or web.Response()


def _too_many(account: Account, limits: Limits) -> web.Response:
    message = (
        f"Rate limit reached in simulated account {account.id} on requests per min (RPM): "
        f"Limit {limits.limit}, Used {limits.limit}, Requested 1. "
        f"Please try again in {limits.reset_s:.3f}s."
    )
    return _error(429, message, "rate_limit_exceeded", limits.headers(), kind="requests")


def _error(
    status: int,
    message: str,
    code: str | None,
    headers: Mapping[str, str] | None = None,
    *,
    kind: str = "",
) -> web.Response:
    kind = kind or ("server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": None, "code": code}
    return _json({"error": error}, headers, status=status)


def _json(
    value: Any, headers: Mapping[str, str] | None = None, *, status: int = 200
) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        headers=headers,
        content_type="application/json",
    )
