"""``lb serve`` as a process of its own: started, signalled, killed, started again."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define

from tests.clients import pool

ROOT = Path(__file__).resolve().parent.parent
START_S = 20.0


@define(eq=False)
class Serving:
    """A server that listens at ``url``."""

    process: asyncio.subprocess.Process
    url: str
    log: Path

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ended(self, seconds: float) -> int:
        """The exit code, which must come within ``seconds``."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    def logged(self, event: str) -> list[dict[str, object]]:
        """The lines of the log about ``event``."""
        lines = (
            json.loads(line) for line in self.log.read_bytes().splitlines() if line[:1] == b"{"
        )
        return [line for line in lines if line["event"] == event]


def configured(folder: Path, accounts: Mapping[str, str], **server: float) -> Path:
    """Write accounts.toml for ``accounts`` (id -> base URL), asked in this order."""
    told = [f"{name} = {value}" for name, value in server.items()]
    extra = "\n".join([f'data_dir = "{folder / "data"}"', 'log = "json"', *told])
    path = folder / "accounts.toml"
    fresh = folder / "accounts.toml.new"
    fresh.write_text(pool(accounts, in_order=True, extra=extra))
    fresh.chmod(0o600)
    fresh.replace(path)  # as editors do
    return path


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Serving]:
    """``lb serve`` with the configuration at ``path``, killed at the end at the latest."""
    log = path.with_name("lb.log")
    home = {"HOME": str(path.parent), "PATH": os.environ["PATH"]}
    with log.open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "lb", "serve", "--config", str(path), "--port", "0"),
            cwd=ROOT,
            env=home,
            stdout=err,
            stderr=err,
        )
    server = Serving(process, "", log)
    try:
        async with asyncio.timeout(START_S):
            while not server.url:
                assert process.returncode is None, log.read_text()
                if said := server.logged("serving"):
                    server.url = str(said[0]["url"])
                await asyncio.sleep(0.02)
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
