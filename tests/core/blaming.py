"""What the tests of blame share: how upstreams put it, and asking a kind whose fault it is."""

from typing import Any

import msgspec

from lb.core.errors import Problem
from lb.core.upstreams import KINDS

NOW = 1_795_000_000.0
HOUR = 3600.0
DAY = 86400.0
JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}
PAGE = b"<!DOCTYPE html><title>Just a moment</title>"
CODEX_MODEL = "The 'gpt-x' model is not supported when using Codex with a ChatGPT account."


def error(message: str = "no", **fields: Any) -> bytes:
    return msgspec.json.encode({"error": {"message": message, **fields}})


def blamed(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None, kind: str = "openai"
) -> Problem:
    return KINDS[kind].blame(status, {**JSON, **(headers or {})}, body, NOW)


def failed(code: str | None, message: str = "no", **fields: Any) -> Problem:
    body = {"code": code, "message": message, **fields}
    event = {"type": "response.failed", "response": {"id": "resp_1", "error": body}}
    return KINDS["chatgpt"].blame_event(msgspec.json.encode(event), NOW)
