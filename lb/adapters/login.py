"""A person signs in: in the browser of this machine (RFC 8252, PKCE: RFC 7636), or of any other.

Both ways end in the tokens of Codex's ``auth.json``. Nothing of them is ever shown.
"""

import asyncio
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from attrs import frozen

from lb.adapters.callback import Callback
from lb.adapters.issuer import (
    CLIENT_ID,
    HEADERS,
    ISSUER,
    LONGEST_ANSWER,
    SCOPE,
    TIMEOUT,
    RefusedError,
    TransientError,
    understood,
)
from lb.core.identity import identity_of

PORT: Final = 1455  # the one the issuer sends Codex's public client back to
PATIENCE_S: Final = 300.0  # for a person in front of a browser
DEVICE_PATIENCE_S: Final = 900.0  # where the issuer names no time
INTERVAL_S: Final = 5.0  # between two questions, where the issuer names none (RFC 8628, 3.5)
PENDING: Final = frozenset({403, 404, 429})  # the person has not signed in yet
FORM: Final = {**HEADERS, "content-type": "application/x-www-form-urlencoded"}


class LoginError(Exception):
    """It did not work; says why and what to do."""


@frozen
class Code:
    """What a device login shows: where to go, what to type there, for how long (seconds)."""

    url: str
    text: str
    lasts_s: float


@frozen
class Ways:
    """Whom to ask, and how long a person may take; ``port`` 0 takes any (for tests)."""

    issuer: str = ISSUER
    port: int = PORT
    patience_s: float = PATIENCE_S


async def by_browser(
    session: aiohttp.ClientSession, ways: Ways, show: Callable[[str], None]
) -> dict[str, Any]:
    """Sign in with a browser of this machine; ``show`` gets the URL to open.

    Returns the document of an ``auth.json``. Raises: LoginError.
    """
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    async with Callback(state) as callback:
        try:
            await callback.listen(ways.port)
        except OSError:
            raise LoginError(
                f"Port {ways.port} is taken, and the issuer answers to no other. Is another login"
                " under way? End it, or use: lb login --device NAME"
            ) from None
        show(_authorize_url(ways.issuer, callback.url, state, verifier))
        try:
            async with asyncio.timeout(ways.patience_s):
                code = await callback.code()
        except TimeoutError:
            raise LoginError(
                f"Nobody signed in within {ways.patience_s / 60:.0f} minutes. Run it again."
            ) from None
        except PermissionError as error:
            raise LoginError(f"The issuer refused: {error}. Nothing was saved.") from None
        return await _exchanged(session, ways.issuer, callback.url, code, verifier)


async def by_device(
    session: aiohttp.ClientSession, ways: Ways, show: Callable[[Code], None]
) -> dict[str, Any]:
    """Sign in with a browser of any machine; ``show`` gets the code to type there.

    Returns the document of an ``auth.json``. Raises: LoginError.
    """
    base = f"{ways.issuer}/api/accounts/deviceauth"
    status, told = await _asked(session, f"{base}/usercode", {"client_id": CLIENT_ID})
    text = told.get("user_code") or told.get("usercode")
    device = told.get("device_auth_id")
    if status != 200 or not isinstance(text, str) or not isinstance(device, str):
        hint = "use lb login without --device" if status == 404 else "try again in a moment"
        raise LoginError(f"The issuer gives no device code (status {status}): {hint}.")
    lasts_s = min(_number(told.get("expires_in"), DEVICE_PATIENCE_S), DEVICE_PATIENCE_S)
    show(Code(f"{ways.issuer}/codex/device", text, lasts_s))
    question = {"device_auth_id": device, "user_code": text}
    interval_s = _number(told.get("interval"), INTERVAL_S)
    try:
        async with asyncio.timeout(lasts_s):
            given = await _confirmed(session, f"{base}/token", question, interval_s)
    except TimeoutError:
        raise LoginError("The code expired before anybody used it. Run it again.") from None
    code, verifier = given.get("authorization_code"), given.get("code_verifier")
    if not isinstance(code, str) or not isinstance(verifier, str):
        raise LoginError("The issuer confirmed the login without a code. Run it again.")
    redirect = f"{ways.issuer}/deviceauth/callback"
    return await _exchanged(session, ways.issuer, redirect, code, verifier)


async def _confirmed(
    session: aiohttp.ClientSession, url: str, question: Mapping[str, str], interval_s: float
) -> Mapping[str, Any]:
    """Ask until the person has signed in; a bad moment of the issuer or the network is waited out.

    Raises: LoginError on any other word of the issuer.
    """
    while True:
        try:
            status, told = await _asked(session, url, question)
        except LoginError:
            status, told = 503, {}
        if status == 200:
            return told
        if status not in PENDING and status < 500:
            raise LoginError(f"The issuer ended the login (status {status}). Run it again.")
        await asyncio.sleep(interval_s)


async def _exchanged(
    session: aiohttp.ClientSession, issuer: str, redirect: str, code: str, verifier: str
) -> dict[str, Any]:
    """The tokens for a code, as a document. Raises: LoginError."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect,
        "client_id": CLIENT_ID,
        "code_verifier": verifier,
    }
    status, body = await _posted(session, f"{issuer}/oauth/token", urlencode(form).encode(), FORM)
    try:
        told = understood(status, body)
    except RefusedError:
        raise LoginError("The issuer does not accept the code. Run it again.") from None
    except TransientError as error:
        raise LoginError(f"{error}. Nothing was saved; run it again.") from None
    return document_of(told)


def document_of(told: Mapping[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """Codex's ``auth.json`` for what the issuer gave. Raises: LoginError when it is not enough."""
    names = ("id_token", "access_token", "refresh_token")
    tokens = {name: told[name] for name in names if isinstance(told.get(name), str) and told[name]}
    document = {
        "OPENAI_API_KEY": None,
        "tokens": tokens,
        "last_refresh": (now or datetime.now(UTC)).isoformat().replace("+00:00", "Z"),
    }
    identity = identity_of(document)
    if identity is None or len(tokens) < len(names):
        raise LoginError("The issuer did not give all the tokens. Run it again.")
    if not identity.account_id:
        raise LoginError("This login has no ChatGPT account, so Codex cannot be used with it.")
    tokens["account_id"] = identity.account_id
    return document


def _authorize_url(issuer: str, redirect: str, state: str, verifier: str) -> str:
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": redirect,
        "scope": SCOPE,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "state": state,
    }
    return f"{issuer}/oauth/authorize?{urlencode(query)}"


async def _asked(
    session: aiohttp.ClientSession, url: str, question: Mapping[str, str]
) -> tuple[int, Mapping[str, Any]]:
    status, body = await _posted(session, url, msgspec.json.encode(question), HEADERS)
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        told = None
    return status, told if isinstance(told, dict) else {}


async def _posted(
    session: aiohttp.ClientSession, url: str, data: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    """Status and body of the answer to a POST. Raises: LoginError when there is none."""
    body = bytearray()
    try:
        async with session.post(
            url, data=data, headers=headers, timeout=TIMEOUT, allow_redirects=False
        ) as reply:
            async for chunk in reply.content.iter_any():
                body += chunk
                if len(body) > LONGEST_ANSWER:
                    raise LoginError("The issuer's answer is too long. Nothing was saved.")
            return reply.status, bytes(body)
    except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
        raise LoginError(
            f"The issuer cannot be reached ({type(error).__name__}). Nothing was saved."
        ) from None


def _number(value: object, default: float) -> float:
    """Seconds, which some issuers tell as a text."""
    try:
        return max(0.0, float(value)) if isinstance(value, str | int | float) else default
    except ValueError:
        return default
