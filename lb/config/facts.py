"""What the configuration says, as frozen facts."""

import os
from pathlib import Path

from attrs import field, frozen

from lb.core.account import Account
from lb.core.catalog import Catalog
from lb.core.plans import Key, Plan
from lb.core.prices import Price
from lb.core.secret import Secret

DATA_DIR = "~/.local/share/lb"


def expanded(value: str) -> Path:
    """A path with ``~`` made plain; unlike Path's own it never raises where there is no home."""
    return Path(os.path.expanduser(value))  # noqa: PTH111


@frozen
class Server:
    """How the server listens and how patient it is; times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8642
    data_dir: Path = field(factory=lambda: expanded(DATA_DIR))
    admin_token: Secret | None = None
    database: Secret | None = None  # the URL of a PostgreSQL; None: SQLite in data_dir
    max_body_mb: int = 128  # MiB, as it is after decompression
    keepalive_s: float = 10.0  # silence before a keep-alive is sent
    patience_s: float = 20.0  # how long to wait for an account that only cools
    drain_s: float = 60.0  # what streams get to finish after SIGTERM
    deadline_s: float = 600.0  # for a request whose client names none
    tell_account: bool = True  # the x-lb-account header
    seal_logins: bool | None = None  # at rest, in accounts.d; None: if LB_SECRET_KEY is set
    log: str = "auto"  # console, json; auto: console on a terminal
    log_level: str = "info"
    error_dialect: str = "openai"  # how errors are named: see lb.core.error_names
    workers: int = 1  # processes that serve; each takes a core


@frozen
class Routing:
    """How an account is chosen among those that can serve."""

    strategy: str = "balanced"


@frozen
class Metrics:
    """``GET /metrics``: on a ``port`` of its own (None: the server's), its labels bounded."""

    port: int | None = None
    label_values: int = 100  # distinct values of a label; the rest counts as "other"


@frozen
class Otel:
    """Where traces go (an OTLP/HTTP base URL; "": nowhere) and the share of requests traced."""

    endpoint: str = ""
    service: str = "lb"
    sample: float = 1.0


@frozen
class Alerts:
    """Where alerts go (None: nowhere), in whose words, and when there are some."""

    webhook: Secret | None = None
    kind: str = "json"  # slack, discord, json
    min_ready: int = 1  # accounts; 0: never
    error_share: float = 0.25  # of the requests of five minutes; 0: never


@frozen
class Ledger:
    """How long rows of the ledger are kept, and how much may wait for the store."""

    keep_days: int = 90  # older rows are kept as sums of their day
    journal_mb: int = 256  # MiB; beyond, requests go on without a row


@frozen
class Gateway:
    """Models lb itself asks on the way; empty: none."""

    router_model: str = ""  # which of a request's tags fits
    summary_model: str = ""  # what the turns said that are left out


@frozen
class Config:
    """Everything the server is told.

    ``path`` is the file it came from (None: none), ``demo`` whether it is the simulated pool,
    ``secret_files`` the files that hold its secrets. ``folder`` is where logins are looked for,
    ``problems`` what is wrong with some of them: they are left out, the others go on.
    """

    server: Server = field(factory=Server)
    routing: Routing = Routing()
    metrics: Metrics = Metrics()
    otel: Otel = Otel()
    alerts: Alerts = Alerts()
    accounts: tuple[Account, ...] = ()
    plans: dict[str, Plan] = field(factory=dict)
    keys: tuple[Key, ...] = ()
    ledger: Ledger = Ledger()
    prices: dict[str, Price] = field(factory=dict)
    fields: dict[str, dict[str, str]] = field(factory=dict)
    models: Catalog = field(factory=Catalog)
    gateway: Gateway = Gateway()
    path: Path | None = None
    demo: bool = False
    secret_files: tuple[Path, ...] = ()
    folder: Path | None = None
    problems: tuple[str, ...] = ()

    @property
    def source(self) -> Path | None:
        """Where its accounts come from, for people; None: nowhere, they are simulated."""
        return self.path or self.folder
