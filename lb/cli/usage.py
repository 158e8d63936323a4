"""``lb usage``: what was used, from the running server or, where none runs, from its store."""

import csv
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from lb.cli.common import loaded, question, show, with_config, with_url

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lb.config import Config
    from lb.core.reports import Query

BY = ("key", "account", "model", "day")
COLUMNS = (
    "requests",
    "attempts",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_uusd",
)


@click.command()
@click.option("--by", type=click.Choice(BY), default="key", show_default=True)
@click.option("--since", default="", help="7d, 12h, or a date (UTC); default: all there is.")
@click.option("--until", default="", help="Likewise.")
@click.option("--csv", "form", flag_value="csv", help="As CSV, costs in micro-USD.")
@click.option("--json", "form", flag_value="json", help="As the admin API tells it.")
@with_config
@with_url
def usage(by: str, since: str, until: str, form: str | None, **where: Any) -> None:
    """Show requests, tokens and cost."""
    wanted = {name: text for name, text in (("since", since), ("until", until)) if text}
    told = _asked({"by": by, **wanted}, where["path"], where["url"])
    if form == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(told)))
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, (by, *COLUMNS), extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, by: _harmless(row[by])} for row in told["rows"])
    else:
        show(_table(told, by))


def _asked(wanted: dict[str, str], path: Path | None, url: str | None) -> dict[str, Any]:
    from lb.cli.ask import NoServer

    try:
        return question(path, url, f"/admin/usage?{urlencode(wanted)}")()
    except NoServer:
        if url is not None:
            raise
        return _stored(wanted, path)


def _stored(wanted: dict[str, str], path: Path | None) -> dict[str, Any]:
    """The report when no server runs."""
    import asyncio

    from lb import config
    from lb.adapters.stores import StoreAway
    from lb.core.reports import Query, instant

    instants = {}
    for name in ("since", "until"):
        instants[name] = instant(wanted[name], time.time()) if name in wanted else None
        if name in wanted and instants[name] is None:
            raise click.BadParameter("such as 7d, 12h or 2026-01-31", param_hint=f"--{name}")
    told = loaded(lambda: config.load(config.find(path)))
    try:
        query = Query(wanted["by"], instants["since"], instants["until"])
        return asyncio.run(_report(told, query))
    except StoreAway as error:
        message = f"The store cannot be read: {error}"
        raise click.ClickException(message) from None


async def _report(config: "Config", query: "Query") -> dict[str, Any]:
    """What a server that is gone left in its journal is stored first."""
    from lb.adapters.clock import Clock
    from lb.adapters.stores import open_store
    from lb.core.pool import Pool
    from lb.core.strategies import STRATEGIES
    from lb.proxy.memory import Memory

    pool = Pool(STRATEGIES[config.routing.strategy])
    pool.update(config.accounts)
    try:
        memory = Memory.open(config, pool, Clock())
    except BlockingIOError:  # it runs after all, only not where we asked
        from lb.adapters.stores.statements import usage as asked

        store = open_store(config.server.database, config.server.data_dir)
        try:
            return await store.run(lambda connection: asked(connection, query))
        finally:
            await store.close()
    try:
        await memory.start()
        return await memory.usage(query)
    finally:
        await memory.close()


def _harmless(name: str) -> str:
    """A name a spreadsheet does not take for a formula."""
    return f"'{name}" if name[:1] in ("=", "+", "-", "@", "\t", "\r") else name


def _table(told: Mapping[str, Any], by: str) -> "RenderableType":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_footer=len(told["rows"]) > 1)
    table.add_column(by, footer="all")
    for name in COLUMNS:
        heading = "USD" if name == "cost_uusd" else name.replace("_tokens", "")
        table.add_column(heading, justify="right", footer=_number(name, told[name]))
    for row in told["rows"]:
        printable = "".join(c if c.isprintable() else "?" for c in row[by]) or "-"
        table.add_row(Text(printable), *(_number(name, row[name]) for name in COLUMNS))
    if told.get("unpriced"):
        table.caption = f"{told['unpriced']} requests are of models without a known price."
    return table


def _number(name: str, value: int) -> str:
    return f"{value / 1e6:,.4f}" if name == "cost_uusd" else f"{value:,}"
