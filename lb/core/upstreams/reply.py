"""An answer that is no success, or a failure inside a stream, read into one form.

Four shapes are met: OpenAI's envelope ``{"error": {...}}``, ``{"detail": ...}``, other JSON, and
pages (HTML or text). Nothing of a page, and no credential, ever goes on to the client.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from lb.core.upstreams.signals import json_object, number

LONGEST_MESSAGE = 500  # characters
LONGEST_BODY = 1 << 20  # bytes looked at: no error object is longer
LONGEST_NAME = 100  # characters of a code, type or param

_SECRETS: Final = (
    r"\b(?:sk|sess)-[A-Za-z0-9_*-]{12,}"  # API keys, also as upstream abbreviates them
    r"|\brt[_.][A-Za-z0-9_.*-]{16,}"  # refresh tokens
    r"|\b(?:org-|proj_)[A-Za-z0-9]{12,}"  # whose account it is
    r"|\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}"  # JSON web tokens
    r"|\bBearer\s+[A-Za-z0-9_.~+/=*-]{8,}"
)
_SECRET_TEXT: Final = re.compile(_SECRETS)
_SECRET_BYTES: Final = re.compile(_SECRETS.encode())
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@frozen
class Reply:
    """What an upstream said.

    ``code`` and ``type`` are lower-case names, empty when absent; ``numeric`` a code that was a
    status number; ``enveloped`` whether ``body`` is OpenAI's form; ``page`` whether it is markup.
    """

    status: int
    headers: Mapping[str, str]
    message: str = ""
    code: str = ""
    type: str = ""
    param: str | None = None
    numeric: int | None = None
    error: Mapping[str, Any] = field(factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    enveloped: bool = False
    json: bool = False
    page: bool = False
    in_stream: bool = False


def read(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """An HTTP answer."""
    body = body[:LONGEST_BODY]
    told = json_object(body)
    if not told:
        page = _is_page(headers, body)
        text = "" if page else body[: 4 * LONGEST_MESSAGE].decode("utf-8", "replace")
        return Reply(status, headers, clean(text), body=body, page=page)
    error = told.get("error")
    if isinstance(error, dict):
        return _of_error(status, headers, error, body)
    detail = told.get("detail")
    named = detail if isinstance(detail, dict) else told
    code = name(named.get("code")) or (name(error) if _is_name(error) else "")
    return Reply(
        status,
        headers,
        clean(_prose(told)),
        code=code.lower(),
        type=name(named.get("type")).lower(),
        error=told,
        body=body,
        json=True,
    )


def read_event(event: bytes) -> Reply:
    """A ``response.failed`` or ``error`` event (its JSON), flat or nested; status 0: not told."""
    told = json_object(event)
    response = told.get("response")
    holder = response if isinstance(response, dict) else told
    error = holder.get("error")
    if isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        error = {key: value for key, value in told.items() if key not in {"type", "response"}}
    status = number(told.get("status", told.get("status_code")))
    status = status if status is not None and 100 <= status < 600 else 0  # HTTP
    reply = _of_error(int(status), _headers(told.get("headers")), error, b"")
    return Reply(
        reply.status,
        reply.headers,
        reply.message,
        reply.code,
        reply.type,
        reply.param,
        reply.numeric,
        error,
        json=True,
        in_stream=True,
    )


def _of_error(
    status: int, headers: Mapping[str, str], error: Mapping[str, Any], body: bytes
) -> Reply:
    code, numeric = error.get("code"), None
    if (told := number(code)) is not None and 100 <= told < 600:  # HTTP statuses
        code, numeric = None, int(told)
    return Reply(
        status,
        headers,
        clean(_prose(error)),
        code=name(code).lower(),
        type=name(error.get("type")).lower(),
        param=name(error.get("param")) or None,
        numeric=numeric,
        error=error,
        body=body,
        enveloped=True,
        json=True,
    )


def _prose(told: Mapping[str, Any]) -> str:
    """The sentence in an error object: ``message``, ``detail`` (text or a list), or ``error``."""
    for key in ("message", "detail", "error_description", "error", "title"):
        value = told.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict) and isinstance(value.get("message"), str):
            return str(value["message"])
        if isinstance(value, list):
            parts = (item.get("msg") for item in value[:5] if isinstance(item, dict))
            return "; ".join(part for part in parts if isinstance(part, str))
    return ""


def name(value: object) -> str:
    """A short name without secrets; empty for what is no text."""
    return clean(value)[:LONGEST_NAME] if isinstance(value, str) else ""


def clean(text: str) -> str:
    """Prose fit to be shown: one line, bounded, without credentials."""
    line = _CONTROL.sub(" ", text[: 4 * LONGEST_MESSAGE])
    return _SECRET_TEXT.sub("***", line).strip()[:LONGEST_MESSAGE]


def masked(body: bytes) -> bytes:
    """A body as it came, but for credentials."""
    return _SECRET_BYTES.sub(b"***", body)


def _is_name(value: object) -> bool:
    """Whether ``{"error": value}`` is a code (RFC 6749 has them there) rather than prose."""
    return isinstance(value, str) and "_" in value and value.isascii() and value.isidentifier()


def _is_page(headers: Mapping[str, str], body: bytes) -> bool:
    return body.lstrip()[:1] == b"<" or "html" in headers.get("content-type", "").lower()


def _headers(told: object) -> dict[str, str]:
    if not isinstance(told, dict):
        return {}
    return {str(key).lower(): str(value) for key, value in told.items()}
