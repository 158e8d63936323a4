"""What works but should not stay so."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from lb.config.checks import is_loopback
from lb.config.facts import Config

READABLE_BY_OTHERS = 0o077
WRITABLE_BY_OTHERS = 0o022


def warnings(config: Config) -> tuple[str, ...]:
    """What works but should not stay so, each in one sentence."""
    return (*_open_files(config), *_open_folder(config), *_accounts(config), *_door(config))


def _open_files(config: Config) -> Iterator[str]:
    for path in config.secret_files:
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & READABLE_BY_OTHERS:
            yield f"{path} holds secrets and others may read it: chmod 600 {path}"


def _open_folder(config: Config) -> Iterator[str]:
    folder = config.folder
    if folder is not None and folder.is_dir() and folder.stat().st_mode & WRITABLE_BY_OTHERS:
        yield f"others may put accounts into {folder}: chmod 700 {folder}"


def _accounts(config: Config) -> Iterator[str]:
    if config.accounts and not any(account.enabled for account in config.accounts):
        yield "every account is disabled: nobody can be served"
    for account in config.accounts:
        if urlsplit(account.base_url).scheme == "http":
            yield f"account {account.id} is reached over plain http, on this machine"
    logins = ((account.id, account.api_key or account.auth_file) for account in config.accounts)
    for first, second in _pairs(logins):
        yield (
            f"accounts {first} and {second} sign in with the same credential: "
            "they share its limits, and lb takes them for two"
        )


def _pairs(logins: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str]]:
    first: dict[object, str] = {}
    for name, login in logins:
        if login and first.setdefault(login, name) != name:
            yield first[login], name


def _door(config: Config) -> Iterator[str]:
    if not is_loopback(config.server.host):
        yield (
            f"{config.server.host} can be reached from other machines and lb speaks plain http: "
            "put TLS in front of it"
        )
        if config.server.admin_token is None:
            yield "no admin_token is set: the admin API answers only on this machine"
