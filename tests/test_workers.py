"""Several workers behind one address are one server: what one knows, all know."""

import asyncio
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.adapters.issuing import HOUR, jwt, save
from tests.clients import asking, until
from tests.conftest import Scripted
from tests.families import Door, Kin, kin, written
from tests.faulty_plays import error, limited
from tests.issuing import issuing
from tests.plays import Asked, Play, healthy
from tests.scripted import Upstream
from tests.test_lifecycle import held

KEY = "lb-alice-1234567890"
ALICE = f"""
[[keys]]
name = "alice"
key_sha256 = "{sha256(KEY.encode()).hexdigest()}"
"""
BEARER = f"Bearer {KEY}"


async def seen(look: Any, wanted: object, seconds: float = 2.0) -> None:
    """Until ``await look()`` gives ``wanted``."""
    found = None
    for _ in range(round(seconds / 0.01)):
        found = await look()
        if found == wanted:
            return
        await asyncio.sleep(0.01)
    assert found == wanted


async def test_every_worker_serves_behind_one_line_in_the_log(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with kin(written(tmp_path, {"a": upstream.url})) as family:
        doors = await family.doors()
        assert [door.worker for door in doors] == [0, 1]
        assert len({door.pid for door in doors} | {family.server.process.pid}) == 3
        for door in doors:
            assert (await door.ask(asking(stream=True))).status == 200
        (said,) = family.server.logged("serving")
        assert said["workers"] == 2
        told = await doors[0].get("/admin/status")
        assert [each["requests"] for each in told["workers"]] == [1, 1]
        assert all(each["resident_bytes"] > 1 << 20 for each in told["workers"])
        assert not family.server.logged("unexpected")


async def test_an_account_that_one_found_cooling_is_not_asked_by_the_other(
    tmp_path: Path, scripted: Scripted
) -> None:
    one, other = await scripted(2)
    one.plays["a"] = limited(**{"Retry-After": "600"})
    async with kin(written(tmp_path, {"a": one.url, "b": other.url})) as family:
        first, second = await family.doors()
        for door in (first, second, first, second):
            assert (await door.ask(asking())).headers["x-lb-account"] == "b"
        assert len(one.seen) == 1
        assert await second.states() == {"a": "cooling", "b": "ready"}


async def test_what_an_operator_does_through_one_counts_at_all(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with kin(written(tmp_path, {"a": upstream.url})) as family:
        first, second = await family.doors()
        await first.post("/admin/accounts/a/pause")
        await seen(second.states, {"a": "paused"})
        assert (await second.ask(asking())).status == 503
        await second.post("/admin/accounts/a/resume")
        await seen(first.states, {"a": "ready"})
        await first.post("/admin/log-level", {"level": "debug"})

        async def level() -> Any:
            return (await second.get("/admin/log-level"))["level"]

        await seen(level, "debug")


async def test_a_key_made_or_ended_through_one_is_so_at_all_once_that_is_answered(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with kin(written(tmp_path, {"a": upstream.url}, extra=ALICE)) as family:
        first, second = await family.doors()
        made = await first.post("/admin/keys", {"name": "bob"})
        second.session.headers["Authorization"] = f"Bearer {made['api_key']}"
        assert (await second.ask(asking())).status == 200
        await first.post("/admin/keys/bob", {"disabled": True}, "PATCH")
        assert (await second.ask(asking())).status == 401


async def test_a_limit_on_requests_holds_over_all_workers(
    tmp_path: Path, upstream: Upstream
) -> None:
    limits = f"{ALICE}rpm = 10\n"
    async with kin(written(tmp_path, {"a": upstream.url}, extra=limits)) as family:
        doors = await family.doors(Authorization=BEARER)
        statuses = [(await doors[n % 2].ask(asking())).status for n in range(16)]
    assert statuses == [200] * 10 + [429] * 6
    assert len(upstream.seen) == 10


async def test_requests_at_once_are_counted_over_all_workers(
    tmp_path: Path, scripted: Scripted
) -> None:
    one, other = await scripted(2)
    go = asyncio.Event()

    one.choose = lambda _: held(go)
    limits = f"{ALICE}max_parallel = 2\n"
    path = written(tmp_path, {"a": one.url, "b": other.url}, extra=limits)
    path.write_text(path.read_text().replace("priority = 0", "priority = 0\nmax_in_flight = 1"))
    async with kin(path) as family:
        first, second = await family.doors(Authorization=BEARER)
        stream = asyncio.create_task(first.ask(asking(stream=True)))
        await until(lambda: one.seen)

        async def in_flight() -> Any:
            told = await family.door(Authorization=BEARER)
            return {a["id"]: a["in_flight"] for a in (await told.get("/admin/status"))["accounts"]}

        await seen(in_flight, {"a": 1, "b": 0})
        answer = await second.ask(asking())
        assert answer.headers["x-lb-account"] == "b"  # the one place of "a" is taken, over there
        go.set()
        assert (await stream).status == 200
        await seen(in_flight, {"a": 0, "b": 0})


async def test_the_owner_of_an_answer_is_known_everywhere_before_its_client_can_name_it(
    tmp_path: Path, scripted: Scripted
) -> None:
    upstreams = await scripted(2)
    bob = (
        ALICE.replace("alice", "bob")
        .replace(KEY, "x")
        .replace(sha256(KEY.encode()).hexdigest(), sha256(b"lb-bob").hexdigest())
    )
    accounts = {"a": upstreams[0].url, "b": upstreams[1].url}
    path = written(tmp_path, accounts, extra=ALICE + bob)
    path.write_text(path.read_text().replace("priority = 1", "priority = 0"))
    async with kin(path) as family:
        doors = await family.doors(Authorization=BEARER)
        for number in range(60):
            before = await doors[number % 2].ask(asking(stream=number % 3 == 0))
            told = before.body or before.events[-1]["response"]
            after = await doors[(number + 1) % 2].ask(asking(previous_response_id=told["id"]))
            assert after.status == 200, after.body
            assert after.headers["x-lb-account"] == before.headers["x-lb-account"]
        doors[0].session.headers["Authorization"] = "Bearer lb-bob"
        foreign = await doors[0].ask(asking(previous_response_id=told["id"]))
        assert foreign.error["code"] == "previous_response_not_found"


async def test_one_refresh_serves_all_workers(tmp_path: Path, upstream: Upstream) -> None:
    async with issuing() as issuer:
        file = tmp_path / "auth.json"
        save(file, jwt(time.time() + HOUR, n="dead"), "rt_0")
        file.chmod(0o600)
        dead = error(401, "token_expired", "invalid_request_error")

        def play(asked: Asked) -> Play:
            return healthy if asked.account == issuer.access else dead

        upstream.choose = play
        path = written(tmp_path, {}, patience_s=10)
        base = upstream.url.removesuffix("/v1")
        path.write_text(
            f'{path.read_text()}\n[[accounts]]\nid = "only"\nkind = "chatgpt"\n'
            f'auth_file = "{file}"\nbase_url = "{base}/backend-api"\nissuer = "{issuer.url}"\n'
        )
        async with kin(path) as family:
            doors = [await family.door() for _ in range(24)]
            assert len({door.worker for door in doors}) == 2
            answers = await asyncio.gather(*(door.ask(asking(stream=True)) for door in doors))
            assert Counter(answer.status for answer in answers) == {200: 24}
            for door in doors[:4]:
                await seen(door.states, {"only": "ready"})
        assert issuer.uses == len(issuer.asked) == 1


def _metric(text: str, name: str) -> float:
    rows = (line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
    return sum(float(row.rpartition(" ")[2]) for row in rows)


async def test_any_worker_tells_the_whole(tmp_path: Path, upstream: Upstream) -> None:
    async with kin(written(tmp_path, {"a": upstream.url})) as family:
        first, second = await family.doors()
        answers = [await (first, second)[n % 2].ask(asking()) for n in range(6)]
        for door in (first, second):
            text = await door.text("/metrics")
            assert _metric(text, "lb_requests_total") == 6
            assert _metric(text, "lb_request_seconds_count") == 6
            assert _metric(text, "lb_workers") == 2
            told = await door.get("/admin/status")
            assert told["accounts"][0]["counts"] == {"requests": 6, "succeeded": 6, "failed": 0}
            assert sorted(each["worker"] for each in told["workers"]) == [0, 1]
            page = await door.get("/admin/requests")
            assert len(page["data"]) == 6
            assert (await door.get("/admin/usage"))["requests"] == 6
            for answer in answers:
                one = await door.get(f"/admin/requests/{answer.headers['x-request-id']}")
                assert [each["account"] for each in one["attempts"]] == ["a"]


async def test_who_watches_one_sees_the_events_and_requests_of_all_once(
    tmp_path: Path, upstream: Upstream
) -> None:
    async with kin(written(tmp_path, {"a": upstream.url})) as family:
        first, second = await family.doors()
        watching = await _door_to(family, first.worker)
        told: Counter[str] = Counter()

        async def watch() -> None:
            async with watching.session.get(f"{family.url}/admin/live") as response:
                async for line in response.content:
                    if line.startswith(b"event: "):
                        told[line[7:].decode().strip()] += 1

        task = asyncio.create_task(watch())
        await until(lambda: told["pool"])
        for door in (first, second):
            await door.ask(asking())
        await second.post("/admin/accounts/a/pause")
        await first.post("/admin/accounts/a/resume")
        await until(lambda: told["request"] >= 2 and told["resumed"])
        seen_at = told["pool"]
        await until(lambda: told["pool"] > seen_at)
        task.cancel()
        assert (told["request"], told["paused"], told["resumed"]) == (2, 1, 1)


async def _door_to(family: Kin, worker: int) -> Door:
    for _ in range(100):
        door = await family.door()
        if door.worker == worker:
            return door
    raise AssertionError(worker)


async def test_a_worker_that_starts_again_knows_what_its_siblings_know(
    tmp_path: Path, upstream: Upstream
) -> None:
    limits = f"{ALICE}rpm = 10\n"
    async with kin(written(tmp_path, {"a": upstream.url}, extra=limits)) as family:
        first, second = await family.doors(Authorization=BEARER)
        answers = [await second.ask(asking()) for _ in range(3)]
        await family.kill(first.pid)
        await until(lambda: family.server.logged("worker_started"))
        first, second = await family.doors(Authorization=BEARER)
        again = await first.ask(asking(previous_response_id=answers[0].body["id"]))
        assert again.status == 200
        assert again.headers["x-ratelimit-remaining-minute"] == "6"
