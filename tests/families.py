"""``lb serve --workers``: a whole family of processes, with a door to each of its workers."""

import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, field

from tests.clients import PATIENT, Answer, ask, client, until
from tests.serving import Serving, serving

MOST_DOORS = 200  # connections made to reach each worker: the kernel spreads them by chance


def written(
    folder: Path, accounts: Mapping[str, str], *, workers: int = 2, extra: str = "", **server: float
) -> Path:
    """Write accounts.toml: accounts (id -> base URL) that keep state, asked in this order."""
    told = "\n".join(f"{name} = {value}" for name, value in server.items())
    parts = [
        f'[server]\ndata_dir = "{folder / "data"}"\nlog = "json"\nworkers = {workers}\n{told}\n'
    ]
    parts += (
        f'[[accounts]]\nid = "{name}"\nkind = "openai"\nbase_url = "{url}"\napi_key = "{name}"\n'
        f'priority = {number}\ntimeouts = {PATIENT}\nsupports = ["previous_response_id"]\n'
        for number, (name, url) in enumerate(accounts.items())
    )
    path = folder / "accounts.toml"
    path.write_text("\n".join(parts) + extra)
    path.chmod(0o600)
    return path


@define(eq=False)
class Door:
    """One connection, and so one worker."""

    url: str
    worker: int
    pid: int
    session: aiohttp.ClientSession

    async def ask(self, body: Mapping[str, Any]) -> Answer:
        """POST to this worker."""
        return await ask(self.url, body, self.session)

    async def get(self, path: str) -> Any:
        """The JSON at ``path``, as this worker tells it."""
        async with self.session.get(f"{self.url}{path}") as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def text(self, path: str) -> str:
        """The text at ``path``, as this worker tells it."""
        async with self.session.get(f"{self.url}{path}") as response:
            return await response.text()

    async def post(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """What this worker answers to an operator's act."""
        async with self.session.request(method, f"{self.url}{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def states(self) -> dict[str, str]:
        """How accounts stand, as this worker sees it."""
        told = await self.get("/admin/status")
        return {account["id"]: account["state"] for account in told["accounts"]}


@define(eq=False)
class Kin:
    """A family that serves, and who opens its doors."""

    server: Serving
    stack: AsyncExitStack = field(factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return self.server.url

    async def doors(self, number: int = 2, **headers: str) -> list[Door]:
        """A connection to each of the workers, in their order."""
        found: dict[int, Door] = {}
        for _ in range(MOST_DOORS):
            door = await self.door(**headers)
            if found.setdefault(door.worker, door) is not door:
                await door.session.close()
            if len(found) == number:
                return [found[worker] for worker in sorted(found)]
        message = f"only {sorted(found)} were reached"
        raise AssertionError(message)

    async def door(self, **headers: str) -> Door:
        """A connection to one of them, by chance."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1),
            timeout=aiohttp.ClientTimeout(total=20),
            headers=headers,
            read_bufsize=2**22,
        )
        await self.stack.enter_async_context(session)
        door = Door(self.url, -1, 0, session)
        first = (await door.get("/admin/status"))["workers"][0]
        door.worker, door.pid = first["worker"], first["pid"]
        return door

    async def pids(self) -> list[int]:
        """The processes of the workers, in their order."""
        async with client() as session, session.get(f"{self.url}/admin/status") as response:
            told = (await response.json())["workers"]
        return [each["pid"] for each in sorted(told, key=lambda each: int(each["worker"]))]

    async def kill(self, pid: int) -> None:
        """End one process, and wait until it is gone."""
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet waited for does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


@asynccontextmanager
async def kin(path: Path) -> AsyncIterator[Kin]:
    """``lb serve`` with the configuration at ``path``; none of it outlives the context."""
    async with serving(path) as server:
        family = Kin(server)
        pids: list[int] = []
        try:
            async with family.stack:
                yield family
                if server.process.returncode is None:
                    pids = await family.pids()
        finally:
            if server.process.returncode is None:
                server.process.kill()
                await server.process.wait()
            await until(lambda: not any(map(alive, pids)))
