"""``lb login``: a person signs in, and the login is an account."""

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lb.cli.common import console, with_config

if TYPE_CHECKING:
    from rich.progress import Progress

    from lb.adapters.login import Code, Ways
    from lb.adapters.seals import Seals

DISPLAYS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
SCREENS = {"darwin", "win32"}
"""Systems that always have a screen."""


@click.command()
@click.argument("name")
@click.option("--device", is_flag=True, help="Sign in on another machine, by a code.")
@click.option("--issuer", default="https://auth.openai.com", show_default=True)
@click.option("--callback-port", default=1455, hidden=True)  # the issuer knows no other
@with_config
def login(name: str, path: Path | None, *, device: bool, issuer: str, callback_port: int) -> None:
    """Sign in to a ChatGPT plan, as the account NAME; or sign NAME in again.

    The login is saved in accounts.d, beside the accounts.toml in use, else in
    ~/.config/lb/accounts.d. A running lb takes it up within two seconds.
    """
    from lb import config
    from lb.adapters.login import Ways
    from lb.cli.seals import seals_for
    from lb.config import known

    used = config.find(path)
    _check(name, issuer, known.written(used).accounts)
    file = known.file_of(used, name)
    _prepare(seals_for(used), file)
    document = _signed_in(Ways(issuer.rstrip("/"), callback_port), device=device)
    told = _saved(document, name, file, used)
    click.echo(f"Signed in as {told}.\nSaved in {file}; a running lb takes it up in two seconds,")
    click.echo("else start one: lb serve")
    if issuer.rstrip("/") != Ways().issuer:
        click.echo(f'Mind: its tokens are renewed there only with issuer = "{issuer}" under')
        click.echo(f'[[accounts]] id = "{name}", kind = "chatgpt", in accounts.toml.')


def _check(name: str, issuer: str, written: Any) -> None:
    """What can be known to be wrong before anybody signs in."""
    from lb.config.checks import Checks
    from lb.config.text import Mistakes

    mistakes = Mistakes()
    checks = Checks(Path(), mistakes)
    checks.name(name, "NAME")
    checks.url(issuer, "--issuer")
    if mistakes.found:
        raise click.ClickException(str(mistakes.found[0]))
    for text in written:
        if text.id == name and text.kind not in ("", "chatgpt"):
            message = (
                f"accounts.toml has an account {name} of kind {text.kind}: choose another name"
            )
            raise click.ClickException(message)


def _prepare(seals: "Seals", file: Path) -> None:
    """Nobody signs in for a login that could not be sealed."""
    from lb.adapters.seals import SealError

    try:
        seals.prepare(file)
    except SealError as error:
        raise click.ClickException(f"The login could not be sealed: {error}") from None


def _signed_in(ways: "Ways", *, device: bool) -> dict[str, Any]:
    import asyncio

    import aiohttp

    from lb.adapters.login import LoginError, by_browser, by_device

    waiting = _waiting("Waiting for you to sign in; Ctrl-C ends it")

    def show_code(code: "Code") -> None:
        _show_code(code)
        waiting.start()

    def show_url(url: str) -> None:
        _show_url(url)
        waiting.start()

    async def run() -> dict[str, Any]:
        async with aiohttp.ClientSession(trust_env=True) as session:
            if device:
                return await by_device(session, ways, show_code)
            return await by_browser(session, ways, show_url)

    try:
        return asyncio.run(run())
    except LoginError as error:
        raise click.ClickException(str(error)) from None
    finally:
        waiting.stop()


def _waiting(words: str) -> "Progress":
    """A sign of life with the time it takes, on a terminal."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    shown = console(error=True)
    progress = Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal)
    progress.add_task(words, total=None)
    return progress


def _show_url(url: str) -> None:
    click.echo(f"Sign in at this address, on this machine, within five minutes:\n\n  {url}\n")
    if _has_screen():
        threading.Thread(target=_open, args=(url,), daemon=True).start()
        click.echo("Your browser should open it now.")
    else:
        click.echo("There is no browser here? Use: lb login --device NAME")


def _show_code(code: "Code") -> None:
    click.echo(f"On any machine, open\n\n  {code.url}\n\nand type this code there, within")
    click.echo(f"{max(1, round(code.lasts_s / 60))} minutes. Give it to nobody.\n\n  {code.text}\n")


def _has_screen() -> bool:
    """Whether a browser may be opened; one that writes text would take over the terminal."""
    return sys.platform in SCREENS or any(os.environ.get(name) for name in DISPLAYS)


def _open(url: str) -> None:
    """Open a browser; some come back only when they are closed."""
    import webbrowser

    with suppress(webbrowser.Error, OSError):
        webbrowser.open(url)


def _saved(document: dict[str, Any], name: str, file: Path, used: Path | None) -> str:
    """Save the login, unless it is another account's or would replace another person's."""
    from lb.adapters import logins
    from lb.adapters.seals import SealError
    from lb.cli.seals import seals_for
    from lb.config import known
    from lb.core.identity import identity_of

    who = identity_of(document)
    for one in known.logins(used):
        same = who is not None and who.seat is not None and one.identity.seat == who.seat
        if one.id != name and same:
            message = f"You signed in as account {one.id}, which is here already. To renew it: "
            raise click.ClickException(f"{message}lb login {one.id}. Nothing was saved.")
        if one.id == name and not same and who is not None and one.identity.seat and who.seat:
            message = f"Account {name} is {one.identity.masked_email or 'somebody else'}, and you "
            message += "signed in as another: choose another name. Nothing was saved."
            raise click.ClickException(message)
    try:
        logins.save(file, document, seals_for(used))
    except (OSError, logins.BusyError, SealError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise click.ClickException(f"The login could not be saved in {file}: {why}") from None
    told = [] if who is None else [who.masked_email, who.plan and f"plan {who.plan}"]
    return ", ".join(filter(None, told)) or name
