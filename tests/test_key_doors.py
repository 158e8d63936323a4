"""Client keys: who may come in, which models are theirs, and what everyone else is told."""

from typing import Any

import aiohttp
import pytest

from tests.clients import Answer, ask, asking, client, pool, taken, until
from tests.conftest import Proxy
from tests.plays import MODELS
from tests.scripted import Upstream
from tests.test_admin import call

KEYS = """
[[keys]]
name = "alice"
key = "alice-key-0123456789"
[[keys]]
name = "bob"
key = "bob-key-0123456789"
models = ["gpt-5*"]
"""
ALICE, BOB = ({"Authorization": f"Bearer {name}-key-0123456789"} for name in ("alice", "bob"))
PATHS = [
    ("POST", "/v1/responses"),
    ("POST", "/backend-api/codex/responses"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/gpt-5.5"),
    ("GET", "/backend-api/codex/models"),
]


async def asked_by(url: str, headers: dict[str, str], **fields: Any) -> Answer:
    async with client() as session:
        body = asking(**fields)
        async with session.post(f"{url}/v1/responses", json=body, headers=headers) as response:
            return await taken(response)


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "alice-key-0123456789"},
        {"Authorization": "Bearer \xff\xfe"},
        {"api-key": "wrong"},
    ],
    ids=["none", "wrong", "empty", "basic", "no scheme", "no text", "api-key"],
)
async def test_without_a_key_there_is_a_401_in_the_envelope(
    method: str, path: str, shown: dict[str, str], *, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}) + KEYS)
    status, body = await call(server.url, path, method, shown)
    assert (status, body["error"]["type"], body["error"]["code"]) == (
        401,
        "auth_error",
        "invalid_api_key",
    )
    assert set(body["error"]) >= {"message", "type", "param", "code"}
    assert "wrong" not in body["error"]["message"]
    assert not upstream.seen


@pytest.mark.parametrize("shown", [ALICE, {"api-key": "alice-key-0123456789"}])
async def test_a_key_opens_the_door(
    shown: dict[str, str], upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}) + KEYS)
    answer = await asked_by(server.url, shown)
    assert answer.status == 200
    assert upstream.asked() == ["a"], "the upstream sees its own key"


async def test_a_model_outside_the_key_s_list_is_refused_in_the_seed_s_words(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}) + KEYS)
    assert (await asked_by(server.url, BOB)).status == 200
    answer = await asked_by(server.url, BOB, model="gpt-4.1")
    assert answer.status == 403
    assert answer.error == {
        "message": "This API key does not have access to model 'gpt-4.1'",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_allowed",
    }
    assert answer.headers["x-should-retry"] == "false"
    assert len(upstream.seen) == 1


async def test_the_list_of_models_is_cut_to_what_the_key_may_use(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}) + KEYS)
    lists = {}
    for name, shown in (("alice", ALICE), ("bob", BOB)):
        status, body = await call(server.url, "/v1/models", headers=shown)
        assert (status, body["object"]) == (200, "list")
        lists[name] = [model["id"] for model in body["data"]]
    assert lists == {"alice": sorted(MODELS), "bob": ["gpt-5.5"]}
    assert (await call(server.url, "/v1/models/gpt-4.1", headers=ALICE))[0] == 200
    status, body = await call(server.url, "/v1/models/gpt-4.1", headers=BOB)
    assert (status, body["error"]["code"]) == (404, "model_not_found")


async def test_the_list_of_models_is_cut_to_what_the_accounts_serve(
    upstream: Upstream, proxy: Proxy
) -> None:
    toml = pool({"a": upstream.url}).replace('api_key = "a"', 'api_key = "a"\nmodels = ["gpt-6*"]')
    server = await proxy(toml)
    body = (await call(server.url, "/v1/models"))[1]
    assert [model["id"] for model in body["data"]] == ["gpt-6.1-sol"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 200), ({"X-Forwarded-For": "127.0.0.1"}, 401), ({"Host": "evil.example"}, 421)],
)
async def test_without_any_key_only_this_machine_may_ask(
    headers: dict[str, str], status: int, *, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    answer = await asked_by(server.url, headers)
    assert answer.status == status


async def test_two_clients_with_the_same_session_are_two_conversations(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool(dict.fromkeys("abcdefgh", upstream.url)) + KEYS)
    homes = set()
    for shown in (ALICE, BOB):
        told = {**shown, "session-id": "one"}
        answers = [await asked_by(server.url, told) for _ in range(3)]
        (home,) = {answer.headers["x-lb-account"] for answer in answers}
        homes.add(home)
    pins = server.gateway.pool.affinity
    assert pins.owner("alice", ["session:one"], server.gateway.clock.now()) in homes
    assert pins.owner("", ["session:one"], server.gateway.clock.now()) is None


async def test_the_doors_for_health_need_no_key(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}) + KEYS)
    assert (await call(server.url, "/health"))[0] == 200
    assert (await call(server.url, "/ready"))[0] == 200


async def test_a_wrong_key_is_told_before_the_body_is_read(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}) + KEYS)

    async def endless() -> Any:
        while True:
            yield b" " * 1024
            await until(lambda: True)

    async with aiohttp.ClientSession() as session:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer wrong"}
        async with session.post(
            f"{server.url}/v1/responses", data=endless(), headers=headers
        ) as response:
            assert response.status == 401
            assert response.headers["Connection"] == "close"


async def test_codex_s_own_names_are_the_same_doors(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    async with client() as session:
        url = f"{server.url}/backend-api/codex/responses"
        async with session.post(url, json=asking(stream=True)) as response:
            assert (await taken(response)).events[-1]["type"] == "response.completed"
    assert (await ask(server.url, asking())).status == 200
