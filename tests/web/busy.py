"""A busy pool for the eye: simulated accounts in every state, clients that ask, not all kind."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import sin
from random import Random
from typing import Any

import aiohttp
from sqlalchemy import Connection

from lb.adapters.stores.adding import add_rows
from lb.core import events
from lb.core.book import DAY_S, Row
from lb.core.history import BUCKET_S, BUCKETS, History
from lb.core.ledger import Tokens
from lb.core.windows import FIVE_HOURS_S, WEEK_S, Window
from tests.clients import client

TOKEN = "admin-token-of-the-test"
XSS = '<img src=x onerror="window.pwned=1">'
HOSTILE_MODEL = f"gpt-5.5-{XSS}"
HOSTILE_AGENT = f"codex/1.0 {XSS}"

_SIMULATED = """
[[accounts]]
id = "{name}"
kind = "simulated"
labels = {labels}
max_in_flight = {places}
simulation = {{ delay_s = {delay}, interval_s = 0.01, fail_share = {fails}{more} }}
"""
ACCOUNTS = (
    # name, labels, places, delay, share that fails, more
    ("plus-lisbon", '["plus", "eu"]', 12, 0.25, 0.0, ""),
    ("plus-oslo", '["plus", "eu"]', 12, 0.18, 0.0, ""),
    ("plus-quito", '["plus", "us"]', 12, 0.22, 0.0, ""),
    ("team-north", '["team"]', 16, 0.35, 0.02, ""),
    ("team-south", '["team"]', 16, 0.3, 0.0, ""),
    ("api-flaky", '["api"]', 24, 0.2, 0.45, ""),
    ("api-burst", '["api"]', 24, 0.15, 0.0, ", requests_per_minute = 40"),
    ("api-reserve", '["api"]', 24, 0.2, 0.0, ""),
)
MODELS = ("gpt-5.5", "gpt-6.1-sol", "gpt-5.1-codex", "gpt-4.1")


def toml(extra: str = "") -> str:
    """accounts.toml of the busy pool; ``extra`` goes into ``[server]``."""
    parts = [f"[server]\npatience_s = 5.0\n{extra}"]
    for name, labels, places, delay, fails, more in ACCOUNTS:
        parts.append(
            _SIMULATED.format(
                name=name, labels=labels, places=places, delay=delay, fails=fails, more=more
            )
        )
    names = ("alice", "build-bot", "research")
    parts += [
        f'[[keys]]\nname = "{n}"\nkey = "{key_of(n)}"\nrpm = {rpm}\ntpd = {rpm * 200}\n'
        for n, rpm in zip(names, (600, 240, 3000), strict=True)
    ]
    return "\n".join(parts)


def key_of(name: str) -> str:
    """The key of a client of the busy pool."""
    return f"sk-lb-{name}-0123456789abcdef0123456789abcdef"


def shape(gateway: Any, malice: str = "") -> None:
    """Put the accounts into states one has to see; ``malice`` is what upstreams add to a word."""
    learn, now = gateway.dispatch.learn, time.time()

    def window(name: str, used: float, left_s: float) -> Window:
        return Window(name, used, now + left_s, {"5h": FIVE_HOURS_S, "week": WEEK_S}[name], now)

    full = {
        "plus-lisbon": (window("5h", 0.62, 4400), window("week", 0.41, 2.6 * 86400)),
        "plus-oslo": (window("5h", 0.35, 7300), window("week", 0.83, 3.1 * 86400)),
        "plus-quito": (window("5h", 0.08, 16000), window("week", 1.0, 3.2 * 86400 + 4000)),
        "team-north": (window("5h", 0.27, 9000), window("week", 0.55, 2.2 * 86400)),
        "team-south": (window("5h", 0.12, 3000),),
        "api-flaky": (window("week", 0.2, 4 * 86400),),
        "api-burst": (window("week", 0.31, 4 * 86400),),
        "api-reserve": (window("week", 0.05, 5 * 86400),),
    }
    for name, windows in full.items():
        remember(name, gateway.histories.of(name), now)
        learn(events.Measured(name, now, windows))
    learn(
        events.Exhausted(
            "plus-quito", now, f"usage_limit_reached {malice}", now + 3.2 * 86400 + 4000
        )
    )
    learn(events.Refused("team-south", now, f"401 token_revoked: lb login team-south {malice}"))
    learn(events.Blocked("team-north", now, "gpt-4.1", now + 900, "model_not_found"))
    learn(events.Paused("api-reserve", now))


def remember(name: str, history: History, now: float) -> None:
    """Five minutes of a past, so that the lines have something to say."""
    chance = Random(name)
    usual_s = 0.15 + 0.2 * chance.random()
    for step in range(BUCKETS - 1, 0, -1):
        at = now - step * BUCKET_S
        for _ in range(1 + chance.randrange(4)):
            swell = 0.1 * sin(step / 7 + 10 * usual_s) ** 2
            history.answered(at, usual_s + 0.2 * chance.random() ** 4 + swell)
        if chance.random() < 0.01:
            history.failed(at)


def past(connection: Connection) -> None:
    """Four weeks of a ledger: fewer requests on Sundays, a cache that is learning."""
    chance, today = Random(7), int(time.time() // DAY_S)
    rows = []
    for back in range(27, 0, -1):
        day = today - back
        rows += [_past(chance, day, number) for number in range(160 if day % 7 == 3 else 400)]
    add_rows(connection, rows)


def _past(chance: Random, day: int, number: int) -> Row:
    asked = chance.randrange(200, 9_000)
    cached = int(asked * min(0.9, 0.3 + (day % 28) / 50 + 0.1 * chance.random()))
    tokens = Tokens(asked, cached, chance.randrange(10, 600), 0, "upstream")
    return Row(
        f"req_past_{day}_{number}",
        day * DAY_S + chance.randrange(DAY_S),
        key=chance.choice(("alice", "alice", "build-bot", "research")),
        account=chance.choice([name for name, *_ in ACCOUNTS]),
        model_asked=chance.choice((*MODELS, "gpt-5.5", "gpt-5.1-codex")),
        tokens=tokens,
        cost_uusd=(asked - cached) + cached // 10 + 8 * tokens.output,
        attempts=1 + (chance.random() < 0.05),
        total_ms=chance.randrange(500, 9_000),
        outcome="completed",
    )


async def asks(
    url: str, number: int, session: aiohttp.ClientSession, *, malice: bool = False
) -> int:
    """One request of some client; its status."""
    names = ("alice", "build-bot", "research")
    model = HOSTILE_MODEL if malice and number % 5 == 4 else MODELS[number % 7 % 4]
    body = {
        "model": model,
        "input": "Tell me of the sea. " * (5 + number % 40),
        "stream": number % 4 != 0,
        "prompt_cache_key": f"conversation-{number % 9}",
    }
    headers = {
        "User-Agent": HOSTILE_AGENT if malice else "OpenAI/Python 3.1.0",
        "Authorization": f"Bearer {key_of(names[number % 3])}",
    }
    async with session.post(f"{url}/v1/responses", json=body, headers=headers) as response:
        await response.read()
        return response.status


@asynccontextmanager
async def busy(url: str, *, workers: int = 6, malice: bool = False) -> AsyncIterator[None]:
    """Clients that ask for as long as the context lasts."""

    async def works(first: int) -> None:
        async with client() as session:
            number = first
            while True:
                await asks(url, number, session, malice=malice)
                number += workers
                await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(works(number)) for number in range(workers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
