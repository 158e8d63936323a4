"""``lb login``: a person signs in, by a browser here or by a code elsewhere."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from click.testing import CliRunner, Result

from lb.adapters.callback import Callback
from lb.adapters.login import Code, LoginError, Ways, by_browser, by_device, document_of
from lb.cli import main
from tests.adapters.issuing import mode
from tests.logins import CANARY, SigningIn, save, signing_in

BROWSER = "import sys, urllib.request as r; r.urlopen(sys.argv[1]).read()"


@pytest.fixture
async def issuer() -> AsyncIterator[SigningIn]:
    async with signing_in() as one:
        yield one


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as one:
        yield one


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and a home without any configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


class Person:
    """Opens what is shown, and keeps what the pages said."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.urls: list[str] = []
        self.pages: list[tuple[int, str]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def opens(self, url: str) -> None:
        self.urls.append(url)
        self.tasks.append(asyncio.create_task(self.open(url)))

    async def open(self, url: str) -> None:
        async with self.session.get(url) as page:
            self.pages.append((page.status, await page.text()))


def ways(issuer: SigningIn, patience_s: float = 10.0) -> Ways:
    return Ways(issuer.url, 0, patience_s)


async def typed(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)


async def test_a_browser_brings_the_tokens(
    issuer: SigningIn, session: aiohttp.ClientSession
) -> None:
    person = Person(session)
    document = await by_browser(session, ways(issuer), person.opens)
    assert set(document) == {"OPENAI_API_KEY", "tokens", "last_refresh"}
    assert document["tokens"]["account_id"] == "acct-1"
    assert CANARY in document["tokens"]["refresh_token"]
    asked = issuer.pages[0]
    assert asked["redirect_uri"].startswith("http://localhost:")
    assert asked["redirect_uri"].endswith("/auth/callback")
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid profile email offline_access"
    assert asked["codex_cli_simplified_flow"] == asked["id_token_add_organizations"] == "true"
    assert issuer.forms[0]["client_id"] == asked["client_id"]
    assert issuer.forms[0]["code_verifier"] not in person.urls[0]
    await asyncio.gather(*person.tasks)
    assert person.pages[0][0] == 200


async def test_the_issuer_checks_who_asks_for_the_tokens(
    issuer: SigningIn, session: aiohttp.ClientSession
) -> None:
    issuer.forgets_challenges = True
    with pytest.raises(LoginError, match="does not accept the code"):
        await by_browser(session, ways(issuer), Person(session).opens)


async def test_a_stranger_changes_nothing(
    issuer: SigningIn, session: aiohttp.ClientSession
) -> None:
    person = Person(session)

    async def both(url: str) -> None:
        query = parse_qs(urlsplit(url).query)
        await person.open(f"{query['redirect_uri'][0]}?code=evil&state=guessed")
        await person.open(f"{query['redirect_uri'][0]}?code=evil")
        await person.open(url)

    document = await by_browser(
        session, ways(issuer), lambda url: person.tasks.append(asyncio.create_task(both(url)))
    )
    await asyncio.gather(*person.tasks)
    assert [status for status, _ in person.pages] == [400, 400, 200]
    assert document["tokens"]["account_id"] == "acct-1"
    assert "evil" not in [form["code"] for form in issuer.forms]


async def test_the_callback_is_for_this_machine_and_good_for_one_use(
    session: aiohttp.ClientSession,
) -> None:
    async with Callback("s") as callback:
        await callback.listen(0)
        assert callback._runner is not None
        assert [address[0] for address in callback._runner.addresses] == ["127.0.0.1"]
        rebound = {"Host": "evil.example.com"}
        async with session.get(f"{callback.url}?code=a&state=s", headers=rebound) as page:
            assert page.status == 421
        for status in (200, 410):
            async with session.get(f"{callback.url}?code=a&state=s") as page:
                assert page.status == status
        assert await callback.code() == "a"


async def test_nobody_signs_in(issuer: SigningIn, session: aiohttp.ClientSession) -> None:
    with pytest.raises(LoginError, match="Nobody signed in within"):
        await by_browser(session, ways(issuer, 0.05), lambda _: None)


async def test_the_port_is_taken(session: aiohttp.ClientSession) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LoginError, match=f"Port {port} is taken.*--device"):
            await by_browser(session, Ways("http://127.0.0.1:1", port), lambda _: None)


async def test_the_issuer_refuses(issuer: SigningIn, session: aiohttp.ClientSession) -> None:
    issuer.denies = "Codex is off\x1b[2J in this workspace"
    with pytest.raises(LoginError, match=r"Codex is off\?\[2J in this workspace"):
        await by_browser(session, ways(issuer), Person(session).opens)


async def test_an_issuer_that_is_not_there(session: aiohttp.ClientSession) -> None:
    with pytest.raises(LoginError, match="cannot be reached"):
        await by_device(session, Ways("http://127.0.0.1:1"), lambda _: None)


async def test_a_device_waits_until_the_person_has_signed_in(
    issuer: SigningIn, session: aiohttp.ClientSession
) -> None:
    shown: list[Code] = []
    document = await by_device(session, ways(issuer), shown.append)
    assert shown == [Code(f"{issuer.url}/codex/device", "ABCD-1234", 30.0)]
    assert document["tokens"]["account_id"] == "acct-1"
    assert len(issuer.asked) == 4
    assert issuer.asked[1] == {"device_auth_id": "dev-1", "user_code": "ABCD-1234"}
    assert issuer.forms[0]["redirect_uri"] == f"{issuer.url}/deviceauth/callback"


@pytest.mark.parametrize("status", [404, 429, 500])
async def test_a_device_has_patience(
    status: int, issuer: SigningIn, session: aiohttp.ClientSession
) -> None:
    issuer.refusal = status
    assert await by_device(session, ways(issuer), lambda _: None)


def _expires(issuer: SigningIn) -> None:
    issuer.pending = 10**6
    issuer.device = {"expires_in": 0.05}


def _ends(issuer: SigningIn) -> None:
    issuer.refusal = 400


def _has_none(issuer: SigningIn) -> None:
    issuer.device_status = 404


@pytest.mark.parametrize(
    ("change", "told"),
    [(_expires, "expired"), (_ends, "ended the login"), (_has_none, "without --device")],
)
async def test_a_device_login_that_fails(
    change: Callable[[SigningIn], None],
    told: str,
    issuer: SigningIn,
    session: aiohttp.ClientSession,
) -> None:
    change(issuer)
    with pytest.raises(LoginError, match=told):
        await by_device(session, ways(issuer), lambda _: None)


@pytest.mark.parametrize("given", [{}, {"access_token": "a"}, {"access_token": 1, "id_token": "x"}])
def test_an_issuer_that_gives_too_little(given: dict[str, Any]) -> None:
    with pytest.raises(LoginError, match="did not give all"):
        document_of(given)


def test_a_login_without_an_account() -> None:
    names = ("id_token", "access_token", "refresh_token")
    with pytest.raises(LoginError, match="no ChatGPT account"):
        document_of(dict.fromkeys(names, "opaque"))


async def test_lb_login_opens_the_browser_and_saves(issuer: SigningIn, home: Path) -> None:
    script = home / "browser.py"
    script.write_text(BROWSER)
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lb", "login", "plus", "--issuer", issuer.url),
        *("--callback-port", "0"),
        env={**os.environ, "BROWSER": f"{sys.executable} {script} %s"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20):
        output = (await run.communicate())[0].decode()
    assert run.returncode == 0, output
    file = home / ".config/lb/accounts.d/plus.json"
    assert json.loads(file.read_text())["tokens"]["account_id"] == "acct-1"
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert "Signed in as a***@example.com, plan plus." in output
    assert f"{issuer.url}/oauth/authorize?" in output
    assert CANARY not in output


async def test_a_login_beside_the_configuration_in_use(issuer: SigningIn, home: Path) -> None:
    (home / "accounts.toml").write_text(
        '[[accounts]]\nid = "own"\nkind = "chatgpt"\nauth_file = "own.json"\n'
    )
    for name, file in (("team", "accounts.d/team.json"), ("own", "own.json")):
        issuer.pending, issuer.user = 0, name
        result = await typed("login", "--device", name, "--issuer", issuer.url)
        assert result.exit_code == 0, result.output
        assert "ABCD-1234" in result.output
        assert CANARY not in result.output
        assert (home / file).exists()


async def test_one_seat_is_one_account_and_one_account_one_seat(
    issuer: SigningIn, home: Path
) -> None:
    issuer.pending = 0
    folder = home / ".config/lb/accounts.d"
    save(folder / "first.json", "user-1")
    before = save(folder / "other.json", "user-2").read_text()
    for user, name, told in (
        ("user-1", "second", "lb login first"),
        ("user-3", "other", "choose another name"),
    ):
        issuer.user = user
        result = await typed("login", "--device", name, "--issuer", issuer.url)
        assert result.exit_code == 1
        assert told in result.output
        assert "Nothing was saved" in result.output
    assert (folder / "other.json").read_text() == before
    assert not (folder / "second.json").exists()
    issuer.user = "user-1"
    result = await typed("login", "--device", "first", "--issuer", issuer.url)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("no/name",), "NAME: is no usable name"),
        (("a", "--issuer", "http://example.com"), "--issuer: must be https"),
        (("key",), "of kind openai"),
    ],
)
async def test_what_is_wrong_is_said_before_anybody_signs_in(
    arguments: tuple[str, ...], told: str, home: Path
) -> None:
    (home / "accounts.toml").write_text('[[accounts]]\nid = "key"\nkind = "openai"\n')
    result = await typed("login", *arguments)
    assert result.exit_code == 1
    assert told in result.output
