"""One transport does all the HTTP with upstreams.

No redirects, no cookies, no proxies from the environment, no decompression: the destination comes
from the config alone, and bytes stay bytes.
"""

import asyncio

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from lb.adapters.answers import Answer, HTTPAnswer, WireAnswer
from lb.adapters.faults import origin_of, problem_of
from lb.adapters.wire import READ_BYTES, StaleWireError
from lb.adapters.wires import (
    IDLE_S,
    ConnectError,
    Wires,
    head_of,
    target_of,
)
from lb.core.account import Account
from lb.core.body import Source
from lb.core.call import Outgoing
from lb.core.http1 import HEAD_BYTES
from lb.core.http1_head import Garbled

_FOREIGN = (aiohttp.ClientError, HttpProcessingError, Garbled, OSError, TimeoutError, ValueError)

Asked = tuple[str, bytes, Source, float]
"""Method, head, body, and how many seconds the head of the answer may take."""


def new_session() -> aiohttp.ClientSession:
    """The client session for proxies, WebSockets and issuers of tokens."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        raise_for_status=False,
        read_bufsize=READ_BYTES,
        max_line_size=HEAD_BYTES,
        max_field_size=HEAD_BYTES,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


class Transport:
    """Sends what a dialect has written and gives back the answer.

    ``session`` serves accounts behind a proxy; all others have connections of our own.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.wires = Wires()

    async def send(self, account: Account, outgoing: Outgoing, method: str = "POST") -> Answer:
        """Send one request and wait for the head of the answer.

        Raises: Problem (ORIGIN when the host was not reached, SOFT when it did not answer).
        """
        timeouts = account.timeouts
        head_s = timeouts.head_s if outgoing.stream else timeouts.answer_s
        try:
            if account.proxy is not None:
                return await self._through_proxy(account, outgoing, method, head_s)
            target = target_of(outgoing.url)
            body = outgoing.body
            asked = (method, head_of(method, target, outgoing.headers, len(body)), body, head_s)
            wire = self.wires.take(target)
            if wire is None:
                wire = await self.wires.connect(target, timeouts.connect_s)
            try:
                head = await wire.ask(*asked)
            except StaleWireError:  # it was closed while it lay idle: nobody's fault
                wire = await self.wires.connect(target, timeouts.connect_s)
                head = await wire.ask(*asked)
        except (*_FOREIGN, ConnectError) as error:
            raise problem_of(error, origin_of(outgoing.url)) from error
        return WireAnswer(wire, self.wires, head, timeouts.idle_s)

    async def _through_proxy(
        self, account: Account, outgoing: Outgoing, method: str, head_s: float
    ) -> Answer:
        connect_s = account.timeouts.connect_s
        async with asyncio.timeout(head_s):
            response = await self.session.request(
                method,
                outgoing.url,
                data=outgoing.body or None,
                headers=outgoing.headers,
                allow_redirects=False,
                proxy=account.proxy,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            )
        return HTTPAnswer(response, origin_of(outgoing.url), account.timeouts.idle_s)
