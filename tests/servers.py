"""A real server in a process of its own, to be killed."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from itertools import count, islice
from pathlib import Path

import aiohttp
from attrs import define, field

STARTS_WITHIN_S = 15.0


_ports = count(20_000 + os.getpid() * 499 % 10_000)


def free_port() -> int:
    """A port nobody else is given: below those the system hands out to sockets without a wish.

    One that the system chose could go to another test's server while ours is down.
    """
    for port in islice(_ports, 1_000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    message = "no port is free"
    raise RuntimeError(message)


def refusing(port: int) -> socket.socket:
    """Nobody listens on ``port``, and nobody else is given it, until what comes back is closed."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was accepted may be open yet
    held.bind(("127.0.0.1", port))
    return held


@define(eq=False)
class Killable:
    """``lb serve`` with this configuration, its data in ``folder``; same port in every life.

    ``program``: what Python is told to run as lb.
    """

    folder: Path
    toml: str
    port: int = field(factory=free_port)
    program: tuple[str, ...] = ("-m", "lb")
    _process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    async def start(self) -> None:
        path = self.folder / "accounts.toml"
        path.write_text(self.toml.replace("[server]", '[server]\ndata_dir = "data"', 1))
        path.chmod(0o600)
        command = [*self.program, "serve", "--config", str(path), "--port", str(self.port)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=PIPE, stderr=PIPE, env={**os.environ}
        )
        async with asyncio.timeout(STARTS_WITHIN_S), aiohttp.ClientSession() as session:
            while not await self._is_ready(session):
                assert self._process.returncode is None, (await self._process.communicate())[1]
                await asyncio.sleep(0.02)

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        async with asyncio.timeout(STARTS_WITHIN_S):
            await self._process.communicate()

    def journal_left(self) -> list[Path]:
        return list((self.data_dir / "journal").glob("*.jsonl"))
