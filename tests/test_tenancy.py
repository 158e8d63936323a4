"""One tenant attacks another: by guessing keys, by timing, by naming what is not his.

A key must never reach, steer or learn of another's conversation. The pool here has two accounts
that keep state, so that a stolen name would show in who is asked.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from tests.clients import MODEL, asking, client, pool
from tests.conftest import Proxy, Served
from tests.scripted import Upstream
from tests.tenants import ask_as, call, keys
from tests.tenants import key_of as key_named

NOW = 1_760_000_000.0
KEEPS = 'supports = ["previous_response_id", "store", "conversation", "file_id"]\n'
ALICE, BOB = key_named("alice"), key_named("bob")


@pytest.fixture
async def shared(proxy: Proxy, upstream: Upstream) -> Served:
    """Two tenants on six accounts that all keep state: strangers meet by chance one time in six."""
    accounts = pool({f"acc-{number}": upstream.url for number in range(6)})
    accounts = accounts.replace("timeouts =", f"{KEEPS}timeouts =")
    return await proxy(accounts + keys(alice="", bob=""))


async def _account(url: str, key: str, body: dict[str, Any] | None = None, **headers: str) -> str:
    answer = await ask_as(url, key, body, headers)
    assert answer.status == 200, answer.error
    return answer.headers["x-lb-account"]


async def test_guessing_keys_is_slow_and_tells_nothing(shared: Served) -> None:
    async with client() as session:
        asked = (ask_as(shared.url, f"sk-lb-guess-{n}", session=session) for n in range(200))
        answers = await asyncio.gather(*asked)
    counts = Counter(answer.status for answer in answers)
    assert set(counts) == {401, 429}
    assert 20 <= counts[401] <= 25
    assert len({answer.raw for answer in answers if answer.status == 401}) == 1
    slowed = next(answer for answer in answers if answer.status == 429)
    assert slowed.error["code"] == "too_many_wrong_keys"
    assert int(slowed.headers["retry-after"]) >= 1
    assert (await ask_as(shared.url, ALICE)).status == 200  # no one else suffers
    assert (await ask_as(shared.url, "", headers={"api-key": BOB})).status == 200
    for path in ("/v1/models", "/v1/usage"):
        assert (await call(shared.url, "GET", path, key="sk-lb-guess")).status == 429


@pytest.mark.parametrize(
    "key",
    [
        "' OR '1'='1",
        "sk-lb-alice-' UNION SELECT digest FROM client_keys --",
        "%",
        "*",
        "sk-lb-alice-",
        ALICE[:-1],
        ALICE + "0",
        ALICE.upper(),
        sha256(ALICE.encode()).hexdigest(),
        "x" * 7000,
        "\xff\xfe",
    ],
)
async def test_what_only_looks_like_a_key_opens_nothing(shared: Served, key: str) -> None:
    refused = await ask_as(shared.url, key)
    assert refused.status == 401
    assert refused.error["code"] == "invalid_api_key"


async def test_a_session_of_the_same_name_steers_nobody_else(shared: Served) -> None:
    names = [f"session-{n}" for n in range(24)]
    hers = [await _account(shared.url, ALICE, session_id=name) for name in names]
    assert hers == [await _account(shared.url, ALICE, session_id=name) for name in names]
    his = [await _account(shared.url, BOB, session_id=name) for name in names]
    same = sum(a == b for a, b in zip(hers, his, strict=True))
    assert same < len(names) / 2, "by chance it is one in six"


async def test_a_cache_key_of_the_same_name_steers_nobody_else(shared: Served) -> None:
    bodies = [asking(prompt_cache_key=f"cache-{n}") for n in range(24)]
    hers = [await _account(shared.url, ALICE, body) for body in bodies]
    assert hers == [await _account(shared.url, ALICE, body) for body in bodies]
    his = [await _account(shared.url, BOB, body) for body in bodies]
    assert sum(a == b for a, b in zip(hers, his, strict=True)) < len(bodies) / 2


async def test_caches_upstream_are_apart(shared: Served, upstream: Upstream) -> None:
    for key in (ALICE, ALICE, BOB):
        await ask_as(shared.url, key, asking(prompt_cache_key="one"))
    hers, again, his = (asked.body["prompt_cache_key"] for asked in upstream.seen)
    assert hers == again != his
    assert "one" not in (hers, his)
    assert len(hers) <= 64


async def test_with_one_client_the_cache_key_stays_as_it_is(
    proxy: Proxy, upstream: Upstream
) -> None:
    for extra in ("", keys(alice="")):
        server = await proxy(pool({"one": upstream.url}) + extra)
        await ask_as(server.url, ALICE if extra else "", asking(prompt_cache_key="one"))
    assert [asked.body["prompt_cache_key"] for asked in upstream.seen] == ["one", "one"]


STOLEN: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a response": lambda told: asking(previous_response_id=told["id"]),
    "an item": lambda told: _items({"type": "item_reference", "id": told["output"][0]["id"]}),
    "an item of no type": lambda told: _items({"id": told["output"][0]["id"]}),
    "an item of no type, null": lambda told: _items({"type": None, "id": told["output"][0]["id"]}),
    "an item among others": lambda told: _items(
        {"type": "item_reference", "id": told["output"][0]["id"]},
        {"role": "user", "content": "and?"},
        {"type": "message", "role": "user", "content": "so?"},
    ),
    "a conversation": lambda told: asking(conversation="conv_" + told["id"]),
    "a conversation as an object": lambda told: asking(conversation={"id": "conv_" + told["id"]}),
}


def _items(*items: dict[str, Any]) -> dict[str, Any]:
    return {"model": MODEL, "input": list(items)}


@pytest.mark.parametrize("how", STOLEN)
async def test_what_is_stolen_is_not_found(how: str, shared: Served, upstream: Upstream) -> None:
    """Upstream would hand it to anyone of the organisation, so nobody but its owner gets there."""
    told = (await ask_as(shared.url, ALICE, asking("remember this"))).body
    body = STOLEN[how](told)
    hers = await ask_as(shared.url, ALICE, body)
    sent = len(upstream.seen)
    his = await ask_as(shared.url, BOB, body)
    assert len(upstream.seen) == sent, "it reached an upstream"
    assert his.status in (400, 404)
    assert "not found" in his.error["message"]
    assert hers.status == 200 or "item of no type" in how  # which a rule refuses anyway
    if "conversation" not in how:  # whose a new one becomes
        unknown = await ask_as(shared.url, BOB, STOLEN[how](_unknown(told)))
        assert unknown.status == his.status
        assert unknown.error["code"] == his.error["code"], "what is foreign is told as unknown"


def _unknown(told: dict[str, Any]) -> dict[str, Any]:
    return {"id": "resp_of_nobody", "output": [{"id": "msg_of_nobody"}]}


async def test_a_name_spelt_otherwise_is_the_same_name(shared: Served, upstream: Upstream) -> None:
    told = (await ask_as(shared.url, ALICE)).body
    item, sent = told["output"][0]["id"], len(upstream.seen)
    for text in (
        '{"model":"gpt-5.5","input":[{"type":"item\\u005freference","id":"%s"}]}',
        '{"model":"gpt-5.5","input":[{"\\u0069d":"%s","type":"item_reference"}]}',
        '{"model":"gpt-5.5","in\\u0070ut":[{"id":"%s","type":"item_reference"}]}',
    ):
        async with client() as session:
            headers = {"Authorization": f"Bearer {BOB}", "Content-Type": "application/json"}
            data = (text % item).encode()
            url = f"{shared.url}/v1/responses"
            async with session.post(url, data=data, headers=headers) as response:
                assert response.status == 404
    assert len(upstream.seen) == sent


async def test_with_one_client_unknown_state_is_upstreams_to_know(
    proxy: Proxy, upstream: Upstream
) -> None:
    accounts = pool({"one": upstream.url}).replace("timeouts =", f"{KEEPS}timeouts =")
    server = await proxy(accounts + keys(alice=""))
    answer = await ask_as(server.url, ALICE, asking(previous_response_id="resp_of_before"))
    assert answer.status == 200


async def test_ids_of_another_block_nobody(shared: Served) -> None:
    """With her account gone her thread must move; he never learns that there was one."""
    answer = await ask_as(shared.url, ALICE)
    home, stolen = answer.headers["x-lb-account"], asking(previous_response_id=answer.body["id"])
    await call(shared.url, "POST", f"/admin/accounts/{home}/pause")
    hers = await ask_as(shared.url, ALICE, stolen)
    his = await ask_as(shared.url, BOB, stolen)
    for told in (hers, his):
        assert (told.status, told.error["code"]) == (400, "previous_response_not_found")


async def test_nobody_uses_up_what_is_another_ones(proxy: Proxy, upstream: Upstream) -> None:
    server = await proxy(pool({"one": upstream.url}) + keys(alice="rpm = 2", bob="rpm = 2"))
    hers = [(await ask_as(server.url, ALICE)).status for _ in range(4)]
    his = [(await ask_as(server.url, BOB)).status for _ in range(3)]
    assert hers == [200, 200, 429, 429]
    assert his == [200, 200, 429]


async def test_bad_requests_of_one_mark_no_account_for_another(
    shared: Served, upstream: Upstream
) -> None:
    bad = {"model": MODEL, "input": 5}
    for _ in range(50):
        assert (await ask_as(shared.url, ALICE, bad)).status == 400
    assert upstream.seen == []
    states = (await call(shared.url, "GET", "/admin/status")).body["accounts"]
    assert {state["state"] for state in states} == {"ready"}
    assert {state["counts"]["failed"] for state in states} == {0}


async def test_a_tenant_cannot_pose_as_another(shared: Served, upstream: Upstream) -> None:
    """What names a client comes from its key; nothing it writes is believed."""
    forged = {
        "x-lb-client": "bob",
        "x-lb-account": "acc-1",
        "x-forwarded-for": "127.0.0.1",
        "chatgpt-account-id": "acc-1",
        "openai-organization": "org-bob",
        "cookie": "session=bob",
        "x-admin-token": "anything",
    }
    await ask_as(shared.url, ALICE, {**asking(), "client": "bob", "user": "bob"}, forged)
    sent = upstream.seen[0].headers
    assert not {"chatgpt-account-id", "openai-organization", "cookie", "x-lb-client"} & set(sent)
    assert ALICE not in str(sent)
    used = (await call(shared.url, "GET", "/v1/usage", key=BOB)).body["used"]
    assert used["requests_day"] == 0


async def test_a_client_key_is_no_admin_token(shared: Served) -> None:
    for key in (ALICE, BOB):
        local = await call(shared.url, "GET", "/admin/keys", key=key)
        forwarded = await call(
            shared.url, "GET", "/admin/keys", None, key, **{"X-Forwarded-For": "10.0.0.1"}
        )
        assert forwarded.status == 401
        assert "digest" not in str(local.body)
