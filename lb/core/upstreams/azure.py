"""Azure OpenAI, v1 API: no api-version, ``model`` is the name of a deployment.

``base_url`` is the resource's, like ``https://<resource>.openai.azure.com/openai/v1``.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from attrs import evolve

from lb.core.errors import Blame, Problem
from lb.core.secret import Secret
from lb.core.upstreams.dialect import Dialect
from lb.core.upstreams.reply import Reply, read

_JWT: Final = "eyJ"
_INNER: Final = "innererror"
_LONGEST_INNER: Final = 4096  # bytes of an innererror that go on to the client
CODES: Final = {
    "deploymentnotfound": "model_not_found",
    "operationnotsupported": "model_not_supported",
    "ratelimitreached": "rate_limit_exceeded",
    "toomanyrequests": "rate_limit_exceeded",
    "quotaexceeded": "insufficient_quota",
    "internalservererror": "server_error",
    "serviceunavailable": "server_is_overloaded",
    "responsibleaipolicyviolation": "content_filter",
    "accessdenied": "account_refused",
    "permissiondenied": "account_refused",
}
"""Azure's code, lower case -> OpenAI's."""


class Azure(Dialect):
    """Its errors lack type and param and often have a status for a code: they are rebuilt."""

    name = "azure"
    openai_envelope = False
    aliases = CODES

    def credential(self, secret: Secret) -> dict[str, str]:
        """A key goes as ``api-key``; an Entra token, which is a JWT, as bearer."""
        if secret.reveal().startswith(_JWT):
            return super().credential(secret)
        return {"api-key": secret.reveal()}

    def blame(self, status: int, headers: Mapping[str, str], body: bytes, now: float) -> Problem:
        """As ever; what the content filter found goes on in the rebuilt envelope."""
        problem = super().blame(status, headers, body, now)
        inner = _inner(read(status, headers, body))
        if problem.blame is Blame.CLIENT and inner:
            problem.extra = {**problem.extra, _INNER: inner}
        return problem

    def translated(self, reply: Reply) -> Reply:
        """With OpenAI's code; where there is none, the one inside ``innererror``."""
        code = _inner(reply).get("code")
        if isinstance(code, str) and not reply.code:
            reply = evolve(reply, code=code.lower())
        return super().translated(reply)


def _inner(reply: Reply) -> dict[str, Any]:
    inner = reply.error.get(_INNER)
    if not isinstance(inner, dict) or len(msgspec.json.encode(inner)) > _LONGEST_INNER:
        return {}
    return inner
