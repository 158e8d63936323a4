"""What comes over a socket, as the answers HTTP would have given."""

import re
from collections.abc import Callable

import aiohttp
import msgspec
from attrs import define, field

from lb.adapters.answers import Answer
from lb.core import sse
from lb.core.errors import broken

_TYPE = re.compile(r'\s*\{\s*"type"\s*:\s*"([^"\\]{1,100})"')
_TERMINAL = ("response.completed", "response.failed", "response.incomplete", "error")


class _Head(msgspec.Struct):
    type: str = ""
    status: int | None = None
    status_code: int | None = None
    error: msgspec.Raw = msgspec.Raw(b"null")
    headers: dict[str, object] = {}


class _Error(msgspec.Struct):
    code: str | None = None


class _Response(msgspec.Struct):
    id: str = ""


class _Ended(msgspec.Struct):
    response: _Response | None = None


_NO_STATUS = 400  # an error frame without a status is about the request


@define(eq=False)
class Socket:
    """One live socket. ``last_id`` is the response a next turn may go on from."""

    account: str
    lane: str
    opened_at: float
    link: aiohttp.ClientWebSocketResponse = field(repr=False)
    last_id: str = ""
    used_at: float = 0.0
    turns: int = 0


class SocketAnswer(Answer):
    """One response on a socket, read as frames of an event stream."""

    def __init__(
        self, socket: Socket, first: str, idle_s: float, leave: Callable[[Socket, bool], None]
    ) -> None:
        super().__init__(200, {"content-type": "text/event-stream"}, "", idle_s)
        self._leave = leave
        self._socket = socket
        self._first = first
        self._ended = False

    async def chunk(self) -> bytes:
        """The next message, as a frame; empty once the response ended."""
        if self._ended:
            return b""
        text, self._first = self._first, ""
        if not text:
            text = await text_of(self._socket.link, self._socket.account)
        match = _TYPE.match(text)
        name = match.group(1) if match else _type_of(text)
        if name in _TERMINAL:
            self._ended = True
            self._socket.last_id = _id_of(text) if name == "response.completed" else ""
        return sse.write(name, text.replace("\n", " ").encode())

    def at_end(self) -> bool:
        """Whether the response ended, so that the socket can serve the next turn."""
        return self._ended

    def close(self) -> None:
        """Keep the socket if the response ended; else cut it, which cancels the response."""
        self._leave(self._socket, self._ended)


class RefusedAnswer(Answer):
    """An error frame (or a refused handshake), as the HTTP answer it stands for."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(status, {"content-type": "application/json", **headers}, "", 1.0)
        self._body = body

    async def chunk(self) -> bytes:
        """The body, once."""
        body, self._body = self._body, b""
        return body

    def at_end(self) -> bool:
        """Whether the body was read."""
        return not self._body

    def close(self) -> None:
        """Nothing is held."""


async def text_of(link: aiohttp.ClientWebSocketResponse, account: str) -> str:
    """The next text message. Raises: Problem when the socket closes, or says something else."""
    message = await link.receive()
    if message.type is aiohttp.WSMsgType.TEXT:
        return str(message.data)
    if message.type is aiohttp.WSMsgType.BINARY:
        raise broken(f"of {account} sent a binary message")
    what = f"of {account} closed the socket ({link.close_code}) before its answer was complete"
    raise broken(what, "upstream_interrupted")


def _type_of(text: str) -> str:
    try:
        return msgspec.json.decode(text, type=_Head).type or "message"
    except (msgspec.DecodeError, RecursionError):
        return "message"


def _id_of(text: str) -> str:
    try:
        ended = msgspec.json.decode(text, type=_Ended)
    except (msgspec.DecodeError, RecursionError):
        return ""
    return ended.response.id if ended.response else ""


def refusal(text: str) -> tuple[str, Answer] | None:
    """The code and the HTTP answer of a frame that is an error; None when it is not one."""
    try:
        head = msgspec.json.decode(text, type=_Head)
    except (msgspec.DecodeError, RecursionError):
        return None
    if head.type != "error":
        return None
    try:
        code = msgspec.json.decode(head.error, type=_Error).code or ""
    except msgspec.DecodeError:
        code = ""
    headers = {name.lower(): str(value) for name, value in head.headers.items()}
    headers.pop("content-type", None)
    status = head.status or head.status_code or _NO_STATUS
    return code, RefusedAnswer(status, headers, b'{"error":%b}' % bytes(head.error))
