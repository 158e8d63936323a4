"""One transport does all the I/O with upstreams; what goes wrong there becomes a Problem, here.

No redirects, no cookies, no proxies from the environment, no decompression: the destination comes
from the config alone, and bytes stay bytes.
"""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp

from lb.core.account import Account
from lb.core.call import Outgoing
from lb.core.errors import Blame, Problem

LONGEST_ERROR_BYTES = 1 << 20
LONGEST_ANSWER_BYTES = 256 << 20  # an answer in one piece; images make them large
_HEADER_BYTES = 64 << 10
_IDLE_CONNECTION_S = 20.0  # shorter than the usual server's, so that a stale one is rarely used


def new_session() -> aiohttp.ClientSession:
    """The client session for all upstreams."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_CONNECTION_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        raise_for_status=False,
        read_bufsize=256 << 10,
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


class Answer(ABC):
    """An upstream's answer, its head read.

    ``headers`` are lower-case; ``origin`` where it came from; ``idle_s`` seconds of silence in its
    body break it off.
    """

    def __init__(self, status: int, headers: Mapping[str, str], origin: str, idle_s: float) -> None:
        self.status = status
        self.headers = headers
        self.origin = origin
        self.idle_s = idle_s

    @abstractmethod
    async def chunk(self) -> bytes:
        """The bytes that have come; empty at the end.

        Raises: Problem when the connection breaks.
        """

    @abstractmethod
    def at_end(self) -> bool:
        """Whether everything has been read, so that the connection can serve again."""

    @abstractmethod
    def close(self) -> None:
        """Let go: the connection is kept if everything was read, else cut at once."""

    async def read(self, limit_bytes: int = LONGEST_ANSWER_BYTES) -> bytes:
        """The whole body.

        Raises: Problem when the connection breaks or falls silent, or the body passes the limit.
        """
        pieces: list[bytes] = []
        size = 0
        while piece := await self._next_piece():
            pieces.append(piece)
            size += len(piece)
            if size > limit_bytes:
                self.close()
                raise _garbage(f"its answer is longer than {limit_bytes >> 20} MiB")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _next_piece(self) -> bytes:
        try:
            async with asyncio.timeout(self.idle_s):
                return await self.chunk()
        except TimeoutError as error:
            self.close()
            raise problem_of(error, self.origin) from None


class HTTPAnswer(Answer):
    """An answer over HTTP."""

    def __init__(self, response: aiohttp.ClientResponse, origin: str, idle_s: float) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        super().__init__(response.status, headers, origin, idle_s)
        self._response = response

    async def chunk(self) -> bytes:
        """The bytes that have come; empty at the end.

        Raises: Problem when the connection breaks.
        """
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise problem_of(error, self.origin) from error

    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self._response.content.at_eof()

    def close(self) -> None:
        """Let go of the connection."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class Transport:
    """Sends what a dialect has written and gives back the answer."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def send(self, account: Account, outgoing: Outgoing, method: str = "POST") -> Answer:
        """Send one request and wait for the head of the answer.

        Raises: Problem (ORIGIN when the host was not reached, SOFT when it did not answer).
        """
        timeouts = account.timeouts
        origin = origin_of(outgoing.url)
        head_s = timeouts.head_s if outgoing.stream else timeouts.answer_s
        try:
            async with asyncio.timeout(head_s):
                response = await self.session.request(
                    method,
                    outgoing.url,
                    data=outgoing.body or None,
                    headers=outgoing.headers,
                    allow_redirects=False,
                    proxy=account.proxy,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect_s),
                )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise problem_of(error, origin) from error
        return HTTPAnswer(response, origin, timeouts.idle_s)


def origin_of(url: str) -> str:
    """Scheme, host and port: what is up or down together."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


_UNREACHABLE = (Blame.ORIGIN, 502, "upstream_unreachable")
_TLS = (Blame.ORIGIN, 502, "upstream_tls")
_CUT = (Blame.SOFT, 502, "upstream_interrupted")
_GARBAGE = (Blame.SOFT, 502, "upstream_garbage")
# exception -> ((blame, status, code), what happened); the first row that fits
_FAULTS: tuple[tuple[type[BaseException], tuple[Blame, int, str], str], ...] = (
    (aiohttp.ClientConnectorDNSError, _UNREACHABLE, "its name could not be resolved"),
    (aiohttp.ClientConnectorCertificateError, _TLS, "its certificate could not be verified"),
    (aiohttp.ClientConnectorSSLError, _TLS, "no secure connection could be made"),
    (ssl.SSLError, _TLS, "no secure connection could be made"),
    (aiohttp.ClientProxyConnectionError, _UNREACHABLE, "its proxy could not be reached"),
    (aiohttp.ClientHttpProxyError, _UNREACHABLE, "its proxy refused"),
    (aiohttp.ConnectionTimeoutError, (Blame.ORIGIN, 504, "upstream_unreachable"), "connecting took too long"),  # noqa: E501
    (aiohttp.ClientConnectorError, _UNREACHABLE, "the connection was refused"),
    (aiohttp.InvalidURL, _UNREACHABLE, "its base_url is no URL"),
    (TimeoutError, (Blame.SOFT, 504, "upstream_timeout"), "it did not answer in time"),
    (aiohttp.ServerDisconnectedError, _CUT, "it hung up without an answer"),
    (aiohttp.ClientPayloadError, _CUT, "its answer was cut"),
    (aiohttp.ClientResponseError, _GARBAGE, "its answer is no HTTP"),
    (OSError, _CUT, "the connection broke"),
    (aiohttp.ClientError, _CUT, "the connection broke"),
    (ValueError, _GARBAGE, "its answer is no HTTP"),
)  # fmt: skip


def problem_of(error: BaseException, origin: str) -> Problem:
    """The one table from foreign exceptions to Problems."""
    for kind, (blame, status, code), what in _FAULTS:
        if isinstance(error, kind):
            return Problem(
                f"The upstream at {origin} failed: {what}.",
                status=status,
                code=code,
                blame=blame,
                billed=blame is Blame.SOFT,
                retry_after_s=1.0,
            )
    raise error


def _garbage(what: str) -> Problem:
    return Problem(
        f"The upstream answered with something unexpected: {what}.",
        status=502,
        code="upstream_garbage",
        blame=Blame.SOFT,
        billed=True,
        retry_after_s=1.0,
    )
