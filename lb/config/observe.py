"""``[metrics]``, ``[otel]``, ``[alerts]``: for those who watch the pool."""

from urllib.parse import urlsplit

from lb.config.checks import Checks
from lb.config.facts import Alerts, Metrics, Otel
from lb.config.sections import AlertsText, MetricsText, OtelText
from lb.config.text import given
from lb.core.secret import Secret

WEBHOOKS = ("slack", "discord", "json")
_HOSTS = {"hooks.slack.com": "slack", "discord.com": "discord", "discordapp.com": "discord"}


def metrics(text: MetricsText, checks: Checks) -> Metrics:
    """``[metrics]``."""
    checks.numbers_and_choices(text, "metrics")
    return Metrics(**given(text, "port", "label_values"))


def otel(text: OtelText, checks: Checks) -> Otel:
    """``[otel]``."""
    checks.numbers_and_choices(text, "otel")
    told = given(text, "service", "sample")
    if text.service is not None:
        checks.name(text.service, "otel.service")
    if text.endpoint is not None:
        told["endpoint"] = checks.collector(text.endpoint, "otel.endpoint")
    return Otel(**told)


def alerts(text: AlertsText, checks: Checks) -> Alerts:
    """``[alerts]``."""
    checks.numbers_and_choices(text, "alerts")
    if text.kind is not None:
        checks.one_of(text.kind, WEBHOOKS, "alerts.kind", "kind")
    webhook = checks.secret(text, "webhook", "alerts")
    told = given(text, "kind", "min_ready", "error_share")
    if webhook is not None:
        way = next(iter(given(text, "webhook", "webhook_env", "webhook_file")))
        checks.webhook(webhook, f"alerts.{way}")
        told.setdefault("kind", _kind_of(webhook))
    return Alerts(webhook, **told)


def _kind_of(webhook: Secret) -> str:
    """Whose webhook it is, by its host."""
    try:
        host = urlsplit(webhook.reveal()).hostname or ""
    except ValueError:
        return "json"
    return _HOSTS.get(host, "json")
