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
    """The five lines of ~/.codex/config.toml that send Codex here, the plainest way."""
    from lb.cli import codex_config

    told = codex_config.text_of(codex_config.wanted("http", url))
    yield from filter(None, told.splitlines())


def _simulated(url: str, *, asked_for: bool) -> Iterator[str]:
    why = "This is the demo" if asked_for else "No accounts.toml was found"
    yield f"{why}: lb runs on five simulated accounts, of which one is slow, one flaky and one"
    yield "rate limited. Nothing leaves this machine, and no answer comes from a real model."
    yield ""
    yield "Try it:"
    yield f"  {curl(url)}"
    yield ""
    yield "Codex CLI: `lb codex --write` tells it, or put this into ~/.codex/config.toml, before"
    yield "its first [section]:"
    yield from (f"  {line}" for line in codex(url))
    yield ""
    yield "Your own accounts: sign in to a ChatGPT plan with `lb login NAME`, or write an"
    yield "accounts.toml (accounts.example.toml shows everything) and check it with `lb check`;"
    yield "then start lb again. See the pool with `lb status --watch`."


def _served(config: Config, *, keyed: bool) -> Iterator[str]:
    for problem in config.problems:
        yield f"Left out: {problem}."
    if not config.accounts:
        yield f"{config.source} holds no account: every request gets a 503 until you add one."
        yield "Sign in with `lb login NAME`, or write one down; accounts.example.toml shows how."
        return
    names = [account.id for account in config.accounts[:SHOWN]]
    more = len(config.accounts) - len(names)
    named = ", ".join(names) + (f" and {more} more" if more else "")
    clients = _many(len(config.keys), "client key") if config.keys else "for this machine only"
    if keyed:
        clients = "client keys in the file and in the store" if config.keys else "keys in the store"
    yield f"{config.source}: {_many(len(config.accounts), 'account')} ({named}),"
    yield f"strategy {config.routing.strategy}, {clients}."


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
