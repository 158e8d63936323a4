"""What the commands share: options, how the config is loaded, how a running server is asked."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from lb.config import Config, ConfigError

MISTAKES = 2
"""The exit code for a configuration that cannot be used."""
FILE = click.Path(path_type=Path, dir_okay=False)
WHERE = "./accounts.toml, then ~/.config/lb/accounts.toml"

with_config = click.option("--config", "path", type=FILE, help=f"Default: {WHERE}.")
with_url = click.option("--url", help="Of the running server; default: from the configuration.")


def has_keys(config: "Config") -> bool:
    """Whether the store of a configuration holds client keys."""
    from lb.cli import stored

    return stored.has_keys(config)


def loaded(load: "Callable[[], Config]") -> "Config":
    """What ``load`` gives; with mistakes, all of them are shown and the program ends."""
    from lb.config import ConfigError

    try:
        return load()
    except ConfigError as error:
        refuse(error)


def loaded_from(path: Path | None) -> "Config":
    """The configuration a server would use that is started here."""
    from lb import config

    found = config.find(path)
    folder = config.find_folder(found)
    return loaded(lambda: config.load(found, folder=folder, keyed=has_keys))


def refuse(error: "ConfigError") -> NoReturn:
    """Show every mistake, and end."""
    from lb.cli import tables

    number = len(error.mistakes)
    click.echo("One mistake:" if number == 1 else f"{number} mistakes:", err=True)
    console(error=True).print(tables.mistakes(error.mistakes))
    raise click.exceptions.Exit(MISTAKES)


def question(
    path: Path | None, url: str | None, what: str, method: str = "GET"
) -> Callable[[], dict[str, Any]]:
    """A question to the admin API of the running server.

    The token of the configuration goes to the server of the configuration only.
    """
    from lb.cli.ask import ask

    server, token = running(path, url)
    return lambda: ask(server, what, token, method)


def running(path: Path | None, url: str | None) -> tuple[str, str]:
    """Where the running server is, and the admin token it is shown ("": none)."""
    from lb import config
    from lb.cli.ask import url_of

    server = config.address(config.find(path))
    token = os.environ.get("LB_ADMIN_TOKEN", "")
    if not token and url is None and server.admin_token is not None:
        token = server.admin_token.reveal()
    return url or url_of(server.host, server.port), token


def show(what: "RenderableType") -> None:
    """Show a table on standard output."""
    console().print(what)


def console(*, error: bool = False) -> "Console":
    """Where tables are shown."""
    from rich.console import Console

    made = Console(stderr=error, highlight=False)
    if not made.is_terminal:
        made.width = 140  # a file or a pipe has no width of its own
    return made
