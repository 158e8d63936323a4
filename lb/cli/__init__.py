"""What one types: ``lb serve``, ``demo``, ``check``, ``status``, ``explain``.

Whatever takes time to import is imported where it is used: ``lb --help`` answers at once.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

import click

from lb import __version__

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from lb.config import Config, ConfigError

MISTAKES = 2
"""The exit code for a configuration that cannot be used."""
FAULTS = {
    errno.EADDRINUSE: "something listens there already; choose another with --port",
    errno.EACCES: "not allowed; ports below 1024 need a privilege",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}
FILE = click.Path(path_type=Path, dir_okay=False)
WHERE = "./accounts.toml, then ~/.config/lb/accounts.toml"

with_config = click.option("--config", "path", type=FILE, help=f"Default: {WHERE}.")
with_port = click.option("--port", type=click.IntRange(0, 65535), help="Overrules the file.")
with_url = click.option("--url", help="Of the running server; default: from the configuration.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lb")
def main() -> None:
    """One dependable OpenAI Responses endpoint over a pool of upstream accounts."""


@main.command()
@with_config
@click.option("--host", help="Overrules the file.")
@with_port
def serve(path: Path | None, host: str | None, port: int | None) -> None:
    """Serve the accounts of accounts.toml; without one, five simulated accounts."""
    from lb import config

    _serve(_loaded(lambda: config.load(config.find(path), host=host, port=port)))


@main.command()
@with_port
def demo(port: int | None) -> None:
    """Serve five simulated accounts: nothing leaves this machine."""
    from lb import config

    _serve(_loaded(lambda: config.load(None, port=port)), asked_for=True)


@main.command()
@click.argument("path", metavar="[FILE]", required=False, type=FILE)
@click.option("--probe", is_flag=True, help="Ask each account for its models.")
def check(path: Path | None, *, probe: bool) -> None:
    """Say whether a configuration is good, and everything that is not.

    Exit code 2: it has mistakes. 1: an account did not answer the probe.
    """
    from lb import config
    from lb.cli import tables

    found = config.find(path)
    told = _loaded(lambda: config.load(found))
    if found is None:
        click.echo(f"No configuration was found ({WHERE}): lb would run on simulated accounts.")
    else:
        click.echo(f"{found} is good.")
    _print(tables.accounts(told))
    for warning in config.warnings(told):
        click.echo(f"Mind: {warning}.")
    if probe:
        _probe(told)


@main.command()
@with_config
@with_url
@click.option("--watch", is_flag=True, help="Go on showing it, until Ctrl-C.")
def status(path: Path | None, url: str | None, *, watch: bool) -> None:
    """Show the pool of a running server."""
    from lb.cli import tables

    question = _question(path, url, "/admin/status")
    if watch:
        _follow(lambda: tables.status(question()))
    else:
        _print(tables.status(question()))


@main.command()
@click.option("--model", required=True, help="The model a request would ask for.")
@click.option("--session", help="The conversation it would belong to.")
@with_config
@with_url
def explain(model: str, session: str | None, path: Path | None, url: str | None) -> None:
    """Show who would be chosen now, and why each other account was not."""
    from lb.cli import tables

    asked = {"model": model} | ({"session": session} if session else {})
    question = _question(path, url, f"/admin/explain?{urlencode(asked)}")
    _print(tables.explanation(question()))


def _loaded(load: "Callable[[], Config]") -> "Config":
    """What ``load`` gives; with mistakes, all of them are shown and the program ends."""
    from lb.config import ConfigError

    try:
        return load()
    except ConfigError as error:
        _refuse(error)


def _refuse(error: "ConfigError") -> NoReturn:
    from lb.cli import tables

    number = len(error.mistakes)
    click.echo("One mistake:" if number == 1 else f"{number} mistakes:", err=True)
    _console(error=True).print(tables.mistakes(error.mistakes))
    raise click.exceptions.Exit(MISTAKES)


def _serve(told: "Config", *, asked_for: bool = False) -> None:
    from lb import app
    from lb.cli import words

    for line in words.start(told, asked_for=asked_for):
        click.echo(line)
    try:
        app.serve(told, told.path)
    except OSError as error:
        if error.errno not in FAULTS:
            raise
        server = told.server
        message = f"lb cannot listen on {server.host}:{server.port}: {FAULTS[error.errno]}."
        raise click.ClickException(message) from None


def _probe(told: "Config") -> None:
    import asyncio

    from lb import app
    from lb.cli import tables

    results = asyncio.run(app.probe(told))
    _print(tables.probes(results))
    if not all(good for _, good, _ in results):
        raise click.exceptions.Exit(1)


def _question(path: Path | None, url: str | None, what: str) -> Callable[[], dict[str, Any]]:
    """A question to the admin API of the running server.

    The token of the configuration goes to the server of the configuration only.
    """
    from lb import config
    from lb.cli.ask import ask, url_of

    server = config.address(config.find(path))
    token = os.environ.get("LB_ADMIN_TOKEN", "")
    if not token and url is None and server.admin_token is not None:
        token = server.admin_token.reveal()
    return lambda: ask(url or url_of(server.host, server.port), what, token)


def _follow(look: "Callable[[], RenderableType]") -> None:
    """Show what ``look`` gives, every second, until Ctrl-C."""
    import time

    from rich.live import Live
    from rich.text import Text

    def seen() -> "RenderableType":
        try:
            return look()
        except click.ClickException as error:  # the server may be starting anew
            return Text(error.message)

    try:
        with Live(seen(), console=_console(), auto_refresh=False) as live:
            while True:
                time.sleep(1)
                live.update(seen(), refresh=True)
    except KeyboardInterrupt:
        return


def _print(what: "RenderableType") -> None:
    _console().print(what)


def _console(*, error: bool = False) -> "Console":
    from rich.console import Console

    console = Console(stderr=error, highlight=False)
    if not console.is_terminal:
        console.width = 140  # a file or a pipe has no width of its own
    return console
