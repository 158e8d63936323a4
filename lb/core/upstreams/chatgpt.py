"""ChatGPT's "codex" upstream, by a person's login.

It refuses what the Responses API allows: a string as ``input``, a stored or unstreamed response, a
request without ``instructions`` unless it has the new Codex form, whose base instructions are a
developer message at the head of ``input``.
"""

from typing import Final

import msgspec

from lb.core.account import Account
from lb.core.body import Body
from lb.core.call import Call
from lb.core.secret import Secret
from lb.core.upstreams.dialect import Dialect

ACCOUNT_ID: Final = "chatgpt-account-id"
CLIENT_VERSION: Final = "0.169.0"  # which Codex the list of models is asked for
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Bearer(Secret):
    """An access token, and the ChatGPT account it speaks for (no secret, but no one's business)."""

    __slots__ = ("account_id",)

    def __init__(self, value: str, account_id: str = "") -> None:
        super().__init__(value)
        self.account_id: Final = account_id


class ChatGPT(Dialect):
    """Paths below ``/codex``; always an event stream; nothing is stored."""

    name = "chatgpt"
    base_url = "https://chatgpt.com/backend-api"
    stream_only = True
    websocket = "as_client"
    models_path = f"/codex/models?client_version={CLIENT_VERSION}"

    def url(self, account: Account, path: str) -> str:
        """Where a request to ``path`` goes: below ``/codex``."""
        return super().url(account, "/codex" + path)

    def credential(self, secret: Secret) -> dict[str, str]:
        """The access token, and the account where it is known."""
        told = super().credential(secret)
        if isinstance(secret, Bearer) and secret.account_id:
            told[ACCOUNT_ID] = secret.account_id
        return told

    def fit(self, body: Body, call: Call) -> None:
        """Set what is demanded; a body that has it already stays byte for byte."""
        if body.raw("store") != b"false":
            body.set("store", False, told=body.raw("store") == b"true")
        if body.raw("stream") != b"true":
            body.set("stream", True, told=False)
        if body.raw("input")[:1] == b'"':
            content = [{"type": "input_text", "text": body.get("input")}]
            body.set("input", [{"type": "message", "role": "user", "content": content}], told=False)
        if body.raw("instructions") not in {b"", b"null"}:
            return
        if call.codex or _begins_with_developer(body):
            body.drop("instructions", told=False)
        else:
            body.set("instructions", "", told=False)


def _begins_with_developer(body: Body) -> bool:
    """Whether the first item of ``input`` is the developer's; no other item is decoded."""
    try:
        items = _ITEMS.decode(body.raw("input"))
        first = msgspec.json.decode(items[0]) if items else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and first.get("role") == "developer"
