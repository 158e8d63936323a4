"""The vault: what is sealed opens by the same key, for the same owner, and by nothing else."""

from pathlib import Path

import pytest

from lb.adapters.vault import FILE, VARIABLE, Unsealable, Vault, open_vault
from lb.core.secret import Secret

TOKEN = Secret("rt_refresh-token-of-plus-1")
KEY = "k" * 44


def vault(key: str = KEY) -> Vault:
    return Vault(Secret(key))


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    sealed = vault().seal(TOKEN, "plus-1")
    assert "refresh" not in sealed
    assert sealed != vault().seal(TOKEN, "plus-1"), "a nonce is used once"
    assert vault().open(sealed, "plus-1") == TOKEN


def test_it_opens_for_its_owner_only() -> None:
    with pytest.raises(Unsealable, match="somebody else"):
        vault().open(vault().seal(TOKEN, "plus-1"), "plus-2")


def test_another_key_does_not_open_it_and_one_hears_which_would() -> None:
    sealed = vault().seal(TOKEN, "plus-1")
    with pytest.raises(Unsealable, match=vault().key_id):
        vault("x" * 44).open(sealed, "plus-1")


@pytest.mark.parametrize("end", ["", "A", "=", "!!", "AAAA"])
def test_what_was_altered_does_not_open(end: str) -> None:
    sealed = vault().seal(TOKEN, "plus-1")
    with pytest.raises(Unsealable):
        vault().open(sealed[:-6] + end, "plus-1")


@pytest.mark.parametrize("text", ["", "lb1", "lb1:", "rt_refresh", "lb2:x:y"])
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(Unsealable):
        vault().open(text, "plus-1")


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path / "data", {}).seal(TOKEN, "a")
    assert (tmp_path / "data" / FILE).stat().st_mode & 0o777 == 0o600
    assert open_vault(tmp_path / "data", {}).open(sealed, "a") == TOKEN


def test_the_environment_overrules_the_file(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path, {VARIABLE: KEY}).seal(TOKEN, "a")
    assert not (tmp_path / FILE).exists()
    assert vault().open(sealed, "a") == TOKEN


def test_a_key_others_can_read_is_refused(tmp_path: Path) -> None:
    open_vault(tmp_path, {})
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        open_vault(tmp_path, {})


@pytest.mark.parametrize("key", ["", "short"])
def test_a_key_that_is_none_is_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 characters"):
        open_vault(tmp_path, {VARIABLE: key})
