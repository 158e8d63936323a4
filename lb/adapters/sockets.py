"""WebSockets to upstreams: one response at a time on each, kept for the conversation it serves.

A message is handed on as the event-stream frame it would be over HTTP, so that everything above
(tap, failover, delivery) knows one language. What a socket remembers (``previous_response_id``)
dies with it; then the whole input is sent anew.
"""

import asyncio
from collections.abc import Callable

import aiohttp

from lb.adapters.answers import Answer
from lb.adapters.faults import origin_of, problem_of
from lb.adapters.socket_answers import RefusedAnswer, Socket, SocketAnswer, refusal, text_of
from lb.core.account import Account
from lb.core.call import Outgoing
from lb.core.errors import Problem

LARGEST_MESSAGE_BYTES = 128 << 20
LONGEST_LIFE_S = 55 * 60.0  # upstream ends a socket after 60 minutes
LONGEST_REST_S = 120.0  # without a conversation using it
HTTP_ONLY_S = 600.0  # after a 426 or its like: how long an account is asked over HTTP
BETA = "responses_websockets=2026-02-06"
_NO_SOCKETS = frozenset({200, 404, 405, 426, 501})  # of a handshake: there are none here
_FORGOTTEN = frozenset({"websocket_connection_limit_reached", "previous_response_not_found"})


class StaleSocketError(Exception):
    """The socket died between turns, or forgot: nobody's fault, begin a fresh one."""


class UpgradeRefusedError(Exception):
    """The upstream does not upgrade (426), or not now (429): ask over HTTP."""


class Sockets:
    """The sockets to all accounts: one for each conversation, kept while it lasts."""

    def __init__(self, session: aiohttp.ClientSession, now: Callable[[], float]) -> None:
        self._session = session
        self._now = now
        self._held: dict[tuple[str, str], Socket] = {}
        self._http_only: dict[str, float] = {}
        self._closing: set[asyncio.Task[bool]] = set()

    def __len__(self) -> int:
        return len(self._held)

    def speaks(self, account: Account) -> bool:
        """Whether the account may be asked over a socket now."""
        return self._http_only.get(account.id, 0.0) <= self._now()

    def remembers(self, account: Account, lane: str, response_id: str) -> bool:
        """Whether a live socket of the account can go on from ``response_id``."""
        socket = self._held.get((account.id, lane))
        return socket is not None and self._lives(socket) and socket.last_id == response_id

    async def send(self, account: Account, outgoing: Outgoing, lane: str) -> Answer:
        """Ask on the conversation's socket, or on a new one; wait for the first word.

        Raises: StaleSocketError when a kept socket turns out dead or forgetful,
        UpgradeRefusedError, Problem as the transport.
        """
        socket = self._taken(account, lane)
        fresh = socket is None
        timeouts = account.timeouts
        try:
            async with asyncio.timeout(timeouts.head_s):
                if socket is None:
                    socket = await self._connected(account, outgoing, lane)
                socket.turns += 1
                await socket.link.send_str(frame_of(bytes(outgoing.body)).decode())
                first = await text_of(socket.link, account.id)
        except aiohttp.WSServerHandshakeError as refused:
            return self._refused(account, refused)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, Problem) as error:
            if socket is not None:
                self.drop(socket)
            if not fresh and not isinstance(error, TimeoutError):
                raise StaleSocketError from None
            if isinstance(error, Problem):
                raise
            raise problem_of(error, origin_of(outgoing.url)) from error
        except BaseException:
            if socket is not None:
                self.drop(socket)
            raise
        return self._answer(socket, first, timeouts.idle_s, fresh=fresh)

    def _answer(self, socket: Socket, first: str, idle_s: float, *, fresh: bool) -> Answer:
        if '"error"' in first[:200] and (refused := refusal(first)) is not None:
            code, answer = refused
            self.drop(socket)
            if code in _FORGOTTEN and not fresh:
                raise StaleSocketError
            return answer
        return SocketAnswer(socket, first, idle_s, self._left)

    def _taken(self, account: Account, lane: str) -> Socket | None:
        """The conversation's socket, out of the pool while it is used; None when there is none."""
        socket = self._held.pop((account.id, lane), None)
        if socket is None:
            return None
        if not self._lives(socket):
            self.drop(socket)
            return None
        return socket

    def _lives(self, socket: Socket) -> bool:
        return not socket.link.closed and self._now() - socket.opened_at <= LONGEST_LIFE_S

    async def _connected(self, account: Account, outgoing: Outgoing, lane: str) -> Socket:
        headers = {
            name: value
            for name, value in outgoing.headers.items()
            if name not in ("content-type", "accept", "accept-encoding")
        }
        headers.setdefault("openai-beta", BETA)
        link = await self._session.ws_connect(
            outgoing.url.replace("http", "ws", 1),
            headers=headers,
            proxy=account.proxy,
            max_msg_size=LARGEST_MESSAGE_BYTES,
            compress=15,
            autoping=True,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        )
        return Socket(account.id, lane, self._now(), link)

    def _refused(self, account: Account, refused: aiohttp.WSServerHandshakeError) -> Answer:
        """A refused handshake comes without its body: over HTTP the upstream says what it means."""
        if refused.status != 401:
            if refused.status in _NO_SOCKETS:
                self._http_only[account.id] = self._now() + HTTP_ONLY_S
            raise UpgradeRefusedError
        headers = {name.lower(): value for name, value in (refused.headers or {}).items()}
        headers.pop("content-type", None)
        return RefusedAnswer(refused.status, headers, b"{}")

    def _left(self, socket: Socket, ended: bool) -> None:  # noqa: FBT001  # the answer's callback
        if ended:
            self.give_back(socket)
        else:
            self.drop(socket)

    def give_back(self, socket: Socket) -> None:
        """The turn is over; the socket waits for the next."""
        socket.used_at = self._now()
        key = (socket.account, socket.lane)
        other = self._held.get(key)
        if other is not None and other is not socket:
            self.drop(other)
        self._held[key] = socket

    def drop(self, socket: Socket) -> None:
        """Close a socket; what is under way on it ends."""
        if self._held.get((socket.account, socket.lane)) is socket:
            del self._held[socket.account, socket.lane]
        if not socket.link.closed:
            task = asyncio.ensure_future(socket.link.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def leave(self, lane: str) -> None:
        """The conversation ended: close its sockets."""
        for socket in [held for held in self._held.values() if held.lane == lane]:
            self.drop(socket)

    def sweep(self) -> None:
        """Close sockets nobody has used for a while, and those that died."""
        now = self._now()
        for socket in list(self._held.values()):
            if socket.link.closed or now - socket.used_at > LONGEST_REST_S:
                self.drop(socket)

    async def close(self) -> None:
        """Close them all."""
        for socket in list(self._held.values()):
            self.drop(socket)
        if self._closing:
            await asyncio.wait(self._closing, timeout=1.0)


def frame_of(body: bytes) -> bytes:
    """A request body as a ``response.create`` frame, byte for byte but for its type."""
    head = b'{"type":"response.create"'
    rest = body.lstrip()[1:].lstrip()
    return head + (b"}" if rest.startswith(b"}") else b"," + rest)
