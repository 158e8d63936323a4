"""What tests ask a proxy with: a plain HTTP client that keeps what it saw, and pools as TOML."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from attrs import frozen

TERMINAL = {"response.completed", "response.failed", "response.incomplete", "error"}
MODEL = "gpt-5.5"
ENVELOPE = {"message", "type", "param", "code"}
QUICK = "{ connect_s = 1, head_s = 0.5, idle_s = 0.5, answer_s = 0.7 }"
PATIENT = "{ connect_s = 2, head_s = 10, idle_s = 10, answer_s = 20 }"
"""For all that does not hang: a busy machine is no fault."""
CLIENT_TIMEOUT_S = 20.0
WITHIN_S = 10.0
"""What happens at once has happened by then, however busy the machine."""


@frozen
class Answer:
    """What a client saw: ``events`` of a stream, or the ``body`` of anything else."""

    status: int
    headers: Mapping[str, str]
    events: tuple[dict[str, Any], ...] = ()
    body: Any = None
    broken: str = ""
    raw: bytes = b""

    @property
    def text(self) -> str:
        """The text that was told, whichever way."""
        if self.events:
            deltas = (e for e in self.events if e["type"] == "response.output_text.delta")
            return "".join(event["delta"] for event in deltas)
        contents = (item.get("content", ()) for item in self.body["output"])
        return "".join(part.get("text", "") for content in contents for part in content)

    @property
    def error(self) -> dict[str, Any]:
        """The error that was told, in the body or in the last event."""
        told: Any = self.body
        if self.events:
            told = self.events[-1].get("response") or self.events[-1]
        error = told.get("error") if isinstance(told, dict) else None
        return error if isinstance(error, dict) else {}


def asking(text: str = "Say hello", **fields: Any) -> dict[str, Any]:
    """The body of a request."""
    return {"model": MODEL, "input": text, **fields}


async def ask(
    url: str, body: Mapping[str, Any], session: aiohttp.ClientSession | None = None
) -> Answer:
    """POST ``body`` to the proxy at ``url`` and take the whole answer."""
    if session is None:
        async with client() as own:
            return await ask(url, body, own)
    async with session.post(f"{url}/v1/responses", json=body) as response:
        return await taken(response)


def client() -> aiohttp.ClientSession:
    """A session that gives up in time and takes long lines."""
    timeout = aiohttp.ClientTimeout(total=CLIENT_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(timeout=timeout, connector=connector, read_bufsize=2**22)


async def until(holds: Callable[[], object], seconds: float = WITHIN_S) -> None:
    """Wait until ``holds()``, at most ``seconds``."""
    for _ in range(round(seconds / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    assert holds(), f"not within {seconds} s"


async def taken(response: aiohttp.ClientResponse) -> Answer:
    """The whole of an answer; ``broken`` says how its body broke off."""
    raw, broken = b"", ""
    try:
        async for piece in response.content.iter_any():
            raw += piece
    except aiohttp.ClientError as error:
        broken = repr(error)
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.content_type == "text/event-stream":
        events = tuple(events_of(raw))
        return Answer(response.status, headers, events, broken=broken, raw=raw)
    body = json.loads(raw) if response.content_type == "application/json" and raw else raw
    return Answer(response.status, headers, body=body, broken=broken, raw=raw)


def events_of(raw: bytes) -> list[dict[str, Any]]:
    """The JSON events of a stream; comments are passed over."""
    events = []
    for block in raw.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = [line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")]
        data = b"\n".join(lines)
        if data and data != b"[DONE]":
            events.append(json.loads(data))
    return events


async def get(url: str, path: str) -> Any:
    """The JSON at ``path``."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}{path}") as response:
        response.raise_for_status()
        return await response.json()


async def account_states(url: str) -> dict[str, dict[str, Any]]:
    """What the pool says of each account, by id."""
    told = await get(url, "/admin/status")
    return {account["id"]: account for account in told["accounts"]}


def pool(
    accounts: Mapping[str, str],
    *,
    timeouts: str = PATIENT,
    patience_s: float = 0.0,
    in_order: bool = False,
    extra: str = "",
) -> str:
    """accounts.toml for accounts (id -> base URL), each with its id as its key.

    ``in_order`` gives each a priority, so that the first is asked first.
    """
    parts = [f"[server]\npatience_s = {patience_s}\n{extra}"]
    for number, (name, url) in enumerate(accounts.items()):
        parts.append(
            f'[[accounts]]\nid = "{name}"\nkind = "openai"\nbase_url = "{url}"\n'
            f'api_key = "{name}"\npriority = {number if in_order else 0}\ntimeouts = {timeouts}\n'
        )
    return "\n".join(parts)
