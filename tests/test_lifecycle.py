"""A server's life, as a process: configured anew, drained, killed, started again."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.clients import Answer, account_states, ask, asking, client, get, taken, until
from tests.conftest import Scripted
from tests.faulty_plays import limited, usage_limit
from tests.plays import LAST_CHUNK, SSE, Asked, Pause, Play, Step, chunk, frames, head, text_for
from tests.scripted import Upstream
from tests.serving import Serving, configured, serving
from tests.wire import post

RELOAD_S = 2.0  # what is promised


def held(go: asyncio.Event) -> Play:
    """A stream that begins with content and ends when told to."""

    def play(asked: Asked) -> Iterable[Step]:
        told = frames(asked)
        yield head(200, SSE)
        yield chunk(b"".join(told[:6]))
        while not go.is_set():
            yield Pause(0.01)
        yield chunk(b"".join(told[6:]))
        yield LAST_CHUNK

    return play


async def begun(server: Serving, upstream: Upstream, go: asyncio.Event) -> asyncio.Task[Answer]:
    """A stream under way: its first content has come."""
    upstream.choose = lambda _: held(go)
    started = asyncio.Event()

    async def stream() -> Answer:
        async with client() as session:
            url = f"{server.url}/v1/responses"
            async with session.post(url, json=asking(stream=True)) as response:
                started.set()
                return await taken(response)

    task = asyncio.create_task(stream())
    await asyncio.wait_for(started.wait(), 5)
    return task


async def holds(look: Callable[[], Awaitable[bool]]) -> None:
    """Until ``look`` finds it so, within what is promised."""
    for _ in range(round(RELOAD_S / 0.02)):
        if await look():
            return
        await asyncio.sleep(0.02)
    assert await look(), f"not within {RELOAD_S} s"


async def states_become(server: Serving, wanted: set[str]) -> None:
    async def look() -> bool:
        return set(await account_states(server.url)) == wanted

    await holds(look)


async def status_of(url: str) -> int:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status
    except aiohttp.ClientError:
        return 0


def check_whole(answer: Answer, upstream: Upstream) -> None:
    assert (answer.status, answer.broken) == (200, "")
    assert answer.text == text_for(upstream.seen[0])
    assert answer.events[-1]["type"] == "response.completed"


async def test_a_changed_file_is_taken_up_and_drops_no_stream(
    tmp_path: Path, scripted: Scripted
) -> None:
    one, other = await scripted(2)
    go = asyncio.Event()
    async with serving(configured(tmp_path, {"a": one.url})) as server:
        stream = await begun(server, one, go)
        configured(tmp_path, {"b": other.url})
        await states_become(server, {"b"})
        assert (await ask(server.url, asking())).headers["x-lb-account"] == "b"
        go.set()
        check_whole(await stream, one)


async def test_a_broken_file_is_refused_with_reasons_and_the_old_one_stays(
    tmp_path: Path, upstream: Upstream
) -> None:
    path = configured(tmp_path, {"a": upstream.url})

    async def problems(server: Serving) -> Any:
        return (await get(server.url, "/admin/status"))["config"]["problems"]

    async def told(server: Serving, words: list[str]) -> bool:
        problem = str(await problems(server))
        return all(word in problem for word in words)

    async with serving(path) as server:
        mistaken = path.read_text().replace("priority", "priorty").replace('"openai"', '"opnai"')
        for broken, words in (
            ("[[accounts]", ["not valid TOML"]),
            (mistaken, ["priorty", "opnai"]),
        ):
            path.write_text(broken)
            await holds(partial(told, server, words))
            assert (await ask(server.url, asking())).status == 200
        configured(tmp_path, {"a": upstream.url, "b": upstream.url})
        await states_become(server, {"a", "b"})
        assert await problems(server) == []


async def test_sighup_takes_up_what_no_watch_can_see(tmp_path: Path, upstream: Upstream) -> None:
    path = configured(tmp_path, {"a": upstream.url})
    async with serving(path) as server:
        seen = path.stat()
        path.write_text(path.read_text().replace('id = "a"', 'id = "z"'))
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        server.signal(signal.SIGHUP)
        await states_become(server, {"z"})
        path.write_text("broken")
        server.signal(signal.SIGHUP)
        await until(lambda: server.logged("config_refused"))
        assert set(await account_states(server.url)) == {"z"}


async def test_sigterm_lets_nobody_in_and_streams_finish(
    tmp_path: Path, upstream: Upstream
) -> None:
    go = asyncio.Event()
    async with serving(configured(tmp_path, {"a": upstream.url})) as server:
        stream = await begun(server, upstream, go)
        server.signal(signal.SIGTERM)
        await until(lambda: server.logged("draining"))
        assert await status_of(f"{server.url}/ready") == 503
        assert await status_of(f"{server.url}/health") == 200
        answer = await ask(server.url, asking())
        assert (answer.status, answer.error["code"]) == (503, "server_shutdown")
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-should-retry"] == "true"
        go.set()
        check_whole(await stream, upstream)
        assert await server.ended(5) == 0
    assert len(upstream.seen) == 1


async def test_a_stream_that_outlasts_the_drain_ends_in_a_frame(
    tmp_path: Path, upstream: Upstream
) -> None:
    path = configured(tmp_path, {"a": upstream.url}, drain_s=0.2)
    async with serving(path) as server:
        stream = await begun(server, upstream, asyncio.Event())
        server.signal(signal.SIGTERM)
        answer = await stream
        assert (answer.status, answer.broken) == (200, "")
        last = answer.events[-1]
        assert (last["type"], last["sequence_number"]) == ("response.failed", 6)
        assert last["response"]["id"] == answer.events[0]["response"]["id"]
        assert answer.error["code"] == "server_shutdown"
        assert await server.ended(5) == 0
    assert upstream.cancelled


async def test_a_second_sigterm_ends_it_at_once(tmp_path: Path, upstream: Upstream) -> None:
    path = configured(tmp_path, {"a": upstream.url}, drain_s=600)
    async with serving(path) as server:
        stream = await begun(server, upstream, asyncio.Event())
        server.signal(signal.SIGTERM)
        await until(lambda: server.logged("draining"))
        server.signal(signal.SIGTERM)
        assert (await stream).error["code"] == "server_shutdown"
        assert await server.ended(5) == 0


async def test_a_client_that_does_not_read_cannot_keep_it_from_ending(
    tmp_path: Path, upstream: Upstream
) -> None:
    flood = b'event: response.output_text.delta\ndata: {"delta":"' + b"x" * 65536 + b'"}\n\n'

    def play(asked: Asked) -> Iterable[Step]:
        yield head(200, SSE)
        for _ in range(1000):
            yield chunk(flood)

    upstream.choose = lambda _: play
    path = configured(tmp_path, {"a": upstream.url}, drain_s=600)
    async with serving(path) as server:
        place = urlsplit(server.url)
        _, deaf = await asyncio.open_connection(place.hostname, place.port, limit=1024)
        deaf.write(post(json.dumps(asking(stream=True)).encode()))
        await until(lambda: upstream.seen)
        await asyncio.sleep(0.3)  # until all buffers are full
        server.signal(signal.SIGTERM)
        await until(lambda: server.logged("draining"))
        server.signal(signal.SIGTERM)
        assert await server.ended(6) == 0
        deaf.close()


async def test_an_idle_server_ends_at_the_first_word(tmp_path: Path, upstream: Upstream) -> None:
    path = configured(tmp_path, {"a": upstream.url})
    async with serving(path) as server, client() as session:
        await ask(server.url, asking(), session)  # its connection stays open
        server.signal(signal.SIGINT)
        assert await server.ended(3) == 0
    assert not server.logged("chore_failed")


async def test_what_was_learned_survives_a_kill(tmp_path: Path, scripted: Scripted) -> None:
    upstreams = dict(zip("abcd", await scripted(4), strict=True))
    upstreams["a"].plays["a"] = limited(**{"Retry-After": "600"})
    upstreams["b"].plays["b"] = usage_limit
    urls = {name: upstream.url for name, upstream in upstreams.items()}
    path = configured(tmp_path, urls)
    async with serving(path) as server:
        async with aiohttp.ClientSession() as session:
            await session.post(f"{server.url}/admin/accounts/c/pause")
        assert (await ask(server.url, asking())).headers["x-lb-account"] == "d"
        before = await account_states(server.url)
        server.signal(signal.SIGKILL)
        await server.ended(5)

    async with serving(path) as server:
        after = await account_states(server.url)
        assert (await ask(server.url, asking())).headers["x-lb-account"] == "d"
    told = {name: (s["state"], s["reason"], round(s["until"] or 0)) for name, s in before.items()}
    again = {name: (s["state"], s["reason"], round(s["until"] or 0)) for name, s in after.items()}
    assert [state for state, _, _ in told.values()] == ["cooling", "exhausted", "paused", "ready"]
    assert json.dumps(again) == json.dumps(told)
    asked = {name: len(upstream.seen) for name, upstream in upstreams.items()}
    assert asked == {"a": 1, "b": 1, "c": 0, "d": 2}, "no cooled account was asked again"


async def test_what_was_learned_survives_an_orderly_end(tmp_path: Path, upstream: Upstream) -> None:
    upstream.plays["a"] = usage_limit
    path = configured(tmp_path, {"a": upstream.url})
    for _ in range(2):
        async with serving(path) as server:
            answer = await ask(server.url, asking())
            assert (answer.status, answer.error["code"]) == (429, "usage_limit_reached")
            server.signal(signal.SIGTERM)
            assert await server.ended(5) == 0
    assert len(upstream.seen) == 1
