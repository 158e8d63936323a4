"""What the server says when it starts, to people who may see it for the first time."""

from collections.abc import Iterator

from lb import __version__
from lb.cli.ask import url_of
from lb.config import Config, warnings

MODEL = "gpt-5.5"
SHOWN = 8  # accounts named in one line


def start(config: Config, *, asked_for: bool = False, keyed: bool = False) -> Iterator[str]:
    """The lines to print; ``asked_for``: the simulated accounts were asked for by name.

    ``keyed`` whether the store holds client keys.
    """
    url = url_of(config.server.host, config.server.port)
    yield f"lb {__version__} on {url}"
    yield ""
    yield from _simulated(url, asked_for=asked_for) if config.demo else _served(config, keyed=keyed)
    for warning in warnings(config):
        yield f"Mind: {warning}."


def curl(url: str) -> str:
    """A line that asks the server for something."""
    body = f'{{"model": "{MODEL}", "input": "Hello"}}'
    return f"curl {url}/v1/responses -H 'content-type: application/json' -d '{body}'"


def codex(url: str) -> Iterator[str]:
    """The five lines of ~/.codex/config.toml that send Codex here."""
    yield 'model_provider = "lb"'
    yield "[model_providers.lb]"
    yield 'name = "lb"'
    yield f'base_url = "{url}/v1"'
    yield 'wire_api = "responses"'


def _simulated(url: str, *, asked_for: bool) -> Iterator[str]:
    why = "This is the demo" if asked_for else "No accounts.toml was found"
    yield f"{why}: lb runs on five simulated accounts, of which one is slow, one flaky and one"
    yield "rate limited. Nothing leaves this machine, and no answer comes from a real model."
    yield ""
    yield "Try it:"
    yield f"  {curl(url)}"
    yield ""
    yield "Codex CLI: put this into ~/.codex/config.toml, before its first [section]:"
    yield from (f"  {line}" for line in codex(url))
    yield ""
    yield "Your own accounts: write an accounts.toml (accounts.example.toml shows everything),"
    yield "check it with `lb check`, and start lb again. See the pool with `lb status --watch`."


def _served(config: Config, *, keyed: bool) -> Iterator[str]:
    if not config.accounts:
        yield f"{config.path} holds no account: every request gets a 503 until you add one."
        yield "It is taken up as soon as the file is saved; accounts.example.toml shows how."
        return
    names = [account.id for account in config.accounts[:SHOWN]]
    more = len(config.accounts) - len(names)
    named = ", ".join(names) + (f" and {more} more" if more else "")
    clients = _many(len(config.keys), "client key") if config.keys else "for this machine only"
    if keyed:
        clients = "client keys in the file and in the store" if config.keys else "keys in the store"
    yield f"{config.path}: {_many(len(config.accounts), 'account')} ({named}),"
    yield f"strategy {config.routing.strategy}, {clients}."


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
