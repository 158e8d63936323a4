"""Client keys as people look at them."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lb.cli.tables import left, table_of, text_of

BAR = 30  # characters
LIMITS = {
    "rpm": "requests a minute",
    "rpd": "requests a day",
    "tpm": "tokens a minute",
    "tpd": "tokens a day",
    "max_parallel": "requests at once",
}
Json = Mapping[str, Any]


def overview(keys: Iterable[Json]) -> RenderableType:
    """Every key in a line."""
    table = table_of("key", "begins with", "from", "plan", "today", "this month", "status")
    for told in keys:
        used = told.get("used", {})
        active = told.get("status") == "active"
        table.add_row(
            text_of(told.get("name"), "bold"),
            text_of(told.get("key", {}).get("masked")),
            text_of(told.get("key", {}).get("source")),
            text_of(told.get("plan")),
            text_of(f"{used.get('requests_day', 0)} requests"),
            text_of(f"{used.get('usd_month', 0):.2f} USD"),
            text_of(told.get("status"), "green" if active else "red"),
        )
    return table


def detail(told: Json, now: float | None = None) -> RenderableType:
    """One key: what it may do, and a bar for each limit."""
    instant = time.time() if now is None else now
    key, models = told.get("key", {}), told.get("models", {})
    name = f"{told.get('name')} ({key.get('masked')}, from the {key.get('source')})"
    words = [
        f"{name}: {told.get('status')}",
        f"plan: {told.get('plan') or 'none'}",
        f"models: {', '.join(models.get('allow', ())) or 'all'}"
        + (f", without {', '.join(models['deny'])}" if models.get("deny") else ""),
    ]
    if told.get("max_effort"):
        words.append(f"reasoning effort: up to {told['max_effort']}")
    if told.get("remaining_days") is not None:
        words.append(f"expires in {told['remaining_days']} days")
    used = told.get("used", {})
    words.append(
        f"used: {used.get('requests_total', 0)} requests, {used.get('tokens_total', 0)} tokens, "
        f"{used.get('usd_total', 0):.6g} USD"
    )
    return Group(*map(text_of, words), text_of(""), _bars(told, instant))


def _bars(told: Json, now: float) -> RenderableType:
    table = table_of("limit", "used", "", "resets")
    for each in told.get("limits", ()):
        words = LIMITS.get(str(each.get("name")), str(each.get("name")))
        _bar(table, words, (each["used"], each["limit"]), left(each.get("resets_at"), now))
    if budget := told.get("budget"):
        until = left(budget.get("resets_at"), now)
        _bar(table, f"USD per {budget['per']}", (budget["used_usd"], budget["usd"]), until)
    if balance := told.get("balance"):
        _bar(table, "USD prepaid", (balance["used_usd"], balance["usd"]), "")
    return table if table.row_count else Text("no limits")


def _bar(table: Table, name: str, used: tuple[float, float], resets: str) -> None:
    bar = ProgressBar(total=used[1] or 1, completed=min(used[0], used[1]) or 0, width=BAR)
    table.add_row(text_of(name), bar, text_of(f"{used[0]:,.6g} of {used[1]:,.6g}"), text_of(resets))
