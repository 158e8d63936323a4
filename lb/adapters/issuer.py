"""The issuer of ChatGPT logins: a refresh token in, new tokens out."""

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec

from lb.core.account import Account
from lb.core.upstreams.dialect import AGENT

ISSUER: Final = "https://auth.openai.com"
CLIENT_ID: Final = "app_EMoamEEZ73f0CkXaXp7hrann"  # Codex's public client
SCOPE: Final = "openid profile email offline_access"
TRIES: Final = 3
LONGEST_ANSWER: Final = 1 << 18  # bytes
TIMEOUT: Final = aiohttp.ClientTimeout(total=20.0, sock_connect=4.0)
HEADERS: Final = {
    "content-type": "application/json",
    "accept": "application/json",
    "accept-encoding": "identity",
    "user-agent": AGENT,
}
OK: Final = 200
REFUSALS: Final = frozenset(
    {
        "invalid_grant",
        "refresh_token_expired",
        "refresh_token_reused",
        "refresh_token_invalidated",
        "app_session_terminated",
    }
)
"""The issuer's words for a login that is over."""


class TransientError(Exception):
    """The issuer could not answer now, or said nothing that can be relied on."""


class RefusedError(Exception):
    """The issuer refused; holds its code."""


async def renew(
    session: aiohttp.ClientSession, account: Account, refresh_token: str
) -> Mapping[str, Any]:
    """New tokens for ``refresh_token``, which is spent from then on.

    Raises: RefusedError on the issuer's word; TransientError after ``TRIES``.
    """
    from tenacity import (
        AsyncRetrying,
        retry_if_exception_type,
        stop_after_attempt,
        wait_random_exponential,
    )

    attempts = AsyncRetrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_random_exponential(multiplier=0.1, max=1.0),
        retry=retry_if_exception_type(TransientError),
        reraise=True,
    )
    return await attempts(_ask, session, account, refresh_token)


async def _ask(
    session: aiohttp.ClientSession, account: Account, refresh_token: str
) -> Mapping[str, Any]:
    question = {
        "grant_type": "refresh_token",
        "client_id": CLIENT_ID,
        "refresh_token": refresh_token,
        "scope": SCOPE,
    }
    try:
        async with session.post(
            (account.issuer or ISSUER).rstrip("/") + "/oauth/token",
            json=question,
            headers=HEADERS,
            proxy=account.proxy,
            timeout=TIMEOUT,
            allow_redirects=False,
        ) as reply:
            return understood(reply.status, await _bounded(reply.content))
    except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
        message = f"the issuer cannot be reached ({type(error).__name__})"
        raise TransientError(message) from None


def understood(status: int, body: bytes) -> Mapping[str, Any]:
    """The tokens in an answer of the issuer.

    Raises: RefusedError on its word only; TransientError for anything else that is no token.
    """
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        if status == OK and isinstance(answer.get("access_token"), str):
            return answer
        code = _code(answer)
        if code in REFUSALS or status in {400, 401}:
            raise RefusedError(code if code in REFUSALS else "login_refused")
    message = f"the issuer answered {status} without tokens"
    raise TransientError(message)


def _code(answer: Mapping[str, Any]) -> str:
    """``{"error": "invalid_grant"}`` (RFC 6749, 5.2) or ``{"error": {"code": ...}}``."""
    error = answer.get("error")
    code = error.get("code") if isinstance(error, dict) else error
    return code if isinstance(code, str) else str(answer.get("code") or "")


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > LONGEST_ANSWER:
            message = "the issuer's answer is too long"
            raise TransientError(message)
    return bytes(body)
