"""``lb alerts``: whether messages reach people before they have to."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lb.cli.common import loaded_from, with_config

if TYPE_CHECKING:
    from lb.config import Alerts


@click.group("alerts")
def alerts() -> None:
    """Try what is told to people when the pool needs them."""


@alerts.command("test")
@with_config
def test(path: Path | None) -> None:
    """Send one message to the webhook of the configuration. Exit code 1: it did not get there."""
    import asyncio

    from lb.adapters.alerts import UnsentError

    told = loaded_from(path)
    if told.alerts.webhook is None:
        message = 'No webhook is configured: [alerts] webhook_env = "LB_WEBHOOK" in accounts.toml'
        raise click.ClickException(message)
    try:
        asyncio.run(_send(told.alerts))
    except UnsentError as error:
        message = f"The message was not sent: {error}."
        raise click.ClickException(message) from None
    click.echo(f"Sent, as {told.alerts.kind}. Is it there?")


async def _send(told: "Alerts") -> None:
    import time

    from lb.adapters.alerts import Webhook
    from lb.adapters.transport import new_session
    from lb.core.alerts import Condition, Message

    condition = Condition("test", "test", "lb: this is a test", "Alerts will come here.", "")
    now = time.time()
    async with new_session() as session:
        assert told.webhook is not None  # the caller has looked
        webhook = Webhook(session, told.webhook, told.kind)
        await webhook.send(Message(condition, over=False, since=now, at=now))
