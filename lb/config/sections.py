"""What may be written in accounts.toml: the sections as they stand there; None: not written."""

from typing import Any

from attrs import field, frozen

from lb.core.account import Simulation, Timeouts


class Workers(int):
    """How many processes serve, written as a number or as "auto": one for each usable core."""


@frozen
class ServerText:
    """``[server]`` as written."""

    host: str | None = None
    port: int | None = None
    data_dir: str | None = None
    admin_token: str | None = field(default=None, repr=False)
    admin_token_env: str | None = field(default=None, repr=False)
    admin_token_file: str | None = field(default=None, repr=False)
    database: str | None = field(default=None, repr=False)
    database_env: str | None = field(default=None, repr=False)
    database_file: str | None = field(default=None, repr=False)
    max_body_mb: int | None = None
    keepalive_s: float | None = None
    patience_s: float | None = None
    drain_s: float | None = None
    deadline_s: float | None = None
    tell_account: bool | None = None
    seal_logins: bool | None = None
    log: str | None = None
    log_level: str | None = None
    error_dialect: str | None = None
    workers: Workers | None = None


@frozen
class RoutingText:
    """``[routing]`` as written."""

    strategy: str | None = None


@frozen
class AccountText:
    """One ``[[accounts]]`` as written."""

    id: str = ""
    kind: str = ""
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    api_key_env: str | None = field(default=None, repr=False)
    api_key_file: str | None = field(default=None, repr=False)
    auth_file: str | None = None
    issuer: str | None = None
    models: tuple[str, ...] | None = None
    priority: int | None = None
    weight: float | None = None
    max_in_flight: int | None = None
    labels: tuple[str, ...] | None = None
    supports: tuple[str, ...] | None = None
    proxy: str | None = field(default=None, repr=False)
    headers: dict[str, str] | None = field(default=None, repr=False)
    timeouts: Timeouts | None = None
    simulation: Simulation | None = None
    websocket: str | None = None
    enabled: bool | None = None


class Expires(float):
    """When something ends (unix seconds), written as a date, or as a date and a time."""


@frozen
class BudgetText:
    """``budget = { usd, per }`` as written."""

    usd: float | None = None
    per: str | None = None


@frozen
class PlanText:
    """One ``[plans.NAME]`` as written, and what a key may say for itself instead."""

    models: tuple[str, ...] | None = None
    deny: tuple[str, ...] | None = None
    accounts: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    max_effort: str | None = None
    rpm: int | None = None
    rpd: int | None = None
    tpm: int | None = None
    tpd: int | None = None
    max_parallel: int | None = None
    budget: BudgetText | None = None
    balance: float | None = None
    expires: Expires | None = None
    on_disconnect: str | None = None
    drain_tokens: int | None = None
    gateway: dict[str, Any] | None = None


@frozen
class KeyText(PlanText):
    """One ``[[keys]]`` as written."""

    name: str = ""
    plan: str | None = None
    key: str | None = field(default=None, repr=False)
    key_env: str | None = field(default=None, repr=False)
    key_file: str | None = field(default=None, repr=False)
    key_sha256: str | None = field(default=None, repr=False)


@frozen
class MetricsText:
    """``[metrics]`` as written."""

    port: int | None = None
    label_values: int | None = None


@frozen
class OtelText:
    """``[otel]`` as written."""

    endpoint: str | None = None
    service: str | None = None
    sample: float | None = None


@frozen
class AlertsText:
    """``[alerts]`` as written."""

    webhook: str | None = field(default=None, repr=False)
    webhook_env: str | None = field(default=None, repr=False)
    webhook_file: str | None = field(default=None, repr=False)
    kind: str | None = None
    min_ready: int | None = None
    error_share: float | None = None


@frozen
class LedgerText:
    """``[ledger]`` as written."""

    keep_days: int | None = None
    journal_mb: int | None = None


@frozen
class GatewayText:
    """``[gateway]`` as written."""

    router_model: str | None = None
    summary_model: str | None = None


@frozen
class PriceText:
    """One ``[prices."glob"]``, or a model's ``prices``, as written: USD for a million tokens."""

    input: float | None = None
    cached: float | None = None
    output: float | None = None


@frozen
class ModelText:
    """One ``[models."NAME"]`` as written."""

    aliases: tuple[str, ...] | None = None
    served: str | None = None
    endpoints: tuple[str, ...] | None = None
    efforts: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None
    plans: tuple[str, ...] | None = None
    prices: PriceText | None = None
    retired: str | None = None


@frozen
class Text:
    """accounts.toml as written."""

    server: ServerText = ServerText()
    routing: RoutingText = RoutingText()
    metrics: MetricsText = MetricsText()
    otel: OtelText = OtelText()
    alerts: AlertsText = AlertsText()
    accounts: tuple[AccountText, ...] = ()
    plans: dict[str, PlanText] = field(factory=dict)
    keys: tuple[KeyText, ...] = ()
    ledger: LedgerText = LedgerText()
    prices: dict[str, PriceText] = field(factory=dict)
    fields: dict[str, dict[str, str]] = field(factory=dict)
    models: dict[str, ModelText] = field(factory=dict)
    gateway: GatewayText = GatewayText()
