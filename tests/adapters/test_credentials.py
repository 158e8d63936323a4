import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from lb.adapters import authfile
from lb.adapters.credentials import Credentials
from lb.core.account import Account
from lb.core.errors import Blame, Problem
from lb.core.secret import Secret
from lb.core.upstreams.chatgpt import Bearer
from tests.adapters.issuing import (
    HOUR,
    NEW,
    NOW,
    OLD,
    Clock,
    Issuer,
    jwt,
    mode,
    names,
    outage,
    page,
    put,
    save,
    saved,
)


async def test_a_key_is_there_at_once(credentials: Credentials) -> None:
    keyed = Account("a", "openai", api_key=Secret("sk-1"))
    assert credentials.ready(keyed) == Secret("sk-1")
    assert await credentials.secret(keyed) == Secret("sk-1")
    assert credentials.ready(Account("b", "compatible")) == Secret("")
    with pytest.raises(Problem) as caught:
        await credentials.refresh(keyed, Secret("sk-1"))
    assert caught.value.blame is Blame.TOKEN


async def test_a_bare_access_token_tells_its_account(credentials: Credentials) -> None:
    token = jwt(NOW + HOUR, **{authfile.CLAIMS: {"chatgpt_account_id": "acct_7"}})
    bearer = credentials.ready(Account("a", "chatgpt", api_key=Secret(token)))
    assert isinstance(bearer, Bearer)
    assert (bearer.reveal(), bearer.account_id) == (token, "acct_7")


async def test_a_token_that_lasts_is_read_once_and_never_refreshed(
    credentials: Credentials, account: Account, file: Path, issuer: Issuer, clock: Clock
) -> None:
    save(file, NEW, "rt_0")
    assert credentials.ready(account) is None
    bearer = await credentials.secret(account)
    assert isinstance(bearer, Bearer)
    assert (bearer.reveal(), bearer.account_id) == (NEW, "acct")
    assert credentials.ready(account) == bearer
    clock.now = NOW + HOUR - 299
    assert credentials.ready(account) is None
    assert issuer.asked == []


async def test_two_hundred_callers_make_one_refresh(
    credentials: Credentials, account: Account, issuer: Issuer
) -> None:
    tokens = await asyncio.gather(*(credentials.secret(account) for _ in range(200)))
    assert set(tokens) == {Secret(NEW)}
    assert issuer.asked == [
        {
            "grant_type": "refresh_token",
            "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
            "refresh_token": "rt_0",
            "scope": "openid profile email offline_access",
            "content-type": "application/json",
        }
    ]


async def test_two_processes_make_one_refresh(
    credentials: Credentials,
    session: aiohttp.ClientSession,
    account: Account,
    issuer: Issuer,
    clock: Clock,
) -> None:
    others = [Credentials(session, clock) for _ in range(5)]  # a file lock is held per open file
    tokens = await asyncio.gather(*(one.secret(account) for one in [credentials, *others]))
    assert set(tokens) == {Secret(NEW)}
    assert len(issuer.asked) == 1


async def test_the_file_is_whole_and_private_before_the_token_is_used(
    credentials: Credentials, account: Account, file: Path
) -> None:
    token = await credentials.secret(account)
    document = saved(file)
    assert document["tokens"] == {
        "access_token": token.reveal(),
        "refresh_token": "rt_1",
        "id_token": "i",
        "account_id": "acct",
        "x": 1,
    }
    assert (document["extra"], document["last_refresh"]) == ([1], "2026-11-18T11:06:40Z")
    assert mode(file) == 0o600
    assert names(file.parent) == ["auth.json", "auth.json.lock"]


async def test_a_refused_token_is_refreshed_once_for_all_who_used_it(
    credentials: Credentials, account: Account, file: Path, issuer: Issuer
) -> None:
    fresh = jwt(NOW + HOUR, n="fresh but revoked")
    save(file, fresh, "rt_0")
    used = await credentials.secret(account)
    tokens = await asyncio.gather(*(credentials.refresh(account, used) for _ in range(50)))
    assert set(tokens) == {Secret(NEW)}
    assert await credentials.refresh(account, used) == Secret(NEW)
    assert len(issuer.asked) == 1


async def test_a_refusal_during_the_first_reading_is_not_answered_with_the_same_token(
    credentials: Credentials, account: Account, file: Path, issuer: Issuer
) -> None:
    fresh = jwt(NOW + HOUR, n="fresh but revoked")
    save(file, fresh, "rt_0")
    first, second = await asyncio.gather(
        credentials.secret(account), credentials.refresh(account, Secret(fresh))
    )
    assert (first, second) == (Secret(fresh), Secret(NEW))
    assert len(issuer.asked) == 1


async def test_what_another_process_rotated_is_used_without_asking(
    credentials: Credentials, account: Account, file: Path, issuer: Issuer
) -> None:
    fresh = jwt(NOW + HOUR, n="mine")
    save(file, fresh, "rt_0")
    used = await credentials.secret(account)
    save(file, NEW, "rt_1")
    assert await credentials.refresh(account, used) == Secret(NEW)
    assert issuer.asked == []


async def test_a_refusal_is_believed_only_if_the_file_has_nothing_newer(
    credentials: Credentials, account: Account, file: Path, issuer: Issuer
) -> None:
    async def another_was_quicker(question: dict[str, Any]) -> web.Response:
        save(file, NEW, "rt_1")
        issuer.good = "rt_1"
        return issuer.rotate(question)

    issuer.plays.append(another_was_quicker)
    assert await credentials.secret(account) == Secret(NEW)
    assert len(issuer.asked) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "invalid_grant", "error_description": "rt_0"}),
        (401, {"error": {"code": "refresh_token_expired", "message": "rt_0"}}),
        (401, {"error": {"code": "refresh_token_reused"}}),
        (403, {"error": {"code": "refresh_token_invalidated"}}),
        (401, {"code": "app_session_terminated"}),
        (400, {"error": "something_new"}),
    ],
)
async def test_a_refused_login_needs_a_person(
    credentials: Credentials, account: Account, issuer: Issuer, status: int, body: dict[str, Any]
) -> None:
    async def refuse(_question: dict[str, Any]) -> web.Response:
        return web.json_response(body, status=status)

    issuer.plays.append(refuse)
    with pytest.raises(Problem) as caught:
        await credentials.secret(account)
    assert (caught.value.blame, caught.value.status) == (Blame.TOKEN, 503)
    assert "rt_0" not in repr(caught.value)
    assert len(issuer.asked) == 1


async def test_a_bad_moment_of_the_issuer_is_outlasted(
    credentials: Credentials, account: Account, issuer: Issuer
) -> None:
    issuer.plays += [outage, page]
    assert await credentials.secret(account) == Secret(NEW)
    assert len(issuer.asked) == 3


async def test_a_token_near_its_end_is_used_on_while_the_issuer_is_down(
    credentials: Credentials, account: Account, issuer: Issuer, clock: Clock
) -> None:
    issuer.plays += [outage] * 3
    assert await credentials.secret(account) == Secret(OLD)
    assert credentials.ready(account) == Secret(OLD)  # without asking again for a while
    clock.now += 11
    assert credentials.ready(account) is None
    assert await credentials.secret(account) == Secret(NEW)


async def test_an_issuer_out_of_reach_makes_the_account_second_choice_at_most(
    credentials: Credentials, file: Path, clock: Clock
) -> None:
    clock.now += 120  # the old token is over
    nowhere = Account("a", "chatgpt", auth_file=str(file), issuer="http://127.0.0.1:9")
    with pytest.raises(Problem) as caught:
        await credentials.secret(nowhere)
    assert caught.value.blame is Blame.SOFT
    assert saved(file)["tokens"]["refresh_token"] == "rt_0"


async def test_a_caller_that_leaves_does_not_stop_the_refresh(
    credentials: Credentials, account: Account, file: Path, issuer: Issuer
) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def slow(question: dict[str, Any]) -> web.Response:
        reached.set()
        await go.wait()
        return issuer.rotate(question)

    issuer.plays.append(slow)
    caller = asyncio.create_task(credentials.secret(account))
    await reached.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    await credentials.close()
    assert saved(file)["tokens"]["refresh_token"] == "rt_1"
    assert credentials.ready(account) == Secret(NEW)


async def test_new_tokens_the_disk_refuses_are_kept_and_written_later(
    credentials: Credentials, account: Account, file: Path, issuer: Issuer, clock: Clock
) -> None:
    clock.now += 120  # the old token is over
    parent, aside = file.parent, file.parent.with_name("aside")

    async def the_disk_goes_away(question: dict[str, Any]) -> web.Response:
        parent.rename(aside)
        return issuer.rotate(question)

    issuer.plays.append(the_disk_goes_away)
    with pytest.raises(Problem) as caught:
        await credentials.secret(account)
    assert caught.value.blame is Blame.SOFT  # and the token was not handed out
    assert credentials.ready(account) is None
    aside.rename(parent)
    assert saved(file)["tokens"]["refresh_token"] == "rt_0"
    assert await credentials.secret(account) == Secret(NEW)
    assert saved(file)["tokens"]["refresh_token"] == "rt_1"
    assert len(issuer.asked) == 1


async def test_what_a_kill_left_behind_does_no_harm(
    credentials: Credentials, account: Account, file: Path
) -> None:
    (file.parent / ".auth.json.killed").write_text('{"tok')
    (file.parent / "auth.json.lock").touch()
    assert await credentials.secret(account) == Secret(NEW)


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"tokens":null}', '{"tokens":{}}'])
async def test_a_file_without_a_login_needs_a_person(
    credentials: Credentials, account: Account, file: Path, text: str | None
) -> None:
    put(file, text)
    with pytest.raises(Problem) as caught:
        await credentials.secret(account)
    assert (caught.value.blame, caught.value.code) == (Blame.TOKEN, "login_missing")


async def test_a_login_without_a_refresh_token_lasts_as_long_as_its_token(
    credentials: Credentials, account: Account, file: Path
) -> None:
    put(file, json.dumps({"tokens": {"access_token": "opaque", "account_id": "x"}}))
    token = await credentials.secret(account)
    assert token == Secret("opaque")
    with pytest.raises(Problem) as caught:
        await credentials.refresh(account, token)
    assert caught.value.blame is Blame.TOKEN


async def test_no_secret_shows_in_a_repr(credentials: Credentials, account: Account) -> None:
    await credentials.secret(account)
    login = credentials._logins[str(account.auth_file)]
    for secret in (NEW, OLD, "rt_0", "rt_1"):
        assert secret not in repr(login)
        assert secret not in repr(vars(credentials))
