"""Which headers a client gets, which an upstream gets, and which nobody does."""

from collections.abc import Mapping
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request

from lb.proxy.replies import Reply
from tests.clients import Answer, ask, asking, client, pool, taken
from tests.conftest import Proxy, Scripted
from tests.faulty_plays import error, limited
from tests.plays import saying
from tests.scripted import Upstream
from tests.test_relay import CODEX, login

PRIVATE = {
    "openai-model": "gpt-5.5-2026-01-01",
    "openai-organization": "org-secret",
    "openai-project": "proj-secret",
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-tokens": "6m0s",
    "x-codex-primary-used-percent": "12",
    "x-codex-primary-window-minutes": "300",
    "x-codex-plan-type": "plus",
    "set-cookie": "__cf_bm=1; Path=/",
    "cf-ray": "1-FRA",
    "server": "cloudflare",
    "alt-svc": "h3",
    "strict-transport-security": "max-age=1",
}
PASSED = {"openai-processing-ms": "12", "openai-version": "2020-10-01"}


async def asked_with(
    url: str, headers: Mapping[str, str], *, stream: bool = False, **fields: Any
) -> Answer:
    async with client() as session:
        path = f"{url}/v1/responses"
        body = asking(stream=stream, **fields)
        async with session.post(path, json=body, headers=headers) as response:
            return await taken(response)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_the_account_s_own_headers_stay_here(
    *, stream: bool, upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = saying(None, headers={**PRIVATE, **PASSED})
    server = await proxy(pool({"a": upstream.url}))
    answer = await ask(server.url, asking(stream=stream))
    leaked = {name for name in PRIVATE if answer.headers.get(name) == PRIVATE[name]}
    assert not leaked
    assert {name: answer.headers.get(name) for name in PASSED} == PASSED


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_answer_says_who_gave_it_and_what_it_took(
    *, stream: bool, scripted: Scripted, proxy: Proxy
) -> None:
    one, other = await scripted(2)
    one.plays["a"] = error(500, "server_error")
    server = await proxy(pool({"a": one.url, "b": other.url}, in_order=True))
    answer = await ask(server.url, asking(stream=stream))
    assert answer.headers["x-lb-account"] == "b"
    assert answer.headers["x-lb-attempts"] == "2"
    assert 0 <= float(answer.headers["x-lb-overhead-ms"]) < 500
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-upstream-request-id"] == f"req_{other.seen[0].number}"
    assert "x-lb-changed" not in answer.headers


async def test_the_account_s_name_can_be_kept_from_clients(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}, extra="tell_account = false"))
    answer = await ask(server.url, asking())
    assert answer.status == 200
    assert "x-lb-account" not in answer.headers
    assert answer.headers["x-lb-attempts"] == "1"


async def test_what_was_left_out_for_an_account_is_told(
    tmp_path: Any, upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(login(tmp_path, upstream))
    answer = await ask(server.url, asking(temperature=0.5, top_p=1, user=None))
    assert answer.status == 200, answer.body
    assert set(answer.headers["x-lb-changed"].split(",")) == {"temperature", "top_p"}
    assert not {"temperature", "top_p", "user"} & set(upstream.seen[0].body)


async def test_each_attempt_has_an_id_of_its_own(scripted: Scripted, proxy: Proxy) -> None:
    one, other = await scripted(2)
    one.plays["a"] = error(500, "server_error")
    server = await proxy(pool({"a": one.url, "b": other.url}, in_order=True))
    await asked_with(server.url, {"x-client-request-id": "mine"})
    await asked_with(server.url, {})
    ids = [asked.headers["x-client-request-id"] for asked in (*one.seen, *other.seen)]
    assert len(set(ids)) == len(ids) >= 3
    assert all(len(each) >= 32 for each in ids), "none is the client's, none can be guessed"


async def test_codex_s_own_request_id_goes_through_as_it_is(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    await asked_with(server.url, {**CODEX, "x-client-request-id": "thread-1"})
    assert upstream.seen[0].headers["x-client-request-id"] == "thread-1"


async def test_an_upstream_sees_its_own_credential_and_only_headers_it_may(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    sent = {
        "Authorization": "Bearer client-secret",
        "api-key": "client-secret",
        "Cookie": "session=client-secret",
        "x-forwarded-proto": "https",
        "x-stainless-lang": "python",
        "Accept-Encoding": "br",
        "OpenAI-Beta": "responses=v1",
        "traceparent": "00-1-2-03",
        "session-id": "s",
    }
    await asked_with(server.url, sent)
    seen = upstream.seen[0].headers
    assert "client-secret" not in str(seen)
    assert seen["authorization"] == "Bearer a"
    assert seen["accept-encoding"] == "identity"
    assert seen["host"] == upstream.url.split("/")[2]
    assert not {"cookie", "x-forwarded-proto", "x-stainless-lang"} & set(seen)
    passed = {name: seen.get(name) for name in ("openai-beta", "traceparent", "session-id")}
    assert passed == {"openai-beta": "responses=v1", "traceparent": "00-1-2-03", "session-id": "s"}


RETRIES = [
    (error(500, "server_error"), 500, True, None),
    (limited(**{"Retry-After": "7"}), 429, True, "true"),
    (limited(**{"Retry-After": "700"}), 429, True, "false"),
    (error(401, "invalid_api_key"), 503, False, "false"),
    (error(400, "invalid_value", "invalid_request_error"), 400, False, None),
]


@pytest.mark.parametrize(("play", "status", "waits", "retry"), RETRIES)
async def test_an_error_says_whether_and_when_a_retry_helps(
    *, play: Any, status: int, waits: bool, retry: str | None, upstream: Upstream, proxy: Proxy
) -> None:
    upstream.plays["a"] = play
    server = await proxy(pool({"a": upstream.url}))
    answer = await ask(server.url, asking())
    assert answer.status == status
    assert ("retry-after" in answer.headers) is waits
    if waits:
        seconds, milliseconds = (answer.headers[n] for n in ("retry-after", "retry-after-ms"))
        assert abs(float(milliseconds) / 1000 - float(seconds)) <= 1
    assert answer.headers.get("x-should-retry") == retry
    assert int(answer.headers["x-lb-attempts"]) == len(upstream.seen)
    assert answer.headers["x-request-id"].startswith("req_")


async def test_two_answers_never_share_a_request_id(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url}))
    ids = {(await ask(server.url, asking())).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize("told", ["\r", "\n", "\r\nx: y"])
async def test_no_header_of_an_answer_breaks_out_of_its_line(told: str) -> None:
    transport = Mock(is_closing=Mock(return_value=False))
    request = make_mocked_request("POST", "/v1/responses", transport=transport)
    for headers in ({"x-a": f"b{told}c"}, {f"x{told}a": "b"}):
        answer = Reply(headers, b"{}")
        await answer.prepare(request)
        with pytest.raises(ValueError, match="line break"):
            await answer.write_eof()
    transport.write.assert_not_called()
