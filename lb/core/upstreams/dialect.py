"""What all kinds of upstream share; a kind says in a few lines how it differs."""

from collections.abc import Mapping
from typing import Final

from attrs import evolve

from lb import __version__
from lb.core.account import Account
from lb.core.body import Body
from lb.core.call import Call, Outgoing
from lb.core.errors import Problem
from lb.core.fields import TOOL
from lb.core.secret import Secret
from lb.core.upstreams import signals
from lb.core.upstreams.problems import problem_of
from lb.core.upstreams.reply import Reply, read, read_event
from lb.core.windows import Window

RESPONSES: Final = "/responses"
AGENT: Final = f"lb/{__version__}"
JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"


class Dialect:
    """OpenAI's own dialect: bearer key, paths below the base URL, bodies as they are."""

    name = ""
    base_url = ""
    stream_only = False
    websocket = "never"
    models_path = "/models"
    fits = False
    """Whether ``fit`` has anything to do."""
    aliases: Mapping[str, str] = {}
    """This upstream's own codes (lower case) -> OpenAI's."""
    openai_envelope = True
    """Whether its error bodies are OpenAI's, so that a client may get them as they came."""

    def __init_subclass__(cls) -> None:
        """A kind fits bodies as soon as it says how."""
        cls.fits = cls.fit is not Dialect.fit

    def rewrite(self, call: Call, account: Account, secret: Secret) -> Outgoing:
        """The request as this upstream wants it; ``call`` stays as it is."""
        body, fits = call.body, self.fits and call.path == RESPONSES
        if fits or account.stripped:
            body = body.copy()
            for field in account.stripped:
                strip(body, field)
            if fits:
                self.fit(body, call)
        stream = call.stream or (self.stream_only and call.path == RESPONSES)
        return Outgoing(
            url=self.url(account, call.path),
            headers=self.headers(call, account, secret, stream=stream),
            body=body.render(),
            stream=stream,
            changed=body.changed,
        )

    def fit(self, body: Body, call: Call) -> None:
        """Set in ``body`` what this upstream demands of a response request."""

    def url(self, account: Account, path: str) -> str:
        """Where a request to ``path`` goes."""
        return (account.base_url or self.base_url).rstrip("/") + path

    def headers(
        self, call: Call, account: Account, secret: Secret, *, stream: bool
    ) -> dict[str, str]:
        """The client's headers that may pass, ours, the credential, then the account's own."""
        told = {
            **call.headers,
            "content-type": call.content_type,
            "accept": EVENTS if stream else JSON,
            "accept-encoding": "identity",
            "user-agent": (call.headers.get("user-agent") if call.codex else None) or AGENT,
            **(self.credential(secret) if secret else {}),
        }
        for name, value in account.headers.items():
            told[name.lower()] = value.reveal()
        return told

    def credential(self, secret: Secret) -> dict[str, str]:
        """The header that proves who asks."""
        return {"authorization": f"Bearer {secret.reveal()}"}

    def windows(self, headers: Mapping[str, str], now: float) -> tuple[Window, ...]:
        """The usage windows told in the headers of an answer (names lower-case)."""
        return signals.windows_of_headers(headers, now)

    def blame(self, status: int, headers: Mapping[str, str], body: bytes, now: float) -> Problem:
        """What an answer that is no success means, and whose fault it is."""
        reply = self.translated(read(status, headers, body))
        return problem_of(reply, now, verbatim=self.openai_envelope)

    def blame_event(self, event: bytes, now: float) -> Problem:
        """The same for a ``response.failed`` or ``error`` event (its JSON) inside a 200."""
        return problem_of(self.translated(read_event(event)), now, verbatim=False)

    def translated(self, reply: Reply) -> Reply:
        """The reply with OpenAI's code in place of this upstream's own."""
        code = self.aliases.get(reply.code)
        return reply if code is None else evolve(reply, code=code)


def strip(body: Body, field: str) -> None:
    """Leave ``field`` out, or a pseudo-field of ``fields.TABLE``; an explicit null is not told."""
    if field.startswith(TOOL):
        _strip_tool(body, field.removeprefix(TOOL))
    elif field == "store":
        if body.raw("store") not in {b"", b"false"}:  # absent would mean true
            body.set("store", False)
    else:
        body.drop(field, told=body.raw(field) != b"null")


def _strip_tool(body: Body, kind: str) -> None:
    if kind.encode() not in body.raw("tools"):
        return  # nothing to look for: the tools are not even decoded
    tools = body.get("tools")
    if not isinstance(tools, list):
        return
    kept = [tool for tool in tools if not (isinstance(tool, dict) and tool.get("type") == kind)]
    if len(kept) == len(tools):
        return
    if kept:
        body.set("tools", kept)
    else:
        body.drop("tools")  # an empty list is not the same as none to every upstream
