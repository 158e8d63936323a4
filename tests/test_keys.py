"""Client keys over real sockets: who gets in, with what words who does not, and how keys change."""

import asyncio
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner

from lb import config
from lb.adapters.keys import mint
from lb.cli import main
from lb.core.plans import Plan
from tests.clients import pool
from tests.conftest import Proxy, Served
from tests.scripted import Upstream
from tests.tenants import ask_as, call, key_of, keys

FOLLOWED_S = 2.0  # what is promised for keys another process has changed


@pytest.fixture
async def served(proxy: Proxy, upstream: Upstream) -> Served:
    return await proxy(pool({"one": upstream.url}) + keys(alice="", bob="rpm = 100"))


async def _status(url: str, key: str) -> int:
    return (await ask_as(url, key)).status


async def test_a_key_opens_and_nothing_else_does(served: Served) -> None:
    assert await _status(served.url, key_of("alice")) == 200
    for key, words in (("sk-lb-wrong", "Incorrect API key"), ("", "didn't provide an API key")):
        answer = await ask_as(served.url, key)
        assert answer.status == 401
        assert (answer.error["type"], answer.error["code"]) == ("auth_error", "invalid_api_key")
        assert words in answer.error["message"]


async def test_with_no_key_configured_this_machine_may_ask_and_nobody_else(
    proxy: Proxy, upstream: Upstream
) -> None:
    server = await proxy(pool({"one": upstream.url}))
    assert await _status(server.url, "") == 200
    forwarded = await ask_as(server.url, "", headers={"X-Forwarded-For": "127.0.0.1"})
    assert forwarded.status == 401
    rebound = await ask_as(server.url, "", headers={"Host": "evil.example"})
    assert rebound.status == 421


async def test_a_key_made_by_the_admin_api_opens_at_once(served: Served) -> None:
    asked = {"name": "carol", "rpm": 5, "expires": "30d"}
    made = await call(served.url, "POST", "/admin/keys", asked)
    assert made.status == 201
    key = made.body["api_key"]
    assert key.startswith("sk-lb-")
    assert made.body["key"]["masked"] == key[:12] + "…"
    assert made.body["remaining_days"] == 30
    answer = await ask_as(served.url, key)
    assert answer.status == 200
    assert answer.headers["x-ratelimit-limit-minute"] == "5"
    listed = await call(served.url, "GET", "/admin/keys")
    assert [each["name"] for each in listed.body["data"]] == ["alice", "bob", "carol"]
    assert key not in str(listed.body)
    assert "api_key" not in (await call(served.url, "GET", "/admin/keys/carol")).body


async def test_a_key_is_disabled_enabled_and_deleted_at_once(served: Served) -> None:
    made = await call(served.url, "POST", "/admin/keys", {"name": "carol"})
    key = made.body["api_key"]
    await call(served.url, "PATCH", "/admin/keys/carol", {"disabled": True})
    refused = await ask_as(served.url, key)
    assert (refused.status, "disabled" in refused.error["message"]) == (401, True)
    await call(served.url, "PATCH", "/admin/keys/carol", {"disabled": False, "max_parallel": 3})
    assert await _status(served.url, key) == 200
    told = await call(served.url, "PATCH", "/admin/keys/carol", {"max_parallel": None})
    assert told.body["limits"] == []
    assert (await call(served.url, "DELETE", "/admin/keys/carol")).body["deleted"] is True
    assert await _status(served.url, key) == 401
    assert (await call(served.url, "GET", "/admin/keys/carol")).status == 404


async def test_after_a_rotation_the_old_key_opens_for_its_grace(served: Served) -> None:
    old = (await call(served.url, "POST", "/admin/keys", {"name": "c"})).body["api_key"]
    path = "/admin/keys/c/rotate"
    new = (await call(served.url, "POST", path, {"grace_s": 60})).body["api_key"]
    assert old != new
    assert [await _status(served.url, key) for key in (old, new)] == [200, 200]
    newer = (await call(served.url, "POST", path, {"grace_s": 0})).body["api_key"]
    refused = await ask_as(served.url, new)
    assert (refused.status, "replaced" in refused.error["message"]) == (401, True)
    assert [await _status(served.url, key) for key in (old, newer)] == [401, 200]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "", {"name": "alice"}, 409, "already"),
        ("POST", "", {"name": "a b"}, 400, "usable name"),
        ("POST", "", {}, 400, "name"),
        ("POST", "", {"name": "x", "plan": "gold"}, 400, "no plan 'gold'"),
        ("POST", "", {"name": "x", "rpm": 0}, 400, "rpm: must be 1 or more"),
        ("POST", "", {"name": "x", "rpm": "5"}, 400, "a whole number"),
        ("POST", "", {"name": "x", "rmp": 5}, 400, 'did you mean "rpm"'),
        ("POST", "", {"name": "x", "accounts": ["none"]}, 400, "no account"),
        ("POST", "", {"name": "x", "expires": "soon"}, 400, "2030-12-31"),
        ("POST", "", [], 400, "JSON object"),
        ("PATCH", "/alice", {"rpm": 5}, 409, "accounts.toml"),
        ("PATCH", "/nobody", {"rpm": 5}, 404, "no key named"),
        ("PATCH", "/nobody", {"disabled": "yes"}, 400, "disabled"),
        ("DELETE", "/alice", None, 409, "accounts.toml"),
        ("DELETE", "/nobody", None, 404, "no key named"),
        ("POST", "/alice/rotate", {}, 409, "accounts.toml"),
        ("POST", "/alice/rotate", {"grace_s": -1}, 400, "grace_s"),
    ],
)
async def test_what_cannot_be_done_to_keys_is_said(
    served: Served, method: str, path: str, body: Any, status: int, words: str
) -> None:
    answer = await call(served.url, method, f"/admin/keys{path}", body)
    assert answer.status == status
    assert words in answer.error["message"]


async def test_keys_are_the_operators_business(proxy: Proxy, upstream: Upstream) -> None:
    admin = 'admin_token = "admin-token-of-the-tests"\n'
    server = await proxy(pool({"one": upstream.url}, extra=admin) + keys(alice=""))
    for key in (key_of("alice"), "wrong"):
        for method, path in (("GET", ""), ("POST", ""), ("PATCH", "/a"), ("DELETE", "/a")):
            refused = await call(server.url, method, f"/admin/keys{path}", None, key)
            assert refused.status == 401
    right = await call(server.url, "GET", "/admin/keys", None, "admin-token-of-the-tests")
    assert right.status == 200
    foreign = await call(server.url, "GET", "/admin/keys", None, "", Origin="https://evil.example")
    assert foreign.status == 403


async def test_the_file_wins_over_the_store(
    served: Served, proxy: Proxy, upstream: Upstream
) -> None:
    made = await call(served.url, "POST", "/admin/keys", {"name": "carol"})
    told = evolve(served.gateway.config, keys=(config.Key("carol", b"x" * 32, Plan(rpm=1)),))
    served.take_up(told)  # type: ignore[attr-defined]
    assert await _status(served.url, made.body["api_key"]) == 401
    shown = (await call(served.url, "GET", "/admin/keys/carol")).body
    assert shown["key"]["source"] == "file"
    served.take_up(evolve(told, keys=()))  # type: ignore[attr-defined]
    assert await _status(served.url, made.body["api_key"]) == 200
    assert await _status(served.url, key_of("alice")) == 401


def _toml(folder: Path, upstream: str) -> Path:
    path = folder / "accounts.toml"
    served = pool({"one": upstream}, extra="data_dir = 'data'\n")
    path.write_text(f"[plans.team]\nrpm = 7\n{served}{keys(alice='')}")
    path.chmod(0o600)
    return path


def _typed(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["keys", *words])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


async def typed(*words: str, code: int = 0) -> str:
    return await asyncio.to_thread(_typed, *words, code=code)


async def test_the_command_line_makes_keys_and_a_running_server_follows(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lb import app

    monkeypatch.chdir(tmp_path)
    _toml(tmp_path, upstream.url)
    key = (await typed("create", "dora", "--plan", "team", "--expires", "10d")).strip()
    async with app.running(config.load(tmp_path / "accounts.toml"), port=0) as server:
        answer = await ask_as(server.url, key)
        assert answer.headers["x-ratelimit-limit-minute"] == "7"
        shown = await typed("show", "dora", "--url", server.url)
        for words in ("plan: team", "requests a minute", "1 of 7", "expires in 10 days", key[:12]):
            assert words in shown
        await typed("disable", "dora")
        await asyncio.sleep(FOLLOWED_S)
        assert await _status(server.url, key) == 401
        await typed("enable", "dora")
        new = (await typed("rotate", "dora", "--grace", "0s")).strip()
        await typed("set", "dora", "--rpm", "9", "--budget", "5/day")
        await asyncio.sleep(FOLLOWED_S)
        assert [await _status(server.url, each) for each in (key, new)] == [401, 200]
        await typed("delete", "dora")
        await asyncio.sleep(FOLLOWED_S)
        assert await _status(server.url, new) == 401


async def test_without_a_server_the_command_line_asks_the_store(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _toml(tmp_path, upstream.url)
    await typed("create", "dora", "--budget", "5/day", "--models", "gpt-5*", "--deny", "*-pro")
    listed = await typed("list")
    assert "alice" in listed
    assert "dora" in listed
    assert "USD per day" in await typed("show", "dora")
    assert "no key named" in await typed("show", "nobody", code=1)
    assert "already" in await typed("create", "alice", code=1)
    assert "no plan" in await typed("create", "x", "--plan", "gold", code=1)
    assert "20/month" in await typed("create", "x", "--budget", "lots", code=2)
    assert "12h" in await typed("rotate", "dora", "--grace", "long", code=2)


async def test_a_stored_key_is_a_digest_and_its_first_characters(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _toml(tmp_path, upstream.url)
    key = (await typed("create", "dora")).strip()
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert key.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    store = sqlite3.connect(tmp_path / "data/lb.sqlite3")
    assert store.execute("SELECT prefix FROM client_keys").fetchall() == [(key[:12],)]
    store.close()


async def test_stored_keys_count_as_a_lock_on_an_open_door(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lb.cli.stored import has_keys

    monkeypatch.chdir(tmp_path)
    path = _toml(tmp_path, upstream.url)
    path.write_text(path.read_text().partition("[[keys]]")[0])
    everywhere = "0.0.0.0"  # noqa: S104  # that is the point

    def load() -> config.Config:
        return config.load(path, host=everywhere, keyed=has_keys)

    with pytest.raises(config.ConfigError, match="lb keys create"):
        await asyncio.to_thread(load)
    await typed("create", "dora")
    assert (await asyncio.to_thread(load)).server.host == everywhere


def test_a_key_holds_256_random_bits() -> None:
    made = {mint().reveal() for _ in range(200)}
    assert len(made) == 200
    for key in made:
        assert key.startswith("sk-lb-")
        assert len(key) == len("sk-lb-") + 43
        assert key[6:].isalnum()
