"""What may be written in accounts.toml: the sections as they stand there; None: not written."""

from attrs import field, frozen

from lb.core.account import Simulation, Timeouts


@frozen
class ServerText:
    """``[server]`` as written."""

    host: str | None = None
    port: int | None = None
    data_dir: str | None = None
    admin_token: str | None = field(default=None, repr=False)
    admin_token_env: str | None = field(default=None, repr=False)
    admin_token_file: str | None = field(default=None, repr=False)
    max_body_mb: int | None = None
    keepalive_s: float | None = None
    patience_s: float | None = None
    drain_s: float | None = None
    deadline_s: float | None = None
    tell_account: bool | None = None
    log: str | None = None
    log_level: str | None = None


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


@frozen
class KeyText:
    """One ``[[keys]]`` as written."""

    name: str = ""
    key: str | None = field(default=None, repr=False)
    key_env: str | None = field(default=None, repr=False)
    key_file: str | None = field(default=None, repr=False)
    key_sha256: str | None = field(default=None, repr=False)
    models: tuple[str, ...] | None = None


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
class Text:
    """accounts.toml as written."""

    server: ServerText = ServerText()
    routing: RoutingText = RoutingText()
    metrics: MetricsText = MetricsText()
    otel: OtelText = OtelText()
    alerts: AlertsText = AlertsText()
    accounts: tuple[AccountText, ...] = ()
    keys: tuple[KeyText, ...] = ()
    fields: dict[str, dict[str, str]] = field(factory=dict)
