"""The level of the log, changed while the server runs; and what a log line never holds."""

import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from lb.adapters import logs
from tests.adapters.test_logs import quiet_after  # noqa: F401  # a fixture
from tests.clients import asking, pool, until
from tests.conftest import Proxy
from tests.scripted import Upstream
from tests.serving import configured, serving


@pytest.fixture
def stream(quiet_after: None) -> Iterator[io.BytesIO]:  # noqa: F811
    stream = io.BytesIO()
    logs.set_up("json", "info", stream)
    yield stream
    logs.set_level("info")


async def asked(
    url: str, method: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{url}/admin/log-level", json=body, headers=headers) as response,
    ):
        return response.status, await response.json()


def test_a_logger_in_use_follows_at_once(stream: io.BytesIO) -> None:
    log = structlog.get_logger()
    log.debug("one")
    log.info("two")
    logs.set_level("debug")
    log.debug("three")
    logs.set_level("error")
    log.info("four")
    log.error("five")
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["two", "three", "five"]


async def test_the_level_is_told_and_changed(
    stream: io.BytesIO, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    assert await asked(server.url, "GET") == (200, {"level": "info", "usual": "info"})
    assert await asked(server.url, "POST", {"level": "debug"}) == (
        200,
        {"level": "debug", "usual": "info"},
    )
    structlog.get_logger().debug("seen")
    assert b'"event":"seen"' in stream.getvalue()


@pytest.mark.parametrize("body", [{}, {"level": "loud"}, {"level": 1}, [], {"levle": "info"}])
async def test_what_is_no_level_changes_nothing(
    body: object, stream: io.BytesIO, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    status, told = await asked(server.url, "POST", body)
    assert (status, told["error"]["param"]) == (400, "level")
    assert logs.Levelled.level == "info"


async def test_strangers_change_nothing(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "https://evil"}, 403)):
        assert (await asked(server.url, "POST", {"level": "debug"}, headers))[0] == status


async def test_sigusr1_turns_debug_on_and_off(upstream: Upstream, tmp_path: Path) -> None:
    async with serving(configured(tmp_path, {"a": upstream.url})) as server:
        server.signal(signal.SIGUSR1)
        await until(lambda: server.logged("log_level"))
        server.signal(signal.SIGUSR1)
        await until(lambda: len(server.logged("log_level")) == 2)
        assert [line["now"] for line in server.logged("log_level")] == ["debug", "info"]


NASTY = 'x"\r\nforged {"event": "forged"}\x1b[2J\u2028\u202e'


async def test_a_hostile_request_is_one_line_without_its_body(
    stream: io.BytesIO, upstream: Upstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lb.web.middlewares._log", structlog.get_logger())  # cached: another's
    server = await proxy(pool({"a": upstream.url}))
    body = asking("a prompt nobody may see") | {"model": NASTY}
    headers = {"User-Agent": "sk-planted-agent", "Authorization": "Bearer sk-planted-key"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/v1/responses", json=body) as response,
    ):
        await response.read()
    await until(lambda: b'"event":"request"' in stream.getvalue())
    text = stream.getvalue().decode()
    (line,) = [told for told in map(json.loads, text.splitlines()) if told["event"] == "request"]
    assert line["model"] == r'x"\r\nforged {"event": "forged"}\x1b[2J\u2028\u202e'
    for hidden in ("a prompt nobody", "planted", "Hello from", "\x1b"):
        assert hidden not in text


@pytest.mark.parametrize("originator", ["", "codex_cli_rs"])
async def test_what_looks_like_a_secret_is_stars_wherever_a_client_puts_it(
    originator: str,
    stream: io.BytesIO,
    upstream: Upstream,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lb.web.middlewares._log", structlog.get_logger())  # cached: another's
    server = await proxy(pool({"a": upstream.url}))
    headers = {"x-client-request-id": "sk-planted-id"}  # Codex names its own requests
    headers |= {"originator": originator, "User-Agent": f"{originator}/0.1"} if originator else {}
    async with aiohttp.ClientSession(headers=headers) as session:
        for number in range(4):  # a line that was seen is not looked at so closely again
            body = asking(stream=number % 2 == 0) | {"model": "sk-planted-model"}
            async with session.post(f"{server.url}/v1/responses", json=body) as response:
                await response.read()
    await until(lambda: stream.getvalue().count(b'"event":"request"') == 4)
    text = stream.getvalue().decode()
    assert text.count('"model":"sk-***"') == 4
    assert "planted" not in text
