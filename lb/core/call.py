"""One request on its way to an account (``Call``), and what goes on the wire (``Outgoing``)."""

from collections.abc import Mapping

from attrs import define, field
from msgspec import Struct

from lb.core.account import Ask
from lb.core.body import Body, Source
from lb.core.formats.responses import NATIVE
from lb.core.formats.voice import Voice


class Call(Struct, eq=False, gc=False):
    """A prepared request: the rules have run, once; no account is chosen yet.

    ``headers`` are the client's, lower-case, already cut to what may go upstream; ``deadline`` is
    when the client stops waiting (unix seconds, None: it never said); ``stream`` whether the
    *client* asked for a stream; ``codex`` whether the client is a Codex CLI; ``voice`` how the
    client is to be answered; ``others`` the same request to other models, for when nobody serves
    this one, best first.
    """

    body: Body
    ask: Ask
    stream: bool
    path: str = "/responses"
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}
    request_id: str = ""
    codex: bool = False
    deadline: float | None = None
    lane: str = ""  # the conversation's own sockets, upstream; empty: the client came over HTTP
    increment: Body | None = None  # the same request, on from ``previous_id``
    previous_id: str = ""
    drain_tokens: int = 0  # what may still be generated after the client has left; 0: cut at once
    voice: Voice = NATIVE
    others: tuple[tuple[Body, Ask], ...] = ()


@define
class Outgoing:
    """A request as one upstream wants it; ``stream`` whether it answers with an event stream."""

    url: str
    headers: dict[str, str] = field(repr=False)  # holds the credential
    body: Source = field(repr=False)
    stream: bool
    changed: tuple[str, ...] = ()
