"""How lb speaks to its log: one line an event, JSON or for people, and never a secret.

Everything goes through the same processors: control characters are escaped (nobody's text can forge
a line or move a cursor), texts are capped, what looks like a credential becomes stars. The standard
library's loggers (aiohttp, asyncio) end here too.
"""

import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, BinaryIO, ClassVar

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from lb.core.remembered import Remembered

LONGEST_TEXT = 2_000  # characters of one value
LONGEST_TRACEBACK = 8_000  # characters; the end is kept, it names the fault
LARGEST_NUMBER = 2**63 - 1  # beyond it readers of JSON differ
DEEPEST = 4  # levels of tables within a value
MOST_KINDS = 500  # of records that are counted at once
MALFORMED = "aiohttp.http"  # where the errors of what is no HTTP live
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

SECRET = re.compile(
    r"(?<![A-Za-z0-9])(?:(?P<kind>sk-|rt_|eyJ)[A-Za-z0-9_\-.+/=]{4,}"
    r"|(?P<scheme>(?i:bearer|basic)\s+)[A-Za-z0-9_\-.~+/=]{6,})"
    r"|(?P<url>://)[^/\s:@]*:[^/\s@]+@"
)
"""OpenAI keys, refresh tokens, JWTs; credentials after their scheme; passwords in URLs."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0, C1, line and paragraph separators, bidirectional overrides, lone surrogates."""


class Levelled(structlog.make_filtering_bound_logger(LEVELS["info"])):  # type: ignore[misc]
    """A logger whose level changes while it is in use, at no cost to a line.

    Its methods are those structlog makes for a level; ``set_level`` puts others in their place, so
    that every logger there is, cached ones too, follows at once. ``usual`` is the level set up.
    """

    level = "info"
    usual = "info"
    straight: ClassVar[BinaryIO | None] = None  # where lines of JSON go


def set_level(level: str) -> None:
    """Log from ``level`` on, from now on. Raises: KeyError for one that is none."""
    made = structlog.make_filtering_bound_logger(LEVELS[level])
    for name, method in vars(made).items():
        if not name.startswith("__"):
            setattr(Levelled, name, method)
    Levelled.level = level
    logging.getLogger().setLevel(max(LEVELS[level], logging.INFO))


def toggle_debug() -> str:
    """Debug if it was not, else the usual level; gives back which."""
    set_level(Levelled.usual if Levelled.level == "debug" else "debug")
    structlog.get_logger().warning("log_level", now=Levelled.level)
    return Levelled.level


def set_up(mode: str = "auto", level: str = "info", stream: BinaryIO | None = None) -> None:
    """Log to ``stream`` (standard error) as ``console`` or ``json``; ``auto``: by the terminal."""
    out = stream or sys.stderr.buffer
    people = mode == "console" or (mode == "auto" and out.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *([cleaned, _for_people(colors=out.isatty())] if people else [_as_json]),
        ],
        wrapper_class=Levelled,
        logger_factory=structlog.BytesLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [Routed()]
    Levelled.usual = level
    Levelled.straight = None if people else out
    set_level(level)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("bm25s").disabled = True  # sets its own level to debug when imported


def request(told: dict[str, Any], texts: tuple[str, ...] | None = None) -> None:
    """The one line of a request, at level info: what structlog would write, by a shorter way.

    It is a tenth of the time, on a line that every request pays for; ``told`` is taken over, and
    the line leaves with the next ``flush``. ``texts``, where they are named, are all of its texts
    that are not lb's own: the same ones again need no second look.
    """
    out = Levelled.straight
    if out is None or not structlog.is_configured():
        structlog.get_logger().info("request", **told)
    elif LEVELS[Levelled.level] <= LEVELS["info"]:
        told["event"], told["level"], told["timestamp"] = "request", "info", _timestamp(time.time())
        _waiting.append(_line_of(told, texts))


def _line_of(told: dict[str, Any], texts: tuple[str, ...] | None) -> bytes:
    try:
        if texts is not None and _harmless[texts]:
            return _encode(told)
    except UnicodeEncodeError:
        pass  # a lone surrogate: it is cleaned
    return _as_json(None, "info", told)


def flush() -> None:
    """Lines of requests leave now, in one write whether Python buffers or not."""
    out = Levelled.straight
    if out is not None and _waiting:
        lines = b"\n".join((*_waiting, b""))
        _waiting.clear()  # first: what cannot be written must not pile up
        out.write(lines)
        out.flush()


_waiting: list[bytes] = []


def _timestamp(now: float) -> str:
    second = int(now)
    return f"{_second(second)}.{int((now - second) * 1e6):06}Z"


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def cleaned(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A processor: every value safe to show, see ``clean``."""
    for name, value in event.items():
        if name == "exception":
            event[name] = _traceback(value)
        else:
            event[name] = clean(value)
    return event


def clean(value: Any, depth: int = 0) -> Any:
    """``value`` with its texts redacted, escaped and capped; what is no data becomes its text."""
    match value:
        case str():
            return _text(value)
        case bool() | float() | None:
            return value
        case int():
            return value if abs(value) <= LARGEST_NUMBER else str(value)
        case Mapping() if depth < DEEPEST:
            return {_text(str(key)): clean(each, depth + 1) for key, each in value.items()}
        case list() | tuple() | set() | frozenset() if depth < DEEPEST:
            return [clean(each, depth + 1) for each in value]
        case _:
            return _text(str(value))


def redacted(text: str) -> str:
    """``text`` with stars for what looks like a credential; its kind stays to be seen."""
    return SECRET.sub(_stars, text)


def _stars(found: re.Match[str]) -> str:
    if found["url"]:
        return "://***@"
    return f"{found['kind'] or found['scheme']}***"


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        # redacted before it is cut: half a credential would not look like one
        text = redacted(text[: 2 * LONGEST_TEXT])[:LONGEST_TEXT] + "… (cut)"
    text = redacted(text)
    return text if text.isprintable() else CONTROL.sub(_escape, text)


def _traceback(text: Any) -> str:
    cut = redacted(str(text)[-2 * LONGEST_TRACEBACK :])[-LONGEST_TRACEBACK:]
    return "\n".join(CONTROL.sub(_escape, line) for line in cut.split("\n"))


def _escape(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "surrogatepass").decode()


def _as_json(logger: WrappedLogger, name: str, event: EventDict) -> bytes:
    """One line of JSON. Most need no cleaning, which is seen faster in the line than in parts."""
    try:
        line = _encode(event)
    except (UnicodeEncodeError, TypeError, OverflowError):
        line = b""
    if "exception" not in event and _is_harmless(line):
        return line
    return _encode(cleaned(logger, name, event))


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _is_harmless(line: bytes) -> bool:
    """Whether a JSON text needs no cleaning; says no rather too often.

    As text: to look for bytes in bytes, Python first makes an error, and drops it.
    """
    if not (0 < len(line) <= LONGEST_TEXT and line.isascii()):
        return False
    small = line.decode().lower()
    return not (
        "sk-" in small
        or "rt_" in small
        or "eyj" in small
        or "bearer" in small
        or "basic" in small
        or "://" in small
        or r"\u" in small
        or r"\n" in small
        or "\x7f" in small
    )


_harmless: Remembered[tuple[str, ...], bool] = Remembered(
    lambda texts: _is_harmless(_encode(texts)),
    256,
    lambda texts: sum(map(len, texts)) < LONGEST_TEXT,  # an upstream chooses some of them
)


def _for_people(*, colors: bool) -> Processor:
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors,
        pad_event_to=0,
        exception_formatter=structlog.dev.plain_traceback,  # rich's would show the variables
    )

    def render(logger: WrappedLogger, name: str, event: MutableMapping[str, Any]) -> bytes:
        return renderer(logger, name, event).encode("utf-8", "backslashreplace")

    return render


class Routed(logging.Handler):
    """Passes the standard library's records on; the same error again and again only now and then.

    Of each kind of record (logger and template) ``burst`` pass within ``window_s`` seconds; the
    next one after that says how many were left out. A request that was no HTTP at all is one short
    line: its traceback would tell nothing, at an attacker's pace.
    """

    def __init__(self, burst: int = 5, window_s: float = 60.0) -> None:
        super().__init__()
        self.burst = burst
        self.window_s = window_s
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        try:
            left_out = self._left_out(record, time.monotonic())
            if left_out is None:
                return
            told: dict[str, Any] = {"logger": record.name}
            if left_out:
                told["left_out"] = left_out
            event = record.getMessage()
            error = record.exc_info[1] if record.exc_info else None
            if type(error).__module__.startswith(MALFORMED):
                structlog.get_logger().info("malformed_request", error=str(error), **told)
                return
            level = min(50, max(10, record.levelno // 10 * 10))
            structlog.get_logger().log(level, event, exc_info=record.exc_info, **told)
        except Exception:  # noqa: BLE001  # a log line that fails must not fail the request
            self.handleError(record)

    def _left_out(self, record: logging.LogRecord, now: float) -> int | None:
        """How many like this one were left out before it; None when it is left out itself."""
        if len(self._seen) > MOST_KINDS:
            self._seen.clear()
        kind = (record.name, str(record.msg))
        since, count = self._seen.get(kind, (now, 0))
        if now - since < self.window_s:
            self._seen[kind] = (since, count + 1)
            return 0 if count < self.burst else None
        self._seen[kind] = (now, 1)
        return max(0, count - self.burst)
