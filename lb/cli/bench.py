"""``lb bench``: what the gateway costs you, measured against your own pool.

Asks a running server for short streams and tells how long the first content took, how fast events
came, what failed, and how much of the time was lb's own.
"""

import os
from typing import TYPE_CHECKING, Final

import click

from lb.cli.common import console

if TYPE_CHECKING:
    from lb.cli.bench_run import Run

MODEL: Final = "gpt-5.5"
MOST_REQUESTS: Final = 10_000
MOST_AT_ONCE: Final = 256


@click.command("bench")
@click.argument("url", metavar="URL")
@click.option("--model", default=MODEL, show_default=True, help="What the requests ask for.")
@click.option(
    "--requests", default=20, show_default=True, type=click.IntRange(1, MOST_REQUESTS), metavar="N"
)
@click.option(
    "--concurrency",
    default=4,
    show_default=True,
    type=click.IntRange(1, MOST_AT_ONCE),
    metavar="C",
    help="How many at a time.",
)
@click.option("--key-env", metavar="K", help="The environment variable that holds your client key.")
def measure(url: str, model: str, requests: int, concurrency: int, key_env: str | None) -> None:
    """Measure a running server: time to the first content, events a second, lb's own share.

    Sends N short streaming requests to URL (such as http://127.0.0.1:8642). They are real ones and
    count against the quota of your accounts. Ctrl-C ends it and shows what there is.
    """
    from lb.cli.bench_run import Run, tell

    key = os.environ.get(key_env, "") if key_env else ""
    if key_env and not key:
        message = f"The environment variable {key_env} is empty or not set."
        raise click.ClickException(message)
    run = Run(endpoint(url), model, key, requests)
    try:
        _with_progress(run, concurrency)
    except KeyboardInterrupt:
        click.echo(f"Interrupted after {len(run.answers)} of {requests} requests.", err=True)
    tell(run)
    if not any(not answered.error for answered in run.answers):
        raise click.exceptions.Exit(1)


def endpoint(url: str) -> str:
    """Where to ask, from what a person writes: with or without scheme and ``/v1``.

    Raises: ClickException for what is no URL.
    """
    from lb.cli.ask import connection

    full = url if "://" in url else f"http://{url}"
    connection(full)
    return full.rstrip("/").removesuffix("/responses").removesuffix("/v1") + "/v1/responses"


def _with_progress(run: "Run", concurrency: int) -> None:
    import asyncio

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(error=True), transient=True) as progress:
        task = progress.add_task(f"{concurrency} at a time", total=run.requests)

        def tick() -> None:
            failed = sum(bool(answered.error) for answered in run.answers)
            words = f"{concurrency} at a time" + (f", {failed} failed" if failed else "")
            progress.update(task, advance=1, description=words)

        asyncio.run(run.go(concurrency, tick))
