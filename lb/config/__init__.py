"""accounts.toml -> frozen facts; every mistake at once, each with its path and what to do.

    sections.py  what may be written: the sections, as they stand there
    text.py      reads them: types, unknown keys, every mistake
    checks.py    what values must look like: credentials, files, URLs, globs, ranges
    build.py     what it means: accounts, the server
    observe.py   what it means for those who watch: metrics, traces, alerts
    folder.py    accounts.d: logins that are accounts by being there
    plans.py     what client keys may do: plans, keys, limits of their own
    models.py    what it says of models, over models.toml, which ships with the package
    cores.py     how many cores there are for workers
    facts.py     the result: Config and its parts
    advice.py    what works but should not stay so

``load`` is what the server and the command line call; a reload calls it again.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve

from lb.config import build, models, observe
from lb.config import folder as logins
from lb.config import plans as client_plans
from lb.config.advice import warnings
from lb.config.checks import Checks, is_loopback
from lb.config.facts import Alerts, Config, Metrics, Otel, Routing, Server, expanded
from lb.config.folder import folder_for
from lb.config.text import ConfigError, Mistake, Mistakes, read, shown
from lb.core.account import Account, Simulation
from lb.core.catalog import Catalog
from lb.core.plans import Key, Plan

__all__ = [
    "Alerts",
    "Config",
    "ConfigError",
    "Key",
    "Metrics",
    "Mistake",
    "Otel",
    "Plan",
    "Routing",
    "Server",
    "address",
    "demo",
    "find",
    "find_folder",
    "folder_for",
    "is_loopback",
    "load",
    "may_bind",
    "parse",
    "warnings",
    "watched",
]

PLACES = ("accounts.toml", "~/.config/lb/accounts.toml")
ORDER = (
    *("accounts.toml", "server", "routing", "metrics", "otel", "alerts"),
    *("accounts", "plans", "keys", "ledger", "prices", "fields", "models", "gateway"),
)
FIRST_WORD = re.compile(r"[^.\[]+")
HasKeys = Callable[[Config], bool]
NUMBER = re.compile(r"\[(\d+)\]")


def find(explicit: Path | None = None) -> Path | None:
    """The configuration to use: the one named, ./accounts.toml, ~/.config/lb/accounts.toml."""
    if explicit is not None:
        return explicit
    return next((path for path in map(expanded, PLACES) if path.is_file()), None)


def find_folder(path: Path | None) -> Path | None:
    """The folder of logins to use with the configuration at ``path``.

    Without one (None), only a folder that holds something: it is the whole configuration then.
    """
    folder = folder_for(path)
    return folder if path is not None or logins.holds_logins(folder) else None


def load(
    path: Path | None,
    *,
    folder: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    keyed: HasKeys | None = None,
) -> Config:
    """Read the file at ``path`` and the logins in ``folder``, by default accounts.d beside it.

    With neither it is the simulated pool. ``host``, ``port`` and ``workers`` overrule what is
    written. ``keyed`` tells whether the store of a configuration holds client keys: asked where
    there are none in the file and others can reach the server.

    Raises: ConfigError with every mistake there is.
    """
    overrides = {"host": host, "port": port, "workers": workers}
    if path is None:
        if folder is None:
            return _checked(_overruled(demo(), overrides), Mistakes(), keyed)
        return _checked(*_built("", folder, None, overrides), keyed)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError([Mistake(str(path), "is not UTF-8 text")]) from None
    except OSError as error:
        hint = "copy accounts.example.toml to begin with"
        raise ConfigError([Mistake(str(path), f"cannot be read: {error.strerror}", hint)]) from None
    config, mistakes = _built(text, folder or folder_for(path), path, overrides)
    return _checked(config, mistakes, keyed)


def parse(text: str, folder: Path) -> Config:
    """The configuration in a TOML text; relative files are looked for in ``folder``.

    Raises: ConfigError with every mistake there is.
    """
    mistakes = Mistakes()
    return _checked(_read(text, Checks(folder, mistakes), None), mistakes)


def demo() -> Config:
    """Five simulated accounts: two steady, one slow, one flaky, one rate limited."""
    behaviours = {
        "sim-steady-1": Simulation(delay_s=0.2, interval_s=0.02, seed=1),
        "sim-steady-2": Simulation(delay_s=0.2, interval_s=0.02, seed=2),
        "sim-slow": Simulation(delay_s=1.5, interval_s=0.08, seed=3),
        "sim-flaky": Simulation(delay_s=0.2, interval_s=0.02, fail_share=0.4, seed=4),
        "sim-limited": Simulation(delay_s=0.2, interval_s=0.02, requests_per_minute=3, seed=5),
    }
    accounts = (
        Account(id=name, kind="simulated", simulation=behaviour, labels=frozenset({"demo"}))
        for name, behaviour in behaviours.items()
    )
    server = Server(data_dir=Server().data_dir / "demo")
    return Config(
        server=server,
        accounts=build.with_fields(accounts, {}),
        models=Catalog(models.shipped()),
        demo=True,
    )


def may_bind(config: Config) -> bool:
    """Whether the server may listen there: beyond this machine only when clients need a key."""
    return is_loopback(config.server.host) or bool(config.keys)


def address(path: Path | None) -> Server:
    """Where a server with this configuration listens, as far as one can tell from here.

    Mistakes, or variables that are set for the server only, do not matter. Never raises.
    """
    mistakes = Mistakes()
    try:
        text = "" if path is None else path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = ""
    folder = Path() if path is None else path.parent
    return build.server(read(text, mistakes).server, Checks(folder, mistakes))


def watched(config: Config) -> list[Path]:
    """The files beside accounts.toml that say which accounts there are, and who signs in."""
    found = [] if config.folder is None else logins.files(config.folder)
    used = (Path(each.auth_file) for each in config.accounts if each.auth_file is not None)
    return list(dict.fromkeys((*(path.absolute() for path in found), *used)))


def _built(
    text: str, folder: Path, path: Path | None, overrides: dict[str, Any]
) -> tuple[Config, Mistakes]:
    mistakes = Mistakes()
    checks = Checks(folder.parent if path is None else path.parent, mistakes)
    config = _read(text, checks, folder)
    own = (path,) if path is not None and checks.inline else ()
    files = tuple(dict.fromkeys((*own, *config.secret_files)))
    config = evolve(config, path=path, folder=folder, secret_files=files)
    return _overruled(config, overrides), mistakes


def _read(text: str, checks: Checks, folder: Path | None) -> Config:
    """What the text says, and the logins in ``folder``."""
    written = read(text, checks.mistakes)
    fields = build.fields(written.fields, checks)
    texts: list[Any] = list(written.accounts)
    found: list[logins.Login] = []
    problems: list[str] = []
    if folder is not None:
        found, problems = logins.read(folder)
        texts, found, more = logins.joined(texts, found)
        problems += more
    accounts = build.accounts(texts, fields, checks)
    dropped_in, more = build.from_folder(found, fields, checks)
    checks.know((*accounts, *dropped_in))
    plans = client_plans.plans(written.plans, checks)
    config = Config(
        server=build.server(written.server, checks),
        routing=build.routing(written.routing, checks),
        metrics=observe.metrics(written.metrics, checks),
        otel=observe.otel(written.otel, checks),
        alerts=observe.alerts(written.alerts, checks),
        accounts=(*accounts, *dropped_in),
        plans=plans,
        keys=client_plans.keys(written.keys, plans, checks),
        ledger=build.ledger(written.ledger, checks),
        prices=build.prices(written.prices, checks),
        fields=fields,
        models=models.catalog(written.models, plans, checks),
        gateway=build.gateway(written.gateway, checks),
        secret_files=tuple(dict.fromkeys(checks.files)),
        problems=(*problems, *more),
    )
    build.no_shared_secret(config.server, config.keys, checks.mistakes)
    return config


def _overruled(config: Config, overrides: dict[str, Any]) -> Config:
    told = {name: value for name, value in overrides.items() if value is not None}
    return evolve(config, server=evolve(config.server, **told))


def _checked(config: Config, mistakes: Mistakes, keyed: HasKeys | None = None) -> Config:
    if not may_bind(config) and not (keyed is not None and keyed(config)):
        words = "can be reached from other machines, but no client key is set"
        hint = 'make one: `lb keys create`; or listen on "127.0.0.1"'
        mistakes.note("server.host", f"{shown(config.server.host)} {words}", hint)
    if mistakes.found:
        raise ConfigError(sorted(mistakes.found, key=_place))
    return config


def _place(mistake: Mistake) -> tuple[int, int]:
    """Where in the file a mistake is, roughly: the section, and its number among its like."""
    word = FIRST_WORD.match(mistake.path)
    section = word.group() if word else ""
    number = NUMBER.search(mistake.path)
    place = ORDER.index(section) if section in ORDER else len(ORDER)
    return place, int(number.group(1)) if number else 0
