"""A client on a WebSocket: it sends frames and takes the whole answer, as the Codex CLI would."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from tests.clients import TERMINAL, Answer


async def say(link: aiohttp.ClientWebSocketResponse, body: Mapping[str, Any]) -> Answer:
    """Send one ``response.create`` and take what comes, up to the terminal event."""
    await link.send_str(json.dumps({"type": "response.create", **body}))
    return await heard(link)


async def heard(link: aiohttp.ClientWebSocketResponse) -> Answer:
    """The whole answer; an error frame is the HTTP answer it stands for."""
    events: list[dict[str, Any]] = []
    while True:
        message = await link.receive(timeout=20.0)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return Answer(0, {}, tuple(events), broken=f"{message.type} {link.close_code}")
        event = json.loads(message.data)
        if event["type"] == "error" and "status" in event:
            headers = {**event.get("headers", {}), "content-type": "application/json"}
            return Answer(event["status"], headers, body={"error": event["error"]})
        if event["type"] in ("keepalive", "response.metadata"):
            continue
        events.append(event)
        if event["type"] in TERMINAL:
            return Answer(200, {}, tuple(events))


async def ask_on_a_socket(url: str, body: Mapping[str, Any]) -> Answer:
    """One turn on a socket of its own."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/v1/responses", max_msg_size=0) as link,
    ):
        return await say(link, body)
