"""Clients with keys: what they ask a proxy with, and keys and plans as TOML."""

from collections.abc import Mapping
from typing import Any

import aiohttp

from tests.clients import Answer, asking, client, taken

ALICE = "sk-lb-alice-0000000000000000000000000000"
BOB = "sk-lb-bob-000000000000000000000000000000"
ADMIN = "admin-token-of-the-tests"


def keys(**plans: str) -> str:
    """``[[keys]]`` for each name, its key ``sk-lb-NAME-000...``, with what it says for itself."""
    parts = []
    for name, limits in plans.items():
        parts.append(f'[[keys]]\nname = "{name}"\nkey = "{key_of(name)}"\n{limits}\n')
    return "\n".join(parts)


def key_of(name: str) -> str:
    """The key of a name."""
    return f"sk-lb-{name}-".ljust(40, "0")


async def ask_as(
    url: str,
    key: str,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    session: aiohttp.ClientSession | None = None,
) -> Answer:
    """POST a request with ``key`` and take the whole answer."""
    if session is None:
        async with client() as own:
            return await ask_as(url, key, body, headers, own)
    told = {"Authorization": f"Bearer {key}", **(headers or {})}
    request = session.post(f"{url}/v1/responses", json=body or asking(), headers=told)
    async with request as response:
        return await taken(response)


async def call(
    url: str, method: str, path: str, body: Any = None, key: str = "", **headers: str
) -> Answer:
    """Any other request; ``key`` as its bearer."""
    told = {**({"Authorization": f"Bearer {key}"} if key else {}), **headers}
    async with client() as session:
        request = session.request(method, f"{url}{path}", json=body, headers=told)
        async with request as response:
            return await taken(response)
