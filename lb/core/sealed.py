"""A sealed login: Codex's form, each secret in it a sealed text, and whose it is in clear.

    {"OPENAI_API_KEY": null,
     "tokens": {"id_token": "sealed:v1:...", ..., "account_id": "..."},
     "last_refresh": "...",
     "lb": {"account_id", "user_id", "email" (masked), "plan", "expires_at", "digest"}}

The ``lb`` table is what names and tables need, so that whoever has no key can still tell logins
apart. It is no proof of anything: what opens is believed, not what stands beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

MARK: Final = "sealed:v1:"
BESIDE: Final = "lb"
TOKENS: Final = ("id_token", "access_token", "refresh_token")
API_KEY: Final = "OPENAI_API_KEY"


def is_sealed(value: object) -> bool:
    """Whether a value is a sealed text."""
    return isinstance(value, str) and value.startswith(MARK)


def secrets_in(document: object) -> Iterator[tuple[str, str]]:
    """The secrets of a login that are there, sealed or not, each with the name of its field."""
    if not isinstance(document, dict):
        return
    tokens = document.get("tokens")
    fields = {f"tokens.{name}": tokens.get(name) for name in TOKENS if isinstance(tokens, dict)}
    for name, value in {API_KEY: document.get(API_KEY), **fields}.items():
        if isinstance(value, str) and value:
            yield name, value


def holds_sealed(document: object) -> bool:
    """Whether any secret of a login is sealed."""
    return any(is_sealed(value) for _, value in secrets_in(document))


def changed(document: Mapping[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    """The login with each secret as ``change`` (field, secret) makes it; the rest stays."""
    new = {**document}
    if isinstance(document.get("tokens"), dict):
        new["tokens"] = {**document["tokens"]}
    for name, value in secrets_in(document):
        holder = new if name == API_KEY else new["tokens"]
        holder[name.removeprefix("tokens.")] = change(name, value)
    return new
