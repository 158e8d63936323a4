"""The log: safe to read, hard to flood, never a secret."""

import errno
import io
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog
from aiohttp import http_exceptions, web
from aiohttp.test_utils import TestClient, TestServer

from lb.adapters import logs
from lb.core.secret import Secret

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJsYiJ9.c2lnbmF0dXJl"
SECRETS = ["sk-proj-AbC123_xyz", "sk-test1", "rt_0123456789abcdef", JWT]


def fail(error: Exception) -> None:
    raise error


class Log:
    """What was logged, as bytes and as JSON."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue().decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def quiet_after() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


@pytest.fixture
def log(quiet_after: None) -> Log:
    log = Log()
    logs.set_up("json", "info", log.stream)
    return log


@pytest.fixture
def console(quiet_after: None) -> Log:
    log = Log()
    logs.set_up("console", "debug", log.stream)
    return log


def test_a_line_is_one_json_object(log: Log) -> None:
    structlog.contextvars.bind_contextvars(request="req_1")
    structlog.get_logger().info("request", status=200, took_ms=1.5, ok=True, key=None)
    (line,) = log.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "request": "req_1",
        "status": 200,
        "took_ms": 1.5,
        "ok": True,
        "key": None,
    }


@pytest.mark.parametrize(
    "text", ["plain", "sk-proj-AbC123_xyz", "two\nlines", "ü", "\ud800", "x" * 3000]
)
def test_the_line_of_a_request_is_what_structlog_would_write(log: Log, text: str) -> None:
    told = {"method": "POST", "path": text, "status": 200, "attempts": [{"account": "a"}]}
    structlog.get_logger().info("request", **told)
    logs.request(dict(told))
    logs.request(dict(told), ("POST", text))  # seen, and seen again
    logs.request(dict(told), ("POST", text))
    logs.flush()
    usual, *others = log.lines
    assert len(usual.pop("timestamp")) == 27
    for short in others:
        assert len(short.pop("timestamp")) == 27
        assert short == usual
        assert list(short) == list(usual)


def test_the_line_of_a_request_follows_the_level(log: Log) -> None:
    logs.set_level("warning")
    logs.request({"status": 200})
    logs.flush()
    assert log.text == ""
    logs.set_level("debug")
    logs.request({"status": 200})
    logs.flush()
    assert len(log.lines) == 1


def test_lines_that_cannot_be_written_are_not_kept(log: Log, monkeypatch: Any) -> None:
    """A log that is full or gone must not fill the memory instead."""
    monkeypatch.setattr(logs.Levelled, "straight", Full())
    for _ in range(3):
        logs.request({"status": 200})
        with pytest.raises(OSError, match="No space"):
            logs.flush()
    monkeypatch.setattr(logs.Levelled, "straight", log.stream)
    logs.request({"status": 201})
    logs.flush()
    assert [line["status"] for line in log.lines] == [201]


class Full(io.BytesIO):
    """A log on a full disk."""

    def write(self, _: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_the_line_of_a_request_is_for_people_on_a_console(console: Log) -> None:
    logs.request({"status": 200})
    logs.flush()
    assert "status" in console.text
    assert not console.text.startswith("{")


def test_what_is_below_the_level_is_not_logged(log: Log) -> None:
    structlog.get_logger().debug("hidden")
    assert log.text == ""


@pytest.mark.parametrize("secret", SECRETS)
def test_a_credential_becomes_stars_wherever_it_stands(log: Log, secret: str) -> None:
    try:
        fail(ValueError(f"refused: {secret}"))
    except ValueError:
        structlog.get_logger().exception(
            f"with {secret}",
            value=secret,
            inside={"a": [f"x{{{secret}}}", (secret,)], secret: 1},
            header=f"Bearer {secret}",
            other=ValueError(secret),
            hidden=Secret(secret),
            long="x" * 1_995 + " " + secret,
        )
    assert secret not in log.text
    assert secret[:8] not in log.text
    assert "***" in log.text


def test_other_credentials_become_stars_too(log: Log) -> None:
    structlog.get_logger().info(
        "x", proxy="http://user:hunter2@proxy", auth="Basic dXNlcjpodW50ZXIy", key="bearer abcdef12"
    )
    for secret in ("hunter2", "dXNl", "abcdef12"):
        assert secret not in log.text


@pytest.mark.parametrize("text", ["task-manager", "disk-usage", "start_time", "https://a.b/c:d"])
def test_ordinary_words_stay(text: str) -> None:
    assert logs.redacted(text) == text


NASTY = "a\r\nforged line\x1b[2J\x9b\u2028\u202e\x00\ud800"


def test_no_text_can_forge_a_line_or_move_a_cursor(log: Log) -> None:
    structlog.get_logger().info(NASTY, value=NASTY, inside=[NASTY])
    (line,) = log.lines
    for told in (line["event"], line["value"], line["inside"][0]):
        assert told == r"a\r\nforged line\x1b[2J\x9b\u2028\u202e\x00\ud800"


def test_the_console_is_safe_too(console: Log) -> None:
    structlog.get_logger().debug(NASTY, value=NASTY)
    assert console.text.count("\n") == 1
    assert "\x1b" not in console.text
    assert "forged line" in console.text


def test_a_traceback_stays_readable_on_the_console_and_shows_no_variables(console: Log) -> None:
    local_variable = "sk-in-a-variable"  # noqa: F841  # a pretty traceback would show it
    try:
        fail(ValueError(NASTY))
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "\n  File " in console.text
    assert "in-a-variable" not in console.text.replace('"sk-in-a-variable"', "")
    assert "\x1b" not in console.text


def test_long_texts_are_capped(log: Log) -> None:
    structlog.get_logger().info("x", value="y" * 100_000, number=10**400)
    (line,) = log.lines
    assert len(line["value"]) < 2_100
    assert isinstance(line["number"], str)


def test_the_standard_library_is_routed_here(log: Log) -> None:
    logging.getLogger("aiohttp.client").warning("unclosed %s", "session")
    logging.getLogger("odd").log(37, "100%")
    first, second = log.lines
    assert (first["event"], first["level"]) == ("unclosed session", "warning")
    assert first["logger"] == "aiohttp.client"
    assert (second["event"], second["level"]) == ("100%", "warning")


def test_the_same_error_again_and_again_is_told_now_and_then(log: Log) -> None:
    routed = logs.Routed(burst=2, window_s=60)
    record = logging.LogRecord("aiohttp.server", 40, "", 0, "failed %s", ("x",), None)
    told = [routed._left_out(record, now) for now in (0, 1, 2, 3, 59, 61, 62, 63, 200)]
    assert told == [0, 0, None, None, None, 3, 0, None, 1]
    other = logging.LogRecord("aiohttp.server", 40, "", 0, "other", (), None)
    assert routed._left_out(other, 63) == 0


async def test_a_handler_that_fails_a_hundred_times_is_a_few_lines(log: Log) -> None:
    async def broken(_: web.Request) -> web.Response:
        message = "sk-secret-in-error"
        raise RuntimeError(message)

    app = web.Application()
    app.router.add_get("/", broken)
    async with TestClient(TestServer(app)) as client:
        for _ in range(20):
            assert (await client.get("/")).status == 500
    failed = [line for line in log.lines if "RuntimeError" in line.get("exception", "")]
    assert 1 <= len(failed) <= 5
    assert "secret-in-error" not in log.text


def test_what_was_no_http_is_one_short_line(log: Log) -> None:
    try:
        fail(http_exceptions.BadHttpMessage(NASTY.encode("utf-8", "replace").decode()))
    except http_exceptions.BadHttpMessage as error:
        logging.getLogger("aiohttp.server").exception("Error handling request", exc_info=error)
    (line,) = log.lines
    assert line["event"] == "malformed_request"
    assert line["level"] == "info"
    assert "exception" not in line
