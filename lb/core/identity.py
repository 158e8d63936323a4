"""Who a ChatGPT login belongs to, as its tokens say. Unverified: for names and tables only."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec
from attrs import frozen

from lb.core.sealed import BESIDE, is_sealed

CLAIMS: Final = "https://api.openai.com/auth"  # where OpenAI's tokens hold their own claims
PROFILE: Final = "https://api.openai.com/profile"
_BEARERS: Final = ("id_token", "access_token")


@frozen
class Identity:
    """A person's seat: two seats of one workspace share ``account_id``, never ``user_id``.

    ``expires_at`` is the access token's end (unix seconds), ``refreshed_at`` when the tokens were
    issued; 0 where unknown, as texts are empty.
    """

    account_id: str = ""
    user_id: str = ""
    email: str = ""
    plan: str = ""
    expires_at: float = 0.0
    refreshed_at: float = 0.0
    token_digest: str = ""

    @property
    def seat(self) -> tuple[str, str] | None:
        """What tells one login from another; None where the tokens do not say."""
        if self.account_id and self.user_id:
            return self.account_id, self.user_id
        return None

    @property
    def key(self) -> tuple[str, str]:
        """The seat, or where it is unknown the token itself: what is imported only once."""
        return self.seat or ("", self.token_digest)

    @property
    def beside(self) -> dict[str, Any]:
        """What stands in clear beside a sealed login: no address, and a digest only if need be."""
        return {
            "account_id": self.account_id,
            "user_id": self.user_id,
            "email": self.masked_email,
            "plan": self.plan,
            "expires_at": self.expires_at,
            **({} if self.seat else {"digest": self.token_digest}),
        }

    @property
    def masked_email(self) -> str:
        """Enough of the address to recognise it."""
        name, at, domain = self.email.partition("@")
        return f"{name[:1]}***{at}{domain}" if at else ""


def claims(token: str) -> dict[str, Any]:
    """The claims of a JSON web token, unverified; empty for what is none."""
    parts = token.split(".")
    if len(parts) != 3:  # header, claims, signature
        return {}
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        told = msgspec.json.decode(text)
    except (binascii.Error, msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def identity_of(document: object) -> Identity | None:
    """Whose login a document of the form of ``auth.json`` holds; None when it holds none."""
    tokens = document.get("tokens") if isinstance(document, dict) else None
    access = tokens.get("access_token") if isinstance(tokens, dict) else None
    if (
        not isinstance(document, dict)
        or not isinstance(tokens, dict)
        or not isinstance(access, str)
    ):
        return None
    if not access:
        return None
    if is_sealed(access):
        return _beside(document, tokens, access)
    told = [claims(_text(tokens, name)) for name in _BEARERS]
    own = [_table(each, CLAIMS) for each in told]
    expires_at = told[1].get("exp")
    return Identity(
        account_id=_text(tokens, "account_id") or _first(own, "chatgpt_account_id"),
        user_id=_first(own, "chatgpt_user_id") or _first(own, "user_id"),
        email=_first([*told, *(_table(each, PROFILE) for each in told)], "email"),
        plan=_first(own, "chatgpt_plan_type"),
        expires_at=float(expires_at) if isinstance(expires_at, int | float) else 0.0,
        refreshed_at=_instant(_text(document, "last_refresh")),
        token_digest=sha256((_text(tokens, "refresh_token") or access).encode()).hexdigest(),
    )


def _beside(document: Mapping[str, Any], tokens: Mapping[str, Any], access: str) -> Identity:
    """Whose a sealed login is, as what stands beside it says."""
    told = _table(document, BESIDE)
    expires_at = told.get("expires_at")
    return Identity(
        account_id=_text(tokens, "account_id") or _text(told, "account_id"),
        user_id=_text(told, "user_id"),
        email=_text(told, "email"),
        plan=_text(told, "plan"),
        expires_at=float(expires_at) if isinstance(expires_at, int | float) else 0.0,
        refreshed_at=_instant(_text(document, "last_refresh")),
        token_digest=_text(told, "digest") or sha256(access.encode()).hexdigest(),
    )


def _table(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""


def _first(holders: list[Mapping[str, Any]], name: str) -> str:
    return next(filter(None, (_text(each, name) for each in holders)), "")


def _instant(text: str) -> float:
    """An RFC 3339 instant as unix seconds; 0 for what is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
