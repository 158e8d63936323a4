"""``lb codex``: what Codex must be told so that it comes to lb."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lb.cli.common import show, with_config, with_url

if TYPE_CHECKING:
    from lb.cli.codex_config import Wanted

MODES = ("ws", "http", "chatgpt", "builtin", "builtin-key")
OWNER_ONLY = 0o600


@click.command("codex")
@click.option("--mode", type=click.Choice(MODES), default="ws", show_default=True)
@click.option("--write", is_flag=True, help="Merge it into Codex's config.toml; keeps a backup.")
@click.option("--all", "every", is_flag=True, help="Show every mode.")
@with_config
@with_url
def tell(mode: str, path: Path | None, url: str | None, *, write: bool, every: bool) -> None:
    r"""Print what belongs into ~/.codex/config.toml, or write it there.

    \b
    ws           a provider of its own, over WebSocket
    http         a provider of its own, over HTTP
    chatgpt      a provider of its own, Codex signed in to ChatGPT: /status shows the pool
    builtin      the built-in provider, Codex signed in to ChatGPT
    builtin-key  the built-in provider, Codex signed in by API key
    """
    from lb.cli import codex_config

    base, keys = _server(path, url)
    if write:
        _write(codex_config.wanted(mode, base, keys=keys), base)
        return
    for name in MODES if every else (mode,):
        told = codex_config.wanted(name, base, keys=keys)
        words = (f"{name}: {codex_config.MODES[name][0]}", *told.notes)
        click.echo("".join(f"# {line}\n" for line in words) + codex_config.text_of(told))


def _server(path: Path | None, url: str | None) -> tuple[str, bool]:
    """Where the server is, and whether its clients need a key."""
    from lb import config
    from lb.cli.ask import connection, url_of
    from lb.config import known

    found = config.find(path)
    server = config.address(found)
    if url is not None:
        connection(url)
    base = url or url_of(server.host, server.port)
    return (base if "://" in base else f"http://{base}").rstrip("/"), known.wants_keys(found)


def _write(told: "Wanted", url: str) -> None:
    from lb.cli import codex_config
    from lb.config.edit import UneditableError

    file = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex") / "config.toml"
    try:
        text = file.read_bytes().decode() if file.exists() else ""
        new, changes = codex_config.merged(text, told, url)
        backup = _replace(file, new) if changes else None
    except UneditableError as error:
        raise click.ClickException(f"{file} {error}. Nothing was changed.") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise click.ClickException(f"{file} was not changed: {why}") from None
    if not changes:
        click.echo(f"{file} says so already: nothing was changed.")
    else:
        click.echo(f"{file} is changed" + (f"; as it was: {backup}" if backup else ""))
        show(_table(changes))
    for note in told.notes:
        click.echo(f"Besides: {note}.")


def _replace(file: Path, text: str) -> Path | None:
    """Put ``text`` in the place of the file, at once; what was there stays beside it."""
    import shutil

    file = file.resolve()  # a link stays a link
    file.parent.mkdir(parents=True, exist_ok=True)
    backup = None
    if file.exists():
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        backup = file.with_name(f"{file.name}.bak-{stamp}")
        shutil.copy2(file, backup)
    new = file.with_name(f".{file.name}.new")
    new.write_text(text, encoding="utf-8")
    if backup is None:
        new.chmod(OWNER_ONLY)
    else:
        shutil.copymode(backup, new)
    new.replace(file)
    return backup


def _table(changes: list[Any]) -> Any:
    from lb.cli import tables

    rows = [(change.place, change.before, change.after) for change in changes]
    return tables.plain(("setting", "before", "now"), rows)
