"""The lives of workers: started, killed one by one or all at once, drained; nothing is lost."""

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from bench.processes import tree
from tests.clients import Answer, asking, client, taken, until
from tests.conftest import Scripted
from tests.databases import rows_in
from tests.families import Door, alive, kin, written
from tests.faulty_plays import limited
from tests.scripted import Upstream
from tests.servers import free_port
from tests.serving import ROOT, serving
from tests.test_lifecycle import held


async def begun(door: Door, upstream: Upstream) -> asyncio.Task[Answer]:
    """A stream under way at one worker: its first content has come."""
    started = asyncio.Event()

    async def stream() -> Answer:
        url = f"{door.url}/v1/responses"
        async with door.session.post(url, json=asking(stream=True)) as response:
            started.set()
            return await taken(response)

    task = asyncio.create_task(stream())
    await asyncio.wait_for(started.wait(), 5)
    return task


async def run_to_its_end(*words: str) -> tuple[int, str]:
    """What ``lb serve`` with these words ends with: its code, and what it said."""
    command = [sys.executable, "-m", "lb", "serve", *words]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path, upstream: Upstream) -> None:
    (tmp_path / "other").mkdir()
    async with kin(written(tmp_path, {"a": upstream.url})) as family:
        port = family.url.rpartition(":")[2]
        other = written(tmp_path / "other", {"a": upstream.url})
        code, said = await run_to_its_end("--config", str(other), "--port", port)
        assert code == 1
        assert "something listens there already" in said
        same = tmp_path / "accounts.toml"
        for words in ((), ("--workers", "1")):
            code, said = await run_to_its_end("--config", str(same), "--port", "0", *words)
            assert code == 1
            assert "another lb server uses its data_dir" in said


async def test_workers_that_cannot_serve_end_the_server_with_a_word(
    tmp_path: Path, upstream: Upstream
) -> None:
    with socket.socket() as taken_port:
        taken_port.bind(("127.0.0.1", 0))
        taken_port.listen()
        extra = f"\n[metrics]\nport = {taken_port.getsockname()[1]}\n"
        path = written(tmp_path, {"a": upstream.url}, extra=extra)
        code, said = await run_to_its_end("--config", str(path), "--port", "0")
    assert code == 1
    assert "no_worker_comes_up" in said
    assert "worker_cannot_serve" in said


async def test_a_killed_worker_is_started_again_and_takes_nothing_of_the_others_with_it(
    tmp_path: Path, upstream: Upstream, database: str
) -> None:
    go = asyncio.Event()
    path = written(tmp_path, {"a": upstream.url})
    if database:
        path.write_text(path.read_text().replace("[server]", f'[server]\ndatabase = "{database}"'))
    async with kin(path) as family:
        doomed, other = await family.doors()
        done = [await door.ask(asking()) for door in (doomed, other) for _ in range(3)]
        upstream.choose = lambda _: held(go)
        lost, kept = await begun(doomed, upstream), await begun(other, upstream)
        await family.kill(doomed.pid)
        assert (await lost).broken
        await until(lambda: family.server.logged("worker_started"))
        (told,) = family.server.logged("worker_ended")
        assert (told["worker"], told["signal"]) == (doomed.worker, "SIGKILL")
        go.set()
        answer = await kept
        assert (answer.status, answer.broken) == (200, "")
        assert len(set(await family.pids())) == 2
        fresh, other = await family.doors()
        assert (await fresh.ask(asking())).status == 200
        told = await other.get("/admin/status")
        assert told["accounts"][0]["in_flight"] == 0
        outcomes = Counter(row["outcome"] for row in (await fresh.get("/admin/requests"))["data"])
        assert outcomes == {"completed": len(done) + 2, "interrupted": 1}


async def test_sigterm_drains_every_worker(tmp_path: Path, upstream: Upstream) -> None:
    go = asyncio.Event()
    upstream.choose = lambda _: held(go)
    async with kin(written(tmp_path, {"a": upstream.url})) as family:
        streams = [await begun(door, upstream) for door in await family.doors()]
        pids = await family.pids()
        family.server.signal(signal.SIGTERM)
        await until(lambda: len(family.server.logged("draining")) == 2)
        async with client() as session, session.get(f"{family.url}/ready") as response:
            assert response.status == 503
        go.set()
        for stream in streams:
            answer = await stream
            assert (answer.status, answer.broken) == (200, "")
        assert await family.server.ended(5) == 0
        assert not any(map(alive, pids))
    assert not family.server.logged("worker_ended")


async def test_a_second_sigterm_ends_every_worker_at_once(
    tmp_path: Path, upstream: Upstream
) -> None:
    upstream.choose = lambda _: held(asyncio.Event())
    async with kin(written(tmp_path, {"a": upstream.url}, drain_s=600)) as family:
        streams = [await begun(door, upstream) for door in await family.doors()]
        family.server.signal(signal.SIGTERM)
        await until(lambda: len(family.server.logged("draining")) == 2)
        family.server.signal(signal.SIGTERM)
        for stream in streams:
            assert (await stream).error["code"] == "server_shutdown"
        assert await family.server.ended(5) == 0


async def test_a_changed_file_and_a_signal_reach_every_worker(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with kin(written(tmp_path, {"a": upstream.url})) as family:
        doors = await family.doors()
        written(tmp_path, {"b": upstream.url})
        family.server.signal(signal.SIGHUP)
        await until(lambda: len(family.server.logged("config_taken_up")) == 2)
        for door in doors:
            assert await door.states() == {"b": "ready"}
        family.server.signal(signal.SIGUSR1)
        await until(lambda: len(family.server.logged("log_level")) == 2)


async def test_workers_do_not_outlive_their_supervisor(tmp_path: Path, upstream: Upstream) -> None:
    upstream.choose = lambda _: held(asyncio.Event())
    async with kin(written(tmp_path, {"a": upstream.url}, drain_s=600)) as family:
        door, _ = await family.doors()
        pids = await family.pids()
        stream = await begun(door, upstream)
        family.server.signal(signal.SIGKILL)
        assert (await stream).error["code"] == "server_shutdown"
        await until(lambda: not any(map(alive, pids)))
        await family.server.ended(1)
    async with kin(tmp_path / "accounts.toml") as family:
        assert len(await family.pids()) == 2


@pytest.mark.parametrize("workers", [3, 1])
async def test_what_killed_workers_left_is_taken_over_by_however_many_come_after(
    workers: int, tmp_path: Path, scripted: Scripted
) -> None:
    one, other = await scripted(2)
    one.plays["a"] = limited(**{"Retry-After": "600"})
    path = written(tmp_path, {"a": one.url, "b": other.url}, workers=3)
    async with kin(path) as family:
        doors = await family.doors(3)
        last = doors[2]
        assert (await last.ask(asking())).headers["x-lb-account"] == "b"
        done = 1 + sum([(await door.ask(asking())).status == 200 for door in doors])
        other.choose = lambda _: held(asyncio.Event())
        streams = [await begun(door, other) for door in doors]
        pids = await family.pids()
        for pid in (family.server.process.pid, *pids):
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not any(map(alive, pids)))
        await family.server.ended(1)
        await asyncio.gather(*streams, return_exceptions=True)
    written(tmp_path, {"a": one.url, "b": other.url}, workers=workers)
    async with serving(path) as server:
        rows = await rows_in("", tmp_path / "data")
        if workers == 1:
            await until(lambda: not list((tmp_path / "data").glob("journal-*")))
            rows = await rows_in("", tmp_path / "data")
        assert Counter(row["outcome"] for row in rows) == {"completed": done, "interrupted": 3}
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{server.url}/admin/status") as response:
                told = await response.json()
            states = {account["id"]: account["state"] for account in told["accounts"]}
        assert states == {"a": "cooling", "b": "ready"}
        server.signal(signal.SIGTERM)
        await server.ended(5)


async def test_one_worker_is_a_server_as_ever(tmp_path: Path, upstream: Upstream) -> None:
    path = written(tmp_path, {"a": upstream.url}, workers=4)
    port = free_port()
    words = ("-m", "lb", "serve", "--config", str(path), "--workers", "1", "--port", str(port))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while b'"serving"' not in (line := await process.stderr.readline()):
            assert process.returncode is None
    assert b"workers" not in line
    assert tree(process.pid) == [process.pid]
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_workers_meet_elsewhere_where_the_path_of_data_dir_is_too_long(
    tmp_path: Path, upstream: Upstream
) -> None:
    folder = tmp_path / ("long-" * 20)
    folder.mkdir()
    async with kin(written(folder, {"a": upstream.url})) as family:
        first, second = await family.doors()
        await first.post("/admin/accounts/a/pause")
        for _ in range(100):
            if (await second.states())["a"] == "paused":
                break
            await asyncio.sleep(0.01)
        assert await second.states() == {"a": "paused"}
        assert len((await first.get("/admin/status"))["workers"]) == 2
