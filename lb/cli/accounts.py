"""``lb accounts``: who is in the pool, who comes in, who goes out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from lb.cli.common import loaded_from, question, show, with_config, with_url

if TYPE_CHECKING:
    from lb.adapters.seals import Seals
    from lb.cli.importing import Step

ADDED_BY_KEY = ("openai", "azure", "compatible")
FILE_OR_FOLDER = click.Path(path_type=Path, exists=True)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("accounts")
def group() -> None:
    """List the accounts; add, import, export, pause or remove them."""


@group.command("list")
@with_config
@with_url
def list_all(path: Path | None, url: str | None) -> None:
    """List the accounts, and how they stand if a server runs."""
    from lb import config
    from lb.cli import tables
    from lb.config import known

    told = loaded_from(path)
    if told.source is None:
        click.echo("There is no account yet. Begin with one of:\n  lb login NAME")
        click.echo("  lb accounts import FILE...\n  lb accounts add openai NAME --api-key-env X")
        return
    found = config.find(path)
    who = {one.id: one.identity for one in known.logins(found)}
    show(tables.pool(told.accounts, who, _standings(path, url)))
    for problem in told.problems:
        click.echo(f"Left out: {problem}.")


@group.command("import")
@click.argument("sources", metavar="FILE|DIR...", nargs=-1, required=True, type=FILE_OR_FOLDER)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@with_config
def import_all(sources: tuple[Path, ...], path: Path | None, *, dry_run: bool) -> None:
    """Take in logins: files of the form of Codex's auth.json, or folders of them.

    A login that is here already is skipped, or renewed if the file's is newer.
    """
    from lb import config
    from lb.cli import importing, tables
    from lb.cli.seals import seals_for
    from lb.config import folder, known

    found = config.find(path)
    home = folder.folder_for(found)
    taken = {text.id for text in known.written(found).accounts}
    taken |= {file.name.removesuffix(".json") for file in folder.files(home)}
    plan = importing.Plan(home, {one.identity.key: one for one in known.logins(found)}, taken)
    steps = importing.steps(sources, plan)
    done = steps if dry_run else [_done(step, seals_for(found)) for step in steps]
    rows = [(step.source, step.action, step.name, step.why) for step in done]
    show(tables.plain(("from", "", "account", "why"), rows))
    if dry_run:
        click.echo("Nothing was done: this was a dry run.")
    elif any(step.target for step in done):
        click.echo(f"Saved in {home}. These logins are lb's now: a refresh token is good for one")
        click.echo("use, so whoever else uses these files will be signed out.")
    if any(step.action == importing.REFUSED for step in done):
        raise click.exceptions.Exit(1)


@group.command()
@click.argument("account", metavar="ID")
@with_config
@with_url
def pause(account: str, path: Path | None, url: str | None) -> None:
    """Take an account of the running server out, until it is resumed."""
    _act(account, "pause", path, url)


@group.command()
@click.argument("account", metavar="ID")
@with_config
@with_url
def resume(account: str, path: Path | None, url: str | None) -> None:
    """Put a paused account of the running server back."""
    _act(account, "resume", path, url)


@group.command()
@click.argument("account", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_config
def remove(account: str, path: Path | None, *, yes: bool) -> None:
    """Remove an account: its file in accounts.d, its entry in accounts.toml, or both."""
    from lb import config
    from lb.cli.files import of_file, of_toml
    from lb.config import folder

    found = config.find(path)
    file = folder.folder_for(found) / f"{account}.json"
    parts = [*of_file(file), *of_toml(found, account)]
    if not parts:
        raise click.ClickException(f"There is no account {account}; lb accounts list shows them")
    for words, _ in parts:
        click.echo(f"{account}: {words}")
    if not yes:
        click.confirm("Remove it?", abort=True)
    for _, act in parts:
        act()
    click.echo(f"Account {account} is removed; a running lb lets it go within two seconds.")


@group.command()
@click.argument("account", metavar="ID")
@click.argument("file", required=False, type=FILE)
@click.option("--stdout", is_flag=True, help="Print it: it is a secret.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@with_config
def export(
    account: str, file: Path | None, path: Path | None, *, stdout: bool, force: bool
) -> None:
    """Write the login of an account, as Codex's auth.json, to FILE."""
    from lb import config
    from lb.cli.files import kept, saved
    from lb.cli.seals import seals_for
    from lb.config import known

    found = config.find(path)
    document = kept(known.file_of(found, account), account, seals_for(found))
    if stdout == (file is not None):
        raise click.ClickException("Name the FILE to write, or say --stdout")
    if file is None:
        import json

        click.echo(json.dumps(document, indent=2))
        return
    if file.exists() and not force:
        raise click.ClickException(f"{file} is there already; replace it with --force")
    saved(file, document)
    click.echo(f"Saved in {file}. Remove the account here before the file is used elsewhere:")
    click.echo("a refresh token is good for one use, and two users sign each other out.")


@group.command()
@click.argument("kind", type=click.Choice(ADDED_BY_KEY))
@click.argument("name")
@click.option("--api-key-env", help="The environment variable that holds its key.")
@click.option("--api-key-file", help="The file that holds its key.")
@click.option("--base-url")
@click.option("--models", multiple=True, help="A pattern such as gpt-5*; may be repeated.")
@with_config
def add(kind: str, name: str, path: Path | None, models: tuple[str, ...], **told: Any) -> None:
    """Add an account that signs in by key to accounts.toml; its comments stay."""
    from lb.cli.files import add_to_toml

    given = {key: value for key, value in told.items() if value is not None}
    settings = {"id": name, "kind": kind, **given} | ({"models": models} if models else {})
    file = add_to_toml(path, settings)
    click.echo(f"Account {name} is in {file}; a running lb takes it up within two seconds.")


def _standings(path: Path | None, url: str | None) -> dict[str, str]:
    """How each account stands at the running server; nothing when none runs."""
    try:
        told = question(path, url, "/admin/status")()
    except click.ClickException:
        return {}
    return {str(each.get("id")): str(each.get("state")) for each in told.get("accounts", ())}


def _act(account: str, action: str, path: Path | None, url: str | None) -> None:
    what = f"/admin/accounts/{quote(account, safe='')}/{action}"
    told = question(path, url, what, "POST")()
    click.echo(f"Account {told.get('id')} is {told.get('state')}.")


def _done(step: "Step", seals: "Seals") -> "Step":
    """Do what a step says; one that fails says so, and the others go on."""
    from attrs import evolve

    from lb.adapters import logins
    from lb.adapters.seals import SealError
    from lb.cli.importing import REFUSED

    if step.target is None:
        return step
    try:
        logins.save(step.target, step.document, seals)
    except (OSError, logins.BusyError, SealError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return evolve(step, action=REFUSED, why=f"cannot be saved: {why}", target=None)
    return step
