"""OpenTelemetry, where it is wanted: the provider of spans and the way they leave.

An extra (``pip install responses-lb[otel]``); nothing of it is imported unless it is wanted.
Source: the OpenTelemetry specification of environment variables; spans go by OTLP over HTTP.
"""

import os
from typing import TYPE_CHECKING

from lb import __version__
from lb.config.facts import Otel

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORT_S = 5.0  # for one batch; a collector that is away holds nobody up at the end


def wanted(otel: Otel) -> bool:
    """Whether traces are asked for, by the configuration or by OpenTelemetry's own variables."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return bool(otel.endpoint) or any(os.environ.get(name) for name in ENDPOINTS)


def provider(otel: Otel, exporter: "SpanExporter | None" = None) -> "TracerProvider":
    """The provider of spans; with ``exporter`` they leave at once, else in batches by OTLP.

    Raises: ImportError when the extra is not installed.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    told = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or otel.service}
    resource = Resource.create({**told, "service.version": __version__})
    made = TracerProvider(resource=resource, sampler=ParentBasedTraceIdRatio(otel.sample))
    if exporter is not None:
        made.add_span_processor(SimpleSpanProcessor(exporter))
        return made
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    endpoint = f"{otel.endpoint}/v1/traces" if otel.endpoint else None
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_S)))
    return made
