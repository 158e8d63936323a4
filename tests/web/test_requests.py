"""``/admin/requests``: what was asked, found again; and one of them told from beginning to end."""

import json
from typing import Any

import aiohttp
import pytest

from tests.clients import MODEL, ask, asking, get, pool
from tests.conftest import Proxy
from tests.faulty_plays import error
from tests.scripted import Upstream


async def refused(url: str, path: str) -> tuple[int, str]:
    """Status and parameter of a refusal."""
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        told: dict[str, Any] = await response.json()
        return response.status, told["error"]["param"] or told["error"]["code"]


async def test_a_request_that_moved_is_told_attempt_by_attempt(
    upstream: Upstream, proxy: Proxy
) -> None:
    names = dict.fromkeys("abc", upstream.url)
    server = await proxy(pool(names, in_order=True))
    upstream.queue("a", error(503, "server_is_overloaded"))
    answer = await ask(server.url, asking("Tell me nothing of the sea", stream=True))
    row = (await get(server.url, "/admin/requests"))["data"][0]
    assert row["request_id"] == answer.headers["x-request-id"]
    assert (row["account"], row["attempts"], row["outcome"]) == ("b", 2, "completed")
    told = await get(server.url, f"/admin/requests/{row['request_id']}")
    assert told["request"] == row
    first, second = told["attempts"]
    assert (first["account"], first["status"], first["outcome"]) == (
        "a",
        503,
        "server_is_overloaded",
    )
    assert first["said"]
    assert first["first_content_at"] is None
    assert first["at"] <= first["ended_at"] <= second["at"] <= second["first_content_at"]
    assert second["outcome"] == "ok"
    others = {other["id"]: other for other in second["others"]}
    assert others["a"]["reason"] == "tried already"
    assert others["c"]["reason"].startswith("of priority 2")
    assert "sea" not in json.dumps(told), "no text of anybody is kept"


async def test_rules_say_what_they_changed(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
    answer = await ask(server.url, body)
    assert answer.status == 200
    told = await get(server.url, f"/admin/requests/{answer.headers['x-request-id']}")
    rules = {rule["rule"]: rule["changed"] for rule in told["rules"]}
    assert set(rules["messages_become_input"]) == {"input", "messages"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 4),
        ("account=a", 3),
        ("account=%25", 0),
        ("account=a'--", 0),
        ("outcome=failed", 1),
        ("model=other", 1),
        ("since=1h", 4),
        ("until=1h", 0),
        ("limit=2", 2),
        (f"model={MODEL}&outcome=completed", 2),
    ],
)
async def test_requests_are_found_by_exact_filters(
    query: str, found: int, upstream: Upstream, proxy: Proxy
) -> None:
    names = {"a": upstream.url, "b": upstream.url}
    server = await proxy(pool(names, in_order=True))
    for _ in range(2):
        await ask(server.url, asking())
    await ask(server.url, {**asking(), "model": "other"})
    for name in names:
        upstream.queue(name, *[error(500, "server_error")] * 4)
    await ask(server.url, asking())
    told = await get(server.url, f"/admin/requests?{query}")
    assert len(told["data"]) == found, told


async def test_pages_follow_each_other_without_a_gap(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    wanted = [(await ask(server.url, asking())).headers["x-request-id"] for _ in range(5)]
    found: list[str] = []
    cursor = ""
    while True:
        page = await get(server.url, f"/admin/requests?limit=2&cursor={cursor}")
        found += [row["request_id"] for row in page["data"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert found == wanted[::-1]


@pytest.mark.parametrize(
    ("path", "status", "param"),
    [
        ("/admin/requests?limit=201", 400, "limit"),
        ("/admin/requests?limit=0", 400, "limit"),
        ("/admin/requests?limit=-1", 400, "limit"),
        ("/admin/requests?limit=99999999999999999999", 400, "limit"),
        ("/admin/requests?cursor=%25%25", 400, "cursor"),
        ("/admin/requests?since=yesterday", 400, "since"),
        ("/admin/requests?outcome=any", 400, "outcome"),
        ("/admin/requests/req_nothing", 404, "id"),
    ],
)
async def test_what_cannot_be_looked_for_is_refused_by_name(
    path: str, status: int, param: str, *, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    assert await refused(server.url, path) == (status, param)


async def test_the_ring_of_timelines_is_bounded(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    server.gateway.timelines.most = 3
    ids = [(await ask(server.url, asking())).headers["x-request-id"] for _ in range(5)]
    assert len(server.gateway.timelines) == 3
    assert server.gateway.timelines.get(ids[0]) is None
    assert server.gateway.timelines.get(ids[-1]) is not None
