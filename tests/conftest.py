"""What every test may ask for: scripted upstreams, and a proxy of its own over real sockets."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest
from attrs import evolve
from hypothesis import settings

from lb import config
from tests import databases
from tests.scripted import Upstream

settings.register_profile("lb", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("lb")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # as shells start what runs in the background; the programs under test would not hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Served(Protocol):
    """A proxy that is up: where it listens, and its insides."""

    url: str
    gateway: Any


Scripted = Callable[[int], Awaitable[list[Upstream]]]
"""``await scripted(3)``: three upstreams, each on a port of its own."""
Proxy = Callable[..., Awaitable[Served]]
"""``await proxy(toml)``: a proxy with this configuration, its data in a folder of its own."""


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    async with AsyncExitStack() as stack:

        async def start(number: int) -> list[Upstream]:
            return [await stack.enter_async_context(Upstream()) for _ in range(number)]

        yield start


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as one:
        yield one


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    from lb import app

    numbers = count()
    async with AsyncExitStack() as stack:

        async def start(toml: str, **overrides: Any) -> Served:
            parsed = config.parse(toml, tmp_path)
            server = evolve(parsed.server, data_dir=tmp_path / f"data-{next(numbers)}")
            running = app.running(evolve(parsed, server=server), port=0, **overrides)
            served: Served = await stack.enter_async_context(running)
            return served

        yield start


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """An empty database of each kind: its URL, empty for SQLite."""
    if request.param == "sqlite":
        yield ""
    else:
        async with databases.schema() as url:
            yield url
