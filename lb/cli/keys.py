"""``lb keys``: make client keys and end them, in the store; a running server sees it within 2 s."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lb.cli.common import loaded, question, show, with_config, with_url

if TYPE_CHECKING:
    from lb.config import Config
    from lb.core.keyring import Record
    from lb.core.secret import Secret
    from lb.proxy.keys import Keys

T = TypeVar("T")
NUMBERS = ("rpm", "rpd", "tpm", "tpd", "max_parallel", "drain_tokens")
LISTS = ("models", "deny", "accounts", "labels")
TEXTS = ("max_effort", "expires", "on_disconnect")
HELP = {
    "rpm": "Requests a minute.",
    "rpd": "Requests a day.",
    "tpm": "Tokens a minute.",
    "tpd": "Tokens a day.",
    "max_parallel": "Requests at once.",
    "drain_tokens": "How far an answer is drained.",
    "models": "A glob of models it may use; several times.",
    "deny": "A glob of models it may not use; several times.",
    "accounts": "An account it may use; several times.",
    "labels": "... or those with this label; several times.",
    "max_effort": "The most reasoning effort it may ask for.",
    "expires": "30d, 12h, 2030-12-31, or a date and a time.",
    "on_disconnect": "abort or drain.",
    "budget": "USD and what for: 20/month, 5/day, 100/total.",
    "balance": "USD, prepaid: all that was ever paid in.",
}


def with_limits(command: Callable[..., None]) -> Callable[..., None]:
    """The options by which a key gets limits of its own."""
    kinds: dict[str, dict[str, Any]] = {
        **{name: {"type": int} for name in NUMBERS},
        **{name: {"multiple": True} for name in LISTS},
        **{name: {} for name in TEXTS},
        "budget": {},
        "balance": {"type": float},
    }
    for name, kind in reversed(kinds.items()):
        flag = "--" + name.replace("_", "-")
        command = click.option(flag, name, help=HELP[name], **kind)(command)
    return command


@click.group()
def keys() -> None:
    """Client keys: who may ask, and how much."""


@keys.command()
@click.argument("name")
@click.option("--plan", default="", help="A [plans.NAME] of the configuration.")
@with_limits
@with_config
def create(name: str, plan: str, path: Path | None, **limits: Any) -> None:
    """Make a key and print it, this once."""
    made = _done(path, lambda keys: keys.create(name, plan, _limits(limits)))
    _tell(*made)


@keys.command("list")
@with_config
@with_url
def list_all(path: Path | None, url: str | None) -> None:
    """Every key: its plan, what it has used, whether it opens."""
    from lb.cli.keytables import overview

    show(overview(_asked(path, url, "")["data"]))


@keys.command("show")
@click.argument("name")
@with_config
@with_url
def show_one(name: str, path: Path | None, url: str | None) -> None:
    """What one key may do, and how much of it is used."""
    from lb.cli.keytables import detail

    show(detail(_asked(path, url, name)))


@keys.command()
@click.argument("name")
@click.option("--grace", default="1d", help="How long the old key opens: 1d, 12h, 0s.")
@with_config
def rotate(name: str, grace: str, path: Path | None) -> None:
    """Give a name a new key and print it; the old one opens a while longer."""
    from lb.proxy.keys import seconds_of

    grace_s = seconds_of(grace)
    if grace_s is None:
        raise click.BadParameter("such as 1d, 12h, 30m or 0s", param_hint="--grace")
    _tell(*_done(path, lambda keys: keys.rotate(name, grace_s)))


@keys.command("set")
@click.argument("name")
@click.option("--plan", help='A [plans.NAME] of the configuration; "" for none.')
@click.option("--unset", multiple=True, help="Take a limit of its own away; several times.")
@with_limits
@with_config
def change(
    name: str, plan: str | None, unset: tuple[str, ...], path: Path | None, **limits: Any
) -> None:
    """Change the plan or the limits of a key."""
    changes: dict[str, Any] = {"limits": {**dict.fromkeys(unset), **_limits(limits)}}
    if plan is not None:
        changes["plan"] = plan
    _done(path, lambda keys: keys.change(name, changes))
    click.echo(f"{name} is changed.")


@keys.command()
@click.argument("name")
@with_config
def disable(name: str, path: Path | None) -> None:
    """Let a key in no more, until it is enabled."""
    _done(path, lambda keys: keys.change(name, {"disabled": True}))
    click.echo(f"{name} is disabled.")


@keys.command()
@click.argument("name")
@with_config
def enable(name: str, path: Path | None) -> None:
    """Let a disabled key in again."""
    _done(path, lambda keys: keys.change(name, {"disabled": False}))
    click.echo(f"{name} is enabled.")


@keys.command()
@click.argument("name")
@with_config
def delete(name: str, path: Path | None) -> None:
    """End a key for ever. What it has used stays in the ledger."""
    _done(path, lambda keys: keys.delete(name))
    click.echo(f"{name} is deleted.")


def _limits(options: dict[str, Any]) -> dict[str, Any]:
    """The limits that were given, as ``[[keys]]`` has them."""
    told = {name: value for name, value in options.items() if value not in (None, ())}
    told.update({name: list(told[name]) for name in LISTS if name in told})
    if "budget" in told:
        usd, _, per = told["budget"].partition("/")
        try:
            told["budget"] = {"usd": float(usd), "per": per or "month"}
        except ValueError:
            raise click.BadParameter("such as 20/month", param_hint="--budget") from None
    return told


def _tell(record: "Record", key: "Secret") -> None:
    click.echo(f"The key of {record.name}, shown this once; only its digest is kept:", err=True)
    click.echo(key.reveal())


def _done(path: Path | None, work: "Callable[[Keys], Awaitable[T]]") -> T:
    """Do ``work`` with the keys of the store; what goes wrong is said in words."""
    import asyncio

    from lb.adapters.stores import StoreAway
    from lb.cli.stored import stored_keys
    from lb.core.errors import Problem

    config = _config(path)

    async def run() -> T:
        async with stored_keys(config) as keys:
            return await work(keys)

    try:
        return asyncio.run(run())
    except Problem as problem:
        raise click.ClickException(problem.message) from None
    except StoreAway as error:
        raise click.ClickException(f"The store cannot be reached: {error}") from None


def _config(path: Path | None) -> "Config":
    from lb import config

    return loaded(lambda: config.load(config.find(path), keyed=lambda _: True))


def _asked(path: Path | None, url: str | None, name: str) -> dict[str, Any]:
    """What the running server says of the keys; without one, what the store says."""
    from lb.cli.ask import NoServer

    try:
        return question(path, url, f"/admin/keys/{name}".rstrip("/"))()
    except NoServer:
        if url is not None:
            raise
    return _done(path, lambda keys: keys.told(name))
