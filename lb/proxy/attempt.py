"""One try at one account: from the credential to the first content, or to a Problem."""

from attrs import define, evolve
from msgspec import Struct
from msgspec.structs import replace

from lb.adapters.answers import LONGEST_ANSWER_BYTES, LONGEST_ERROR_BYTES, Answer
from lb.adapters.clock import Clock
from lb.adapters.credentials import Credentials
from lb.adapters.ids import new_id
from lb.adapters.sockets import Sockets, StaleSocketError, UpgradeRefusedError
from lb.adapters.transport import Transport
from lb.core import codex, sse
from lb.core.account import Account, Ask
from lb.core.body import Body
from lb.core.call import Call, Outgoing
from lb.core.errors import Problem, bad_request, broken
from lb.core.formats.responses import Collector
from lb.core.secret import Secret
from lb.core.slot import Slot
from lb.core.tap import ENDED, HOLDS, Garbage, Tap
from lb.core.upstreams import KINDS, Kind
from lb.core.upstreams.dialect import JSON, RESPONSES
from lb.proxy.stream import Stream


class Attempt(Struct, eq=False, gc=False):
    """What is known of one try. Times are unix seconds, 0 until they happen.

    ``outcome`` is "" while it runs, "ok" once it began to answer, else the fault's code;
    ``ended_at`` is when it began to answer or failed; ``traceparent`` what upstream is told, where
    traces are on.
    """

    slot: Slot
    kind: Kind
    at: float
    request_id: str = ""
    upstream_request_id: str = ""
    status: int = 0
    began_at: float = 0.0
    ended_at: float = 0.0
    outcome: str = ""
    number: int = 0  # in the ledger; 0: not noted
    tap: Tap | None = None
    said: str = ""  # the upstream's words when it failed
    traceparent: str = ""
    secret: Secret | None = None  # shows itself to nobody
    changed: tuple[str, ...] = ()


class Opened(Struct, eq=False):
    """An account that has begun to answer.

    For a stream ``head`` holds the frames up to the first with content and ``stream`` gives the
    rest; otherwise ``head`` is the whole answer (JSON) and ``stream`` is None.
    """

    attempt: Attempt
    tap: Tap
    answer: Answer
    head: bytes
    stream: Stream | None = None

    @property
    def lingers(self) -> bool:
        """Whether the answer is whole but for the end of its body, which is still to come."""
        return self.tap.phase is ENDED and not self.answer.at_end()

    async def close(self) -> None:
        """Let go of the upstream; cut at once unless it had finished."""
        if self.stream is not None and not self.answer.at_end():
            await self.stream.close()
        else:
            self.answer.close()


@define(eq=False)
class Tries:
    """Makes attempts: the parts of the world one needs."""

    transport: Transport
    credentials: Credentials
    sockets: Sockets
    clock: Clock

    async def begin(self, call: Call, attempt: Attempt) -> Answer:
        """Send the request as the account's kind wants it and read the head of the answer.

        Raises: Problem, blamed by the transport or by the kind.
        """
        account = attempt.slot.account
        secret = self.credentials.ready(account) or await self.credentials.secret(account)
        attempt.secret = secret
        answer = None
        if self.over_socket(call, attempt.slot.account):
            answer = await self._on_socket(call, attempt, secret)
        if answer is None:
            written = self._written(_over_http(call), attempt, secret)
            answer = await self.transport.send(account, written)
        attempt.status = answer.status
        attempt.upstream_request_id = answer.headers.get("x-request-id", "")
        return answer

    def over_socket(self, call: Call, account: Account) -> bool:
        """Whether ``account`` is to be asked over a WebSocket."""
        when = account.websocket or KINDS[account.kind].websocket
        wanted = when == "always" or (when == "as_client" and bool(call.lane))
        return wanted and call.path == RESPONSES and self.sockets.speaks(account)

    async def _on_socket(self, call: Call, attempt: Attempt, secret: Secret) -> Answer | None:
        """The answer over a WebSocket; None when the upstream wants HTTP."""
        account = attempt.slot.account
        call = replace(call, body=codex.for_socket(call.body, call.headers))
        lane = call.lane or f"http/{call.ask.client}/{call.ask.session or call.request_id}"
        asked = call
        if call.increment and self.sockets.remembers(account, lane, call.previous_id):
            asked = replace(call, body=call.increment)
        for said in (asked, call):
            try:
                written = self._written(said, attempt, secret)
                return await self.sockets.send(account, written, lane)
            except StaleSocketError:
                continue  # it died between turns: a fresh one gets the whole input
            except UpgradeRefusedError:
                return None
        return None

    def _written(self, call: Call, attempt: Attempt, secret: Secret) -> Outgoing:
        outgoing = attempt.kind.rewrite(call, attempt.slot.account, secret)
        attempt.changed = outgoing.changed
        attempt.at = self.clock.now()
        return self._identified(call, attempt, outgoing)

    async def fetch(self, account: Account, path: str) -> bytes:
        """The body of ``GET path`` below the account's base URL, asked in its own name.

        Raises: Problem for anything but a 200.
        """
        kind = KINDS[account.kind]
        secret = self.credentials.ready(account) or await self.credentials.secret(account)
        written = kind.rewrite(_NOTHING, account, secret)
        url = account.base_url.rstrip("/") + path
        answer = await self.transport.send(
            account, evolve(written, url=url, body=b"", stream=True), method="GET"
        )
        try:
            body = await answer.read(LONGEST_ANSWER_BYTES)
        finally:
            answer.close()
        if answer.status != 200:
            raise kind.blame(answer.status, answer.headers, body, self.clock.now())
        return body

    def _identified(self, call: Call, attempt: Attempt, outgoing: Outgoing) -> Outgoing:
        own = call.headers.get("x-client-request-id") if call.codex else None
        attempt.request_id = own or f"lb_{new_id()}"
        outgoing.headers["x-client-request-id"] = attempt.request_id
        if attempt.traceparent:
            outgoing.headers["traceparent"] = attempt.traceparent
        return outgoing

    async def open(self, call: Call, attempt: Attempt, answer: Answer) -> Opened:
        """Read on until the account has shown that it answers.

        Raises: Problem for a refusal, a failure before content, a cut, silence, garbage.
        """
        try:
            return await self._read(call, attempt, answer)
        except Garbage:
            answer.close()
            raise broken("answered with something that is no response") from None
        except BaseException:
            answer.close()
            raise

    async def _read(self, call: Call, attempt: Attempt, answer: Answer) -> Opened:
        if answer.status != 200:
            body = await answer.read(LONGEST_ERROR_BYTES)
            raise attempt.kind.blame(answer.status, answer.headers, body, self.clock.now())
        content_type = answer.headers.get("content-type", "")
        if call.path == RESPONSES and content_type.startswith("text/event-stream"):
            return await self._stream(call, attempt, answer)
        if call.path == RESPONSES and (call.stream or not content_type.startswith(JSON)):
            raise broken(f"answered with content type {content_type[:80] or 'none'}")
        return self._whole(call, attempt, answer, await answer.read())

    async def _stream(self, call: Call, attempt: Attempt, answer: Answer) -> Opened:
        stream = Stream(answer, answer.idle_s)
        attempt.tap = stream.tap
        held = []
        while stream.tap.phase is HOLDS:
            held.append(await stream.next())
        self._raise_failure(attempt, stream.tap)
        attempt.began_at = self.clock.now()
        opened = Opened(attempt, stream.tap, answer, b"".join(held), stream)
        return opened if call.stream else await self._collected(attempt, opened, stream)

    def _raise_failure(self, attempt: Attempt, tap: Tap) -> None:
        if tap.phase is ENDED and tap.failure:
            raise attempt.kind.blame_event(tap.failure, self.clock.now())

    async def _collected(self, attempt: Attempt, opened: Opened, stream: Stream) -> Opened:
        """The stream as one answer, for a client that asked for no stream: nothing is committed."""
        collector = Collector()
        run = opened.head
        while run:
            for frame in sse.frames(run):
                collector.feed(sse.read(frame)[1])
            run = await stream.next()
        self._raise_failure(attempt, stream.tap)
        await stream.close()
        return Opened(attempt, stream.tap, opened.answer, collector.result())

    def _whole(self, call: Call, attempt: Attempt, answer: Answer, body: bytes) -> Opened:
        """An answer in one piece; elsewhere than from /responses it may be whatever it is."""
        attempt.began_at = self.clock.now()
        tap = attempt.tap = Tap()
        if call.path == RESPONSES:
            tap.whole(body)
            self._raise_failure(attempt, tap)
        else:
            tap.other(body)
        return Opened(attempt, tap, answer, body)


NO_PREWARM = "prewarm_over_http"
_NOTHING = Call(Body(b"{}", {}), Ask(model=""), stream=False)


def new_attempt(slot: Slot, now: float) -> Attempt:
    """A try at ``slot`` that starts at ``now`` (unix seconds)."""
    return Attempt(slot, KINDS[slot.account.kind], now)


def _over_http(call: Call) -> Call:
    """The call as a POST: a frame need not say that it streams, and only a socket is prewarmed.

    Raises: Problem for a prewarm; the conversation answers it itself.
    """
    if not call.lane:
        return call
    body = call.body.copy()
    if body.raw("generate") == b"false":
        raise no_prewarm()
    body.drop("generate", told=False)
    if body.raw("stream") != b"true":
        body.set("stream", True, told=False)
    return replace(call, body=body)


def no_prewarm() -> Problem:
    """Nothing can be prewarmed over HTTP: nobody's fault, and worth no upstream's while."""
    return bad_request("Over HTTP nothing is prewarmed.", "generate", NO_PREWARM)
