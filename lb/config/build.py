"""From what was written to what is meant: each section checked, then built from what is good."""

from collections.abc import Iterable
from hashlib import sha256
from itertools import chain
from typing import Any

import msgspec
from attrs import evolve

from lb.config import folder
from lb.config.checks import Checks
from lb.config.facts import Gateway, Ledger, Routing, Server, expanded
from lb.config.sections import (
    AccountText,
    GatewayText,
    LedgerText,
    PriceText,
    RoutingText,
    ServerText,
)
from lb.config.text import Mistakes, given, written
from lb.core.account import FEATURES, Account
from lb.core.identity import identity_of
from lb.core.plans import Key
from lb.core.prices import Price

DATABASES = ("postgresql://", "postgres://")
ISSUER = "https://auth.openai.com"
CREDENTIAL = {
    "openai": ("api_key", "give api_key_env, api_key_file or api_key"),
    "azure": ("api_key", "give api_key_env, api_key_file or api_key"),
    "chatgpt": (
        "auth_file",
        'run "lb login", or name a file that "codex login" wrote, such as "~/.codex/auth.json"',
    ),
}
"""What an account of a kind signs in with, and how to give it; other kinds may do without."""
ONLY_FOR = {"auth_file": "chatgpt", "issuer": "chatgpt", "simulation": "simulated"}
"""Keys that mean something to one kind of account only."""

Fields = dict[str, dict[str, str]]


def server(text: ServerText, checks: Checks) -> Server:
    """``[server]``."""
    checks.numbers_and_choices(text, "server")
    if text.host is not None:
        checks.host(text.host, "server.host")
    plain = given(
        text,
        *("host", "port", "max_body_mb", "keepalive_s", "patience_s", "drain_s", "deadline_s"),
        *("tell_account", "seal_logins", "log", "log_level", "error_dialect"),
    )
    if text.workers is not None:
        plain["workers"] = int(text.workers)
    if text.data_dir is not None:
        plain["data_dir"] = checks.folder / expanded(text.data_dir)
    database = checks.secret(text, "database", "server")
    if database is not None and not database.reveal().startswith(DATABASES):
        hint = 'such as "postgresql://lb@db.example.com/lb"; without one: SQLite in data_dir'
        checks.mistakes.note("server.database", "must be the URL of a PostgreSQL database", hint)
    admin_token = checks.secret(text, "admin_token", "server")
    return Server(admin_token=admin_token, database=database, **plain)


def ledger(text: LedgerText, checks: Checks) -> Ledger:
    """``[ledger]``."""
    checks.numbers_and_choices(text, "ledger")
    return Ledger(**given(text, "keep_days", "journal_mb"))


def prices(texts: dict[str, PriceText], checks: Checks) -> dict[str, Price]:
    """Every ``[prices."glob"]``."""
    found = {}
    for glob, text in texts.items():
        path = written(("prices", glob))
        checks.globs([glob], path)
        if (told := price(text, path, checks)) is not None:
            found[glob] = told
    return found


def price(text: PriceText, path: str, checks: Checks) -> Price | None:
    """One price; None where it is not all there."""
    checks.numbers_and_choices(text, path)
    if text.input is None or text.output is None:
        hint = "USD for a million tokens; cached is optional"
        checks.mistakes.note(path, "needs both input and output", hint)
        return None
    return Price(text.input, text.output, text.cached)


def gateway(text: GatewayText, checks: Checks) -> Gateway:
    """``[gateway]``."""
    told = given(text, "router_model", "summary_model")
    for name, model in told.items():
        if not model:
            checks.mistakes.note(f"gateway.{name}", "is empty", "leave it out to ask nobody")
    return Gateway(**told)


def routing(text: RoutingText, checks: Checks) -> Routing:
    """``[routing]``."""
    from lb.core.strategies import STRATEGIES

    if text.strategy is not None:
        checks.one_of(text.strategy, STRATEGIES, "routing.strategy", "strategy")
    return Routing(**given(text, "strategy"))


def fields(text: Fields, checks: Checks) -> Fields:
    """``[fields]``: what a kind does with a request field, where the table is overruled."""
    from lb.core.fields import UNSTRIPPABLE, VERDICTS
    from lb.core.upstreams import KINDS

    for name, verdicts in text.items():
        for kind, verdict in verdicts.items():
            path = written(("fields", name, kind))
            checks.one_of(kind, (*KINDS, "*"), path, "kind")
            allowed = VERDICTS - {"strip"} if name in UNSTRIPPABLE else VERDICTS
            checks.one_of(verdict, sorted(allowed), path, "verdict")
    return text


def accounts(
    texts: Iterable[AccountText | None], overrides: Fields, checks: Checks
) -> tuple[Account, ...]:
    """Every ``[[accounts]]``; None stands for one that is left out."""
    numbered = [
        (f"accounts[{number}]", text) for number, text in enumerate(texts) if text is not None
    ]
    built = tuple(_account(text, path, checks) for path, text in numbered)
    checks.unique(((f"{path}.id", text.id) for path, text in numbered), "id")
    checks.unique(((path, who.seat) for path, _, who in checks.logins), "login")
    return with_fields(built, overrides)


def from_folder(
    logins: Iterable[folder.Login], overrides: Fields, checks: Checks
) -> tuple[tuple[Account, ...], list[str]]:
    """The accounts nothing but a file of accounts.d speaks of, and why some of them cannot be."""
    known = {who.key: account for _, account, who in checks.logins}
    problems: list[str] = []
    built: list[Account] = []
    for one in logins:
        place = f"{folder.FOLDER}/{one.path.name}"
        if one.identity.key in known:
            problems.append(f"{place}: {folder.same_seat(known[one.identity.key])}")
        else:
            built.append(_account(folder.text_of(one), place, checks))
    return with_fields(built, overrides), problems


def with_fields(built: Iterable[Account], overrides: Fields) -> tuple[Account, ...]:
    """The accounts, each told what it does with which request field."""
    from lb.core.fields import for_account

    return tuple(
        evolve(each, fields=for_account(each.kind, each.supports, overrides)) for each in built
    )


def no_shared_secret(facts: Server, clients: Iterable[Key], mistakes: Mistakes) -> None:
    """A client's key must not open the admin API."""
    token = facts.admin_token
    if token and sha256(token.reveal().encode()).digest() in {each.digest for each in clients}:
        mistakes.note("server.admin_token", "is a client's key too", "give it a value of its own")


def _account(text: AccountText, path: str, checks: Checks) -> Account:
    checks.name(text.id, f"{path}.id")
    kind = _kind(text, path, checks)
    for section, where in _number_sections(text, path):
        checks.numbers_and_choices(section, where)
    checks.globs(text.models or (), f"{path}.models")
    checks.labels(text.labels or (), f"{path}.labels")
    for number, feature in enumerate(text.supports or ()):
        checks.one_of(feature, sorted(FEATURES), f"{path}.supports[{number}]", "feature")
    plain = given(
        text,
        *("models", "priority", "weight", "max_in_flight", "timeouts", "simulation"),
        *("websocket", "enabled"),
    )
    return Account(
        id=text.id,
        kind=kind,
        base_url=_base_url(text, kind, path, checks),
        labels=frozenset(text.labels or ()),
        supports=frozenset(text.supports or ()),
        headers=checks.headers(text.headers or {}, f"{path}.headers"),
        proxy=None if text.proxy is None else checks.proxy(text.proxy, f"{path}.proxy"),
        **_credentials(text, kind, path, checks),
        **plain,
    )


def _kind(text: AccountText, path: str, checks: Checks) -> str:
    from lb.core.upstreams import KINDS

    if not text.kind:
        checks.mistakes.note(f"{path}.kind", "is missing", "one of: " + ", ".join(KINDS))
        return ""
    if not checks.one_of(text.kind, KINDS, f"{path}.kind", "kind"):
        return ""
    for name in given(text, *ONLY_FOR):
        if text.kind != ONLY_FOR[name]:
            message = f"means nothing to an account of kind {text.kind}"
            checks.mistakes.note(f"{path}.{name}", message, f"only for kind {ONLY_FOR[name]}")
    return text.kind


def _base_url(text: AccountText, kind: str, path: str, checks: Checks) -> str:
    from lb.core.upstreams import KINDS

    if text.base_url is not None:
        return checks.url(text.base_url, f"{path}.base_url")
    default = KINDS[kind].base_url if kind else ""
    if kind and not default and kind != "simulated":
        hint = f"an account of kind {kind} must say where it lives"
        checks.mistakes.note(f"{path}.base_url", "is missing", hint)
    return default


def _credentials(text: AccountText, kind: str, path: str, checks: Checks) -> dict[str, Any]:
    """api_key, auth_file and issuer of an account."""
    found: dict[str, Any] = {}
    if (api_key := checks.secret(text, "api_key", path)) is not None:
        found["api_key"] = api_key
    if text.auth_file is not None:
        found["auth_file"] = _auth_file(text, path, checks)
    if len(found) > 1:
        checks.mistakes.note(f"{path}.auth_file", "the credential is given twice")
    if kind in CREDENTIAL and not found:
        name, hint = CREDENTIAL[kind]
        checks.mistakes.note(f"{path}.{name}", "is missing", hint)
    if kind == "chatgpt":
        issuer = ISSUER if text.issuer is None else text.issuer
        found["issuer"] = checks.url(issuer, f"{path}.issuer")
    return found


def _auth_file(text: AccountText, path: str, checks: Checks) -> str:
    """Where the login is; whose it is goes into the checks."""
    location, content = checks.file(text.auth_file or "", f"{path}.auth_file")
    try:
        who = identity_of(msgspec.json.decode(content))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        who = None
    if who is not None:
        checks.logins.append((f"{path}.auth_file", text.id, who))
    return str(location)


def _number_sections(text: AccountText, path: str) -> Iterable[tuple[Any, str]]:
    inner = ((text.timeouts, f"{path}.timeouts"), (text.simulation, f"{path}.simulation"))
    return chain([(text, path)], ((each, where) for each, where in inner if each is not None))
