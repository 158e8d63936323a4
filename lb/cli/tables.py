"""What people look at: tables of mistakes, accounts, the pool, and why an account was chosen.

Texts that come from a server are shown as texts: no markup, no control characters.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lb.config import Config, Mistake
from lb.core.account import Account
from lb.core.identity import Identity

STATES = {
    "ready": "green",
    "doubtful": "yellow",
    "cooling": "yellow",
    "exhausted": "magenta",
    "refreshing": "cyan",
    "refused": "bold red",
    "paused": "dim",
}
VERDICTS = {"chosen": "bold green", "eligible": "", "second choice": "yellow", "out": "red"}
COLUMNS = ("account", "state", "busy", "latency", "good", "failed", "windows")
WRAPPED = {
    "before",
    "now",
    "from",
    "why",
    "where",
    "what is wrong",
    "what to do",
    "what it said",
    "models",
}
UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
LONGEST_REASON = 80  # characters; the admin API has all of it
NOBODY = Identity()
Json = Mapping[str, Any]


def mistakes(found: Iterable[Mistake]) -> RenderableType:
    """Every mistake of a configuration."""
    table = table_of("where", "what is wrong", "what to do")
    for each in found:
        table.add_row(text_of(each.path, "bold"), text_of(each.message), text_of(each.hint, "cyan"))
    return table


def accounts(config: Config) -> RenderableType:
    """The accounts of a configuration."""
    table = table_of("account", "kind", "where", "models", "priority", "weight", "in flight")
    for each in config.accounts:
        table.add_row(
            text_of(each.id, "bold" if each.enabled else "dim"),
            text_of(each.kind if each.enabled else f"{each.kind}, disabled"),
            text_of(each.base_url),
            text_of(", ".join(each.models) or "all"),
            str(each.priority),
            f"{each.weight:g}",
            f"up to {each.max_in_flight}",
        )
    return table


def pool(
    found: Iterable[Account], who: Mapping[str, Identity], states: Mapping[str, str]
) -> RenderableType:
    """The accounts, whose they are, and how they stand where a server runs."""
    now, rows = time.time(), []
    for each in found:
        identity = who.get(each.id, NOBODY)
        token = left(identity.expires_at, now)
        state = states.get(each.id, "not taken up yet") if states else ""
        state = state if each.enabled else "disabled"
        rows.append((each.id, each.kind, identity.plan, identity.masked_email, token, state))
    return plain(("account", "kind", "plan", "email", "token", "state"), rows)


def probes(results: Iterable[tuple[str, bool, str]]) -> RenderableType:
    """What each account said when it was tried."""
    table = table_of("account", "", "what it said")
    for name, good, detail in results:
        verdict = text_of("good", "green") if good else text_of("failed", "bold red")
        table.add_row(text_of(name, "bold"), verdict, text_of(detail))
    return table


def status(told: Json, now: float | None = None) -> RenderableType:
    """The pool as the server tells it."""
    pool, workers = told.get("pool", {}), len(told.get("workers", ()))
    head = [
        text_of(pool.get("text"), "bold"),
        text_of(
            f"lb {told.get('version')}, up {_span(told.get('uptime_s') or 0)}, "
            f"strategy {told.get('strategy')}, {pool.get('in_flight', 0)} in flight"
            + (f", {workers} workers" if workers > 1 else "")
        ),
    ]
    refused = told.get("config", {}).get("problems", ())
    head += [text_of(f"Not taken up: {problem}", "red") for problem in refused]
    instant = time.time() if now is None else now
    found = told.get("accounts", ())
    rows = [_account(account, instant) for account in found]
    # what is empty for every account takes no room on a narrow screen
    shown = [number for number, cells in enumerate(zip(*rows, strict=True)) if any(map(str, cells))]
    table = table_of(*(COLUMNS[number] for number in shown))
    for row in rows:
        table.add_row(*(row[number] for number in shown))
    whys = [f"{each.get('id')}: {why}" for each in found if (why := _why(each, instant))]
    return Group(*head, table, text_of(""), *map(text_of, whys))


def requests(rows: Iterable[Json], now: float | None = None) -> RenderableType:
    """Requests that are over, as rows of the ledger, in the order given."""
    instant = time.time() if now is None else now
    table = table_of(
        "ago", "key", "model", "account", "tries", "first", "total", "tokens", "outcome"
    )
    for row in rows:
        outcome = str(row.get("outcome"))
        first_ms, total_ms = row.get("ttfb_ms"), row.get("total_ms")
        tokens = [row.get(name) for name in ("input_tokens", "output_tokens")]
        table.add_row(
            text_of(_span(instant - float(row.get("at") or instant), 1), "dim"),
            text_of(row.get("key")),
            text_of(_cut(row.get("model_asked") or "")),
            text_of(row.get("account")),
            text_of(row.get("attempts")),
            text_of("" if first_ms is None else f"{first_ms:.0f} ms"),
            text_of("" if total_ms is None else f"{total_ms:.0f} ms"),
            text_of("" if tokens == [None, None] else " + ".join(str(n or 0) for n in tokens)),
            text_of(outcome, "" if outcome == "completed" else "yellow"),
        )
    return table


def plain(names: tuple[str, ...], rows: Iterable[Iterable[object]]) -> RenderableType:
    """Texts in columns; what is empty for every row takes no room."""
    cells = [[text_of(cell) for cell in row] for row in rows]
    shown = [n for n, column in enumerate(zip(*cells, strict=True)) if any(map(str, column))]
    table = table_of(*(names[n] for n in shown))
    for row in cells:
        table.add_row(*(row[n] for n in shown))
    return table


def explanation(told: Json) -> RenderableType:
    """Who would be chosen, and why each other would not."""
    chosen = told.get("chosen")
    words = f"goes to {chosen}" if chosen else "goes nowhere: no account can serve it now"
    head = f"A request for {told.get('model')} {words} (strategy {told.get('strategy')})."
    table = table_of("account", "verdict", "why")
    for each in told.get("accounts", ()):
        verdict = str(each.get("verdict"))
        style = VERDICTS.get(verdict, "")
        table.add_row(
            text_of(each.get("id"), "bold"), text_of(verdict, style), text_of(each.get("reason"))
        )
    return Group(text_of(head, "bold"), table)


def _account(told: Json, now: float) -> list[Text]:
    """The cells of an account, one for each of COLUMNS."""
    state, until = str(told.get("state")), left(told.get("until"), now)
    counts = told.get("counts", {})
    latency_ms = told.get("latency_ms")
    windows = (text_of(_window(window, now)) for window in told.get("windows", ()))
    return [
        text_of(told.get("id"), "bold"),
        Text("\n").join(
            [text_of(state, STATES.get(state, "")), *([text_of(until)] if until else [])]
        ),
        text_of(f"{told.get('in_flight', 0)}/{told.get('limit') or told.get('max_in_flight')}"),
        text_of("" if latency_ms is None else f"{latency_ms:.0f} ms"),
        text_of(counts.get("succeeded", 0)),
        text_of(counts.get("failed", 0), "red" if counts.get("failed") else ""),
        Text("\n").join(windows),
    ]


def _why(told: Json, now: float) -> str:
    """Why the account stands where it stands; else its blocked models; else its last error."""
    if reason := told.get("reason"):
        return _cut(reason)
    if blocks := told.get("blocks"):
        return _cut("without " + ", ".join(str(block.get("model")) for block in blocks))
    error = told.get("last_error")
    if not error:
        return ""
    return _cut(f"{_span(now - error.get('at', now))} ago: {error.get('reason')}")


def _window(told: Json, now: float) -> str:
    over = left(told.get("resets_at"), now, units=1)
    return f"{told.get('name')} {told.get('used', 0):.0%}" + (f", {over}" if over else "")


def left(instant: float | None, now: float, units: int = 2) -> str:
    """How long it is until ``instant`` (unix seconds)."""
    if not instant:
        return ""
    return f"{_span(instant - now, units)} left" if instant > now else "over"


def _span(seconds: float, units: int = 2) -> str:
    """A length of time in its largest ``units`` units."""
    left, parts = max(0, round(seconds)), []
    for name, size in UNITS:
        if left >= size:
            parts.append(f"{left // size} {name}")
            left %= size
        elif parts:
            break
    return " ".join(parts[:units]) or "0 s"


def _cut(text: object) -> str:
    told = str(text)
    return told if len(told) <= LONGEST_REASON else told[: LONGEST_REASON - 1] + "…"


def text_of(value: object, style: str = "") -> Text:
    """A text as a text: no markup, no control characters."""
    told = "" if value is None else str(value)
    return Text("".join(c if c.isprintable() else "?" for c in told), style=style)


def table_of(*columns: str) -> Table:
    """A table with these columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in WRAPPED)
    return table
