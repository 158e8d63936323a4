"""Logins at rest: sealed where lb keeps them, plain where a person does; no token is ever shown."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lb.adapters import authfile, logins
from lb.adapters.authfile import UnreadableError
from lb.adapters.credentials import Credentials
from lb.adapters.seals import Seals
from lb.adapters.vault import FILE, VARIABLE
from lb.core.account import Account
from lb.core.errors import Blame, Problem
from lb.core.identity import identity_of
from lb.core.sealed import MARK, TOKENS
from tests.adapters.issuing import NEW, OLD, Clock, Issuer, mode, names, save, saved
from tests.logins import CANARY, document

KEY = {VARIABLE: "k" * 44}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "accounts.d"


def seals(folder: Path, environ: dict[str, str] | None = None, **more: Any) -> Seals:
    return Seals(
        folder, folder.parent / "data", environ=KEY if environ is None else environ, **more
    )


def account(path: Path, issuer: Issuer) -> Account:
    return Account(path.stem, "chatgpt", auth_file=str(path), issuer=issuer.url)


def dropped_in(folder: Path) -> Path:
    """A plain login a person put there; its access token is near its end."""
    folder.mkdir()
    save(folder / "plus.json", OLD, "rt_0")
    return folder / "plus.json"


def test_what_is_sealed_opens_again_and_the_file_shows_no_token(folder: Path) -> None:
    told = {**document(), "OPENAI_API_KEY": f"sk-{CANARY}", "extra": [1]}
    path = folder / "plus.json"
    logins.save(path, told, seals(folder))
    kept = saved(path)
    for secret in (kept["OPENAI_API_KEY"], *(kept["tokens"][name] for name in TOKENS)):
        assert secret.startswith(MARK)
    assert set(told["tokens"].values()) & set(kept["tokens"].values()) == {"acct-1"}
    parts = {part for name in TOKENS for part in told["tokens"][name].split(".")}
    long = {part for part in parts if len(part) > 12}  # a short one may stand there by chance
    assert len(long) >= 4
    for file in folder.iterdir():
        for secret in (CANARY, "alice@", *long):
            assert secret not in file.read_text()
    assert (mode(path), mode(folder)) == (0o600, 0o700)
    assert seals(folder).read(path).document == told


def test_whose_it_is_can_be_told_without_the_key(folder: Path) -> None:
    told = document(plan="team")
    logins.save(folder / "plus.json", told, seals(folder))
    open_, sealed = identity_of(told), identity_of(saved(folder / "plus.json"))
    assert open_ is not None
    assert sealed is not None
    assert (sealed.key, sealed.plan, sealed.expires_at) == (open_.key, "team", open_.expires_at)
    assert sealed.masked_email == open_.masked_email == "a***@example.com"
    assert sealed.refreshed_at == open_.refreshed_at


def test_logins_that_name_no_seat_stay_apart_when_sealed(folder: Path) -> None:
    plain = [{"tokens": {"access_token": OLD, "refresh_token": each}} for each in ("one", "two")]
    who = [identity_of(seals(folder).closed(folder / "a.json", each)) for each in plain]
    assert [each.key for each in who if each] == [
        each.key for each in map(identity_of, plain) if each
    ]


@pytest.mark.parametrize("place", ["another file", "another field"])
def test_a_secret_that_changed_places_does_not_open(place: str, folder: Path) -> None:
    for name in ("a", "b"):
        logins.save(folder / f"{name}.json", document(name), seals(folder))
    ours, theirs = saved(folder / "a.json"), saved(folder / "b.json")
    taken = theirs["tokens"]["refresh_token"]
    ours["tokens"]["refresh_token"] = (
        taken if place == "another file" else ours["tokens"]["id_token"]
    )
    (folder / "a.json").write_text(json.dumps(ours))
    with pytest.raises(UnreadableError, match="altered, or sealed for somebody else"):
        seals(folder).read(folder / "a.json")
    assert seals(folder).read(folder / "b.json").refresh


@pytest.mark.parametrize("environ", [{}, {VARIABLE: "x" * 44}, {VARIABLE: "short"}])
async def test_without_its_key_an_account_says_so_and_no_key_is_made(
    environ: dict[str, str], folder: Path, session: aiohttp.ClientSession, issuer: Issuer
) -> None:
    path = folder / "plus.json"
    logins.save(path, document(), seals(folder))
    before = path.read_bytes()
    credentials = Credentials(session, Clock(), seals(folder, environ, wanted=True))
    with pytest.raises(Problem) as caught:
        await credentials.secret(account(path, issuer))
    assert (caught.value.blame, caught.value.code) == (Blame.TOKEN, "login_sealed")
    assert caught.value.message.startswith("needs its key: the login of plus: ")
    assert VARIABLE in caught.value.message
    assert CANARY not in caught.value.message
    assert path.read_bytes() == before
    assert not (folder.parent / "data").exists()


async def test_a_plain_login_dropped_in_is_sealed_when_it_is_refreshed(
    folder: Path, session: aiohttp.ClientSession, issuer: Issuer, clock: Clock
) -> None:
    path = dropped_in(folder)
    keeping = seals(folder, {}, wanted=True)
    assert keeping.read(path).access.reveal() == OLD
    token = await Credentials(session, clock, keeping).secret(account(path, issuer))
    assert token.reveal() == NEW
    assert NEW not in path.read_text()
    assert saved(path)["tokens"]["refresh_token"].startswith(MARK)
    assert saved(path)["extra"] == [1]
    assert keeping.read(path).refresh == "rt_1"
    assert (mode(path), mode(folder.parent / "data" / FILE)) == (0o600, 0o600)
    assert names(folder.parent / "data") == [FILE]
    again = await Credentials(session, clock, keeping).secret(account(path, issuer))
    assert again.reveal() == NEW


async def test_no_refresh_token_is_spent_for_a_login_that_cannot_be_sealed(
    folder: Path, session: aiohttp.ClientSession, issuer: Issuer, clock: Clock
) -> None:
    path = dropped_in(folder)
    credentials = Credentials(session, clock, seals(folder, {VARIABLE: "short"}))
    with pytest.raises(Problem, match="needs its key"):
        await credentials.secret(account(path, issuer))
    assert issuer.asked == []


def test_turned_off_the_next_write_is_plain(folder: Path) -> None:
    path = folder / "plus.json"
    logins.save(path, document(), seals(folder))
    off = seals(folder, wanted=False)
    kept = off.read(path)
    logins.save(path, kept.document, off)
    assert saved(path) == kept.document


def test_a_new_key_takes_over_while_the_old_one_is_there(folder: Path) -> None:
    path = folder / "plus.json"
    logins.save(path, document(), seals(folder, {}, wanted=True))
    logins.save(path, seals(folder).read(path).document, seals(folder))
    (folder.parent / "data" / FILE).unlink()
    assert seals(folder).read(path).refresh


@pytest.mark.parametrize("linked", [False, True])
def test_what_a_person_keeps_elsewhere_is_never_sealed(
    linked: bool,  # noqa: FBT001  # a parameter of the table
    folder: Path,
    file: Path,
) -> None:
    folder.mkdir()
    path = file
    if linked:
        path = folder / "plus.json"
        path.symlink_to(file)
    logins.save(path, document(), seals(folder))
    assert authfile.read(file).document == saved(file)
    assert MARK not in file.read_text()
