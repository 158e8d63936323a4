"""What one types: ``lb serve``, ``demo``, ``check``, ``status``, ``explain``, ``keys``, ``usage``.

``lb login``, ``accounts``, ``codex``, ``bench``, ``alerts`` and ``top`` have files of their own.
Whatever takes time to import is imported where it is used: ``lb --help`` answers at once.
"""

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import click

from lb import __version__
from lb.cli.accounts import group
from lb.cli.alerts import alerts
from lb.cli.bench import measure
from lb.cli.codex import tell
from lb.cli.common import (
    FILE,
    MISTAKES,
    WHERE,
    console,
    has_keys,
    loaded,
    loaded_from,
    question,
    show,
    with_config,
    with_url,
)
from lb.cli.keys import keys
from lb.cli.login import login
from lb.cli.top import top
from lb.cli.usage import usage

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lb.config import Config

FAULTS = {
    errno.EADDRINUSE: "something listens there already; choose another with --port",
    errno.EACCES: "not allowed; ports below 1024 need a privilege",
    errno.EAGAIN: "another lb server uses its data_dir",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def _number_of_workers(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """A number of processes; auto is one for each core."""
    from lb.config.cores import LARGEST, usable_cores

    if value is None or value == "auto":
        return None if value is None else usable_cores()
    if not value.isdecimal() or not 1 <= int(value) <= LARGEST:
        raise click.BadParameter(f"{value!r} is neither auto nor a number from 1 to {LARGEST}")
    return int(value)


with_port = click.option("--port", type=click.IntRange(0, 65535), help="Overrules the file.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lb")
def main() -> None:
    """One dependable OpenAI Responses endpoint over a pool of upstream accounts."""


@main.command()
@with_config
@click.option("--host", help="Overrules the file.")
@with_port
@click.option(
    "--workers",
    metavar="N|auto",
    callback=_number_of_workers,
    help="Processes that serve; auto: one for each core. Overrules the file.",
)
def serve(path: Path | None, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the accounts of accounts.toml and accounts.d; without any, five simulated ones."""
    from lb import config

    found = config.find(path)
    folder = config.find_folder(found)
    load = partial(config.load, found, folder=folder, keyed=has_keys)
    _serve(partial(load, host=host, port=port, workers=workers))


@main.command()
@with_port
def demo(port: int | None) -> None:
    """Serve five simulated accounts: nothing leaves this machine."""
    from lb import config

    _serve(lambda: config.load(None, port=port), asked_for=True)


@main.command()
@click.argument("path", metavar="[FILE]", required=False, type=FILE)
@click.option("--probe", is_flag=True, help="Ask each account for its models.")
def check(path: Path | None, *, probe: bool) -> None:
    """Say whether a configuration is good, and everything that is not.

    Exit code 2: it has mistakes. 1: an account did not answer the probe.
    """
    from lb import config
    from lb.cli import seals, tables

    told = loaded_from(path)
    keyless = tuple(seals.problems(told))
    if told.source is None:
        click.echo(f"No configuration was found ({WHERE}): lb would run on simulated accounts.")
    elif not told.problems and not keyless:
        click.echo(f"{told.source} is good.")
    show(tables.accounts(told))
    for line in seals.told(told):
        click.echo(line)
    for warning in config.warnings(told):
        click.echo(f"Mind: {warning}.")
    for problem in told.problems:
        click.echo(f"Left out: {problem}.")
    for problem in keyless:
        click.echo(f"Out: {problem}.")
    if probe:
        _probe(told)
    if told.problems or keyless:
        raise click.exceptions.Exit(MISTAKES)


@main.command()
@with_config
@with_url
@click.option("--watch", is_flag=True, help="Go on showing it, until Ctrl-C.")
def status(path: Path | None, url: str | None, *, watch: bool) -> None:
    """Show the pool of a running server."""
    from lb.cli import tables

    asking = question(path, url, "/admin/status")
    if watch:
        _follow(lambda: tables.status(asking()))
    else:
        show(tables.status(asking()))


@main.command()
@click.option("--model", required=True, help="The model a request would ask for.")
@click.option("--session", help="The conversation it would belong to.")
@with_config
@with_url
def explain(model: str, session: str | None, path: Path | None, url: str | None) -> None:
    """Show who would be chosen now, and why each other account was not."""
    from lb.cli import tables

    asked = {"model": model} | ({"session": session} if session else {})
    asking = question(path, url, f"/admin/explain?{urlencode(asked)}")
    show(tables.explanation(asking()))


for command in (login, group, tell, measure, keys, usage, alerts, top):
    main.add_command(command)


def _serve(load: "Callable[[], Config]", *, asked_for: bool = False) -> None:
    from lb.cli import lean, words

    lean.without_rich()
    from lb import app_serve

    app_serve.collect_seldom()
    told = loaded(load)
    for line in words.start(told, asked_for=asked_for, keyed=has_keys(told)):
        click.echo(line)
    try:
        app_serve.serve(told)
    except OSError as error:
        if error.errno not in FAULTS:
            raise
        server = told.server
        message = f"lb cannot listen on {server.host}:{server.port}: {FAULTS[error.errno]}."
        raise click.ClickException(message) from None


def _probe(told: "Config") -> None:
    import asyncio

    from lb.cli import tables
    from lb.proxy.accounts import probe

    results = asyncio.run(probe(told))
    show(tables.probes(results))
    if not all(good for _, good, _ in results):
        raise click.exceptions.Exit(1)


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
        with Live(seen(), console=console(), auto_refresh=False) as live:
            while True:
                time.sleep(1)
                live.update(seen(), refresh=True)
    except KeyboardInterrupt:
        return
