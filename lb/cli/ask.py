"""Asks the admin API of a running server."""

from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlsplit

import click
import msgspec

PATIENCE_S = 5.0
LARGEST_ANSWER = 16 * 1024 * 1024  # bytes
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where to reach what binds to all


class NoServer(click.ClickException):  # what is missing
    """Nobody answers there."""


def url_of(host: str, port: int) -> str:
    """The URL under which this machine reaches a server that listens on ``host``."""
    name = EVERYWHERE.get(host, host).strip("[]")
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def ask(url: str, path: str, token: str = "", method: str = "GET") -> dict[str, Any]:
    """The JSON a server answers to ``path``.

    Raises: ClickException in words for people, whatever goes wrong.
    """
    opened, answer = _answered(url, path, token, method)
    try:
        body = answer.read(LARGEST_ANSWER)
    except (OSError, HTTPException) as error:
        raise _nobody(url, error) from None
    finally:
        opened.close()
    return _read(answer.status, body, url)


def follow(url: str, path: str, token: str = "") -> HTTPResponse:
    """What a server tells at ``path`` as it happens; the caller reads its lines and closes it.

    Raises: ClickException in words for people; reading raises OSError, HTTPException.
    """
    opened, answer = _answered(url, path, token, "GET")
    if answer.status == 200:
        return answer
    try:
        _read(answer.status, answer.read(LARGEST_ANSWER), url)
    finally:
        opened.close()
    message = f"{url} answered with status {answer.status}"
    raise click.ClickException(message)


def _answered(url: str, path: str, token: str, method: str) -> tuple[HTTPConnection, HTTPResponse]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    opened, prefix = connection(url)
    try:
        opened.request(method, prefix + path, headers=headers)
        return opened, opened.getresponse()
    except (OSError, HTTPException, ValueError) as error:
        opened.close()
        raise _nobody(url, error) from None


def _nobody(url: str, error: Exception) -> NoServer:
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    message = f"No lb server answers at {url} ({why}).\nStart one with: lb serve"
    return NoServer(message)


def connection(url: str) -> tuple[HTTPConnection, str]:
    """The way to a server, not opened yet, and the path it lives below.

    Raises: ClickException for what is no URL.
    """
    try:
        parts: SplitResult = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("http", "https") or not host:
        message = "--url must be a URL, such as http://127.0.0.1:8642"
        raise click.ClickException(message)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(host, port, timeout=PATIENCE_S), parts.path.rstrip("/")


def _read(status: int, body: bytes, url: str) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = None
    if status in (401, 403):
        message = f"{url} wants its admin token: export LB_ADMIN_TOKEN=..."
        raise click.ClickException(message)
    if not isinstance(told, dict) or status >= 400:  # HTTP's errors
        error = told.get("error") if isinstance(told, dict) else None
        why = error.get("message") if isinstance(error, dict) else "is it an lb server?"
        message = f"{url} answered with status {status}: {why}"
        raise click.ClickException("".join(c if c.isprintable() else "?" for c in message))
    return told
