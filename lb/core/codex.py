"""What a Codex CLI says about itself, over HTTP and over a WebSocket (facts of version 0.169.0)."""

from collections.abc import Mapping
from typing import Any

from lb.core.body import Body

LITE = "x-openai-internal-codex-responses-lite"
_LITE_ON_SOCKET = "ws_request_header_x_openai_internal_codex_responses_lite"
_FROM_METADATA = ("x-codex-turn-state", "x-codex-turn-metadata", "x-codex-window-id")
"""Headers that change from turn to turn; a socket's handshake cannot carry them."""


def is_codex(headers: Mapping[str, str]) -> bool:
    """Whether the client is a Codex CLI: it counts only JSON events as life."""
    agent = headers.get("originator") or headers.get("user-agent", "")
    return agent.lower().startswith("codex")


def turn_headers(body: Body) -> dict[str, str]:
    """The headers an HTTP request would carry, from the ``client_metadata`` of a frame."""
    told = _metadata(body)
    headers = {name: told[name] for name in _FROM_METADATA if isinstance(told.get(name), str)}
    if told.get(_LITE_ON_SOCKET) == "true":
        headers[LITE] = "true"
    return headers


def for_socket(body: Body, headers: Mapping[str, str]) -> Body:
    """``body`` as a frame tells it: what the headers of an HTTP request say is in its metadata."""
    if headers.get(LITE) != "true" or _metadata(body).get(_LITE_ON_SOCKET) == "true":
        return body
    told = body.copy()
    told.set("client_metadata", {**_metadata(body), _LITE_ON_SOCKET: "true"}, told=False)
    return told


def _metadata(body: Body) -> dict[str, Any]:
    metadata = body.get("client_metadata")
    return metadata if isinstance(metadata, dict) else {}
