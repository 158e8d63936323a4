"""A span a request, a span an attempt; the client's ``traceparent`` is the parent of the first.

Imported only where traces are wanted. Attributes follow OpenTelemetry's GenAI conventions where
they have a name for it; nothing of a body, no header, no credential is among them.
"""

from attrs import define, field
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lb.core.call import Call
from lb.core.errors import Problem
from lb.proxy.attempt import Attempt
from lb.proxy.deliver import Delivery
from lb.proxy.gateway import Gateway
from lb.proxy.said import ms

_CONTEXT = TraceContextTextMapPropagator()
_GOOD = frozenset({"completed", "incomplete"})
_OK = "ok"


def _ns(at: float) -> int:
    return round(at * 1e9)


@define(eq=False)
class RequestTrace:
    """The spans of one request; upstream is told the attempt's as parent."""

    tracer: Tracer
    span: Span
    tries: list[tuple[Attempt, Span]] = field(factory=list)

    def attempt(self, attempt: Attempt) -> None:
        """An attempt begins."""
        span = self.tracer.start_span(
            "lb.attempt",
            context=set_span_in_context(self.span),
            kind=SpanKind.CLIENT,
            start_time=_ns(attempt.at),
            attributes={"lb.account": attempt.slot.id, "lb.kind": attempt.slot.account.kind},
        )
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, set_span_in_context(span))
        attempt.traceparent = carrier.get("traceparent", "")
        self.tries.append((attempt, span))


@define(eq=False)
class Traces:
    """Makes the spans of every request of a gateway."""

    provider: TracerProvider
    tracer: Tracer = field(init=False)

    def __attrs_post_init__(self) -> None:
        """The tracer is named after the package."""
        self.tracer = self.provider.get_tracer("lb")

    def attach(self, gateway: Gateway) -> None:
        """From now on every request of ``gateway`` is traced."""
        gateway.tracer = self.began
        gateway.on_ended.append(self.ended)

    def began(self, call: Call, received_at: float) -> RequestTrace:
        """A request was let in that came at ``received_at`` (unix seconds)."""
        span = self.tracer.start_span(
            "lb.request",
            context=_CONTEXT.extract(call.headers),
            kind=SpanKind.SERVER,
            start_time=_ns(received_at),
            attributes={
                "gen_ai.request.model": call.ask.model[:200],
                "lb.request_id": call.request_id,
                "lb.key": call.ask.client,
                "lb.stream": call.stream,
                "url.path": call.path,
            },
        )
        return RequestTrace(self.tracer, span)

    def ended(
        self, delivery: Delivery | None, status: int, problem: Problem | None, total_s: float
    ) -> None:
        """A request is over: its spans end, each when it did."""
        trace = None if delivery is None else delivery.hunt.trace
        if delivery is None or not isinstance(trace, RequestTrace):
            return
        end = delivery.received_at + total_s
        for attempt, span in trace.tries:
            if span.is_recording():
                _tell_attempt(attempt, span)
            answered = delivery.opened is not None and delivery.opened.attempt is attempt
            span.end(_ns(end if answered else attempt.ended_at or end))
        if trace.span.is_recording():
            _tell_request(delivery, trace.span, status, problem)
        trace.span.end(_ns(end))


def _tell_attempt(attempt: Attempt, span: Span) -> None:
    span.set_attribute("lb.outcome", attempt.outcome)
    span.set_attribute("lb.attempt_id", attempt.request_id)
    if attempt.status:
        span.set_attribute("http.response.status_code", attempt.status)
    if attempt.began_at:
        span.add_event("first_content", timestamp=_ns(attempt.began_at))
    if attempt.outcome not in (_OK, "client_gone"):
        span.set_attribute("error.type", attempt.outcome or "_OTHER")
        span.set_status(Status(StatusCode.ERROR))


def _tell_request(delivery: Delivery, span: Span, status: int, problem: Problem | None) -> None:
    opened, hunt = delivery.opened, delivery.hunt
    code = "" if problem is None else problem.code or problem.type
    outcome = code or delivery.outcome or "client_gone"
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("lb.outcome", outcome)
    span.set_attribute("lb.attempts", len(hunt.attempts))
    span.set_attribute("lb.queue_ms", ms(hunt.waited_s))
    if delivery.first_byte_at:
        span.set_attribute("lb.overhead_ms", ms(delivery.overhead_s))
    if opened is not None:
        span.set_attribute("lb.account", opened.attempt.slot.id)
        if opened.tap.model:
            span.set_attribute("gen_ai.response.model", opened.tap.model[:200])
        if (used := opened.tap.usage) is not None:
            span.set_attribute("gen_ai.usage.input_tokens", used.input_tokens or 0)
            span.set_attribute("gen_ai.usage.output_tokens", used.output_tokens or 0)
    if outcome not in _GOOD and outcome != "client_gone":
        span.set_attribute("error.type", outcome)
        span.set_status(Status(StatusCode.ERROR))
