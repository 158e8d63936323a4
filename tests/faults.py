"""The table of faults: what an upstream does wrong, who is to blame, what a client should see.

``FAULTS`` is data: ``tests/test_faults.py`` puts every row on the wire, for streams and whole
answers, on one, two and all three accounts of a pool. The plays are in ``faulty_plays``.
"""

from attrs import frozen

from tests import faulty_plays as does
from tests.clients import PATIENT, QUICK
from tests.plays import Play, plain

HANGING = frozenset({"head never comes", "idle before content", "idle after content"})
NEUTRAL = frozenset({"ready"})
DOUBTFUL = frozenset({"doubtful"})
COOLING = frozenset({"cooling"})
EXHAUSTED = frozenset({"exhausted"})
REFUSED = frozenset({"refused"})


@frozen
class Seen:
    """What a client sees: one of ``statuses``, and one of ``words`` as the error's type or code.

    No words: any will do. ``retry_after``: the answer must say when to come back.
    """

    statuses: frozenset[int]
    words: frozenset[str] = frozenset()
    retry_after: bool = False


@frozen
class Fault:
    """One way to fail.

    ``states`` the account may be in afterwards; ``all_fail`` what the client sees when every
    account has the fault (``whole``: when it asked for no stream, if that differs); ``moves``
    whether another account is to answer instead (None: it may); ``after_content`` whether the
    client has seen some of the answer, so that nothing can be done but say so; ``blocks`` whether
    the model is blocked there; ``refuses`` and ``slams`` are faults of the connection, without a
    play; ``harmless`` means there is nothing a client could notice.
    """

    name: str
    play: Play | None
    states: frozenset[str]
    all_fail: Seen
    whole: Seen | None = None
    moves: bool | None = True
    after_content: bool = False
    blocks: bool = False
    refuses: bool = False
    slams: bool = False
    harmless: bool = False

    @property
    def timeouts(self) -> str:
        """How long to wait for an upstream that has the fault."""
        return QUICK if self.name in HANGING else PATIENT

    def seen_by(self, *, stream: bool) -> Seen:
        """What a client sees when all accounts have the fault."""
        return self.all_fail if stream or self.whole is None else self.whole


BROKEN = Seen(frozenset({500, 502, 503, 504}))
OUT = Seen(frozenset({503}), frozenset({"no_accounts"}))
SPENT = Seen(frozenset({429}), frozenset({"usage_limit_reached"}), retry_after=True)
BUSY = Seen(frozenset({429, 503}), retry_after=True)
TOLD = Seen(frozenset({200}))
NO_MODEL = Seen(frozenset({400, 403, 404}), frozenset({"model_not_found", "model_not_available"}))


def _soft(name: str, play: Play, *statuses: int) -> Fault:
    return Fault(name, play, DOUBTFUL, Seen(BROKEN.statuses | set(statuses)))


def _status(status: int, code: str = "server_error") -> Fault:
    return _soft(f"status {status}", does.error(status, code), status)


def _burst(name: str, play: Play) -> Fault:
    return Fault(name, play, COOLING, BUSY)


def _spent(name: str, play: Play) -> Fault:
    return Fault(name, play, EXHAUSTED, SPENT)


def _client(status: int, code: str) -> Fault:
    seen = Seen(frozenset({status}), frozenset({code}))
    play = does.error(status, code, "invalid_request_error")
    return Fault(f"client's fault {status}", play, NEUTRAL, seen, moves=False)


def _lacks(status: int) -> Fault:
    play = does.error(status, "model_not_found", "invalid_request_error")
    return Fault(f"model not available {status}", play, NEUTRAL, NO_MODEL, blocks=True)


def _anchor(code: str, status: int, param: str) -> Fault:
    seen = Seen(frozenset({400, 404}), frozenset({code}))
    play = does.error(status, code, "invalid_request_error", param=param)
    return Fault(code, play, NEUTRAL, seen, moves=None)


def _late(name: str, play: Play) -> Fault:
    return Fault(name, play, DOUBTFUL, TOLD, whole=BROKEN, after_content=True)


_ROWS = (
    Fault("refused", None, NEUTRAL, BROKEN, refuses=True),
    Fault("reset at connect", None, NEUTRAL | DOUBTFUL, BROKEN, slams=True),
    _soft("reset before the head", does.reset_at_once),
    _soft("hangs up before the head", does.hang_up),
    _soft("head never comes", does.silence),
    _soft("garbage head", does.garbage_head),
    _status(408, "timeout"),
    _status(409, "conflict"),
    _status(500),
    _status(502),
    _status(503),
    _status(504),
    _status(520),
    _status(529, "overloaded"),
    Fault("503 with Retry-After", does.error(503, "slow", retry="9"), COOLING, BUSY),
    _spent("429 usage_limit_reached", does.usage_limit),
    _spent("429 insufficient_quota", does.error(429, "insufficient_quota", "insufficient_quota")),
    _burst("429 Retry-After", does.limited(**{"Retry-After": "20"})),
    _burst("429 retry-after-ms", does.limited(**{"retry-after-ms": "20000"})),
    _burst("429 told in words", does.limited("Please try again in 20s.")),
    _burst("429 without a word", does.limited()),
    _burst("429 nothing remaining", does.nothing_remaining),
    _burst("429 azure", does.azure_limited),
    Fault("401", does.error(401, "invalid_api_key", "invalid_request_error"), REFUSED, OUT),
    Fault("402", does.error(402, "deactivated_workspace"), REFUSED, OUT),
    Fault("403 deactivated", does.error(403, "account_deactivated"), REFUSED, OUT),
    Fault("403 HTML", does.html(403), NEUTRAL | DOUBTFUL, BROKEN),
    _lacks(400),
    _lacks(403),
    _lacks(404),
    _client(400, "invalid_value"),
    _client(413, "request_too_large"),
    _client(415, "unsupported_content_type"),
    _client(422, "unprocessable"),
    _anchor("previous_response_not_found", 400, "previous_response_id"),
    _anchor("invalid_encrypted_content", 400, "input"),
    _soft("redirect 307", plain(307, b"", {"location": "http://127.0.0.1:9/v1/responses"})),
    _soft("200 HTML", does.html(200)),
    _soft("200 empty", does.empty),
    _soft("200 not JSON", plain(200, b"<<< this is no JSON")),
    _soft("cut before a frame", does.cut_after(0)),
    _soft("reset before a frame", does.cut_after(0, reset=True)),
    _soft("cut within the first frame", does.cut_within_a_frame),
    _soft("cut after created", does.cut_after(2)),
    _soft("end without a frame", does.ended_after(0)),
    _soft("end after created", does.ended_after(2)),
    _soft("idle before content", does.idle_after(2)),
    _soft("garbage frames", does.garbage_frames),
    _burst("failed rate_limit_exceeded", does.failed_first("rate_limit_exceeded")),
    _soft("failed server_error", does.failed_first("server_error")),
    _soft("failed server_is_overloaded", does.failed_first("server_is_overloaded")),
    _spent("failed insufficient_quota", does.failed_first("insufficient_quota")),
    _soft("error event, flat", does.error_event(flat=True)),
    _soft("error event, nested", does.error_event(flat=False)),
    _late("cut after content", does.cut_after(6)),
    _late("cut within a late frame", does.cut_within_a_late_frame),
    _late("reset after content", does.cut_after(6, reset=True)),
    _late("idle after content", does.idle_after(6)),
    _late("end after content", does.ended_after(6)),
    _late("failed after content", does.failed_late),
    Fault("endless event", does.endless_event, NEUTRAL | DOUBTFUL, TOLD, TOLD, after_content=True),
    Fault("data after the end", does.data_after_the_end, NEUTRAL, TOLD, harmless=True),
    Fault("frames in crumbs", does.crumbs, NEUTRAL, TOLD, harmless=True),
    Fault("comments and unknown events", does.chatter, NEUTRAL, TOLD, harmless=True),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ROWS}
