"""Traces: a span a request, a span an attempt, and the client's own trace goes on."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from lb.adapters import tracing
from lb.config import Otel
from lb.proxy.traces import Traces
from tests.clients import MODEL, asking, pool, until
from tests.conftest import Proxy
from tests.faulty_plays import error
from tests.hearing import conversing, frame_of
from tests.scripted import Upstream

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
SECRET = "a prompt nobody may see"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.shutdown()


def traced(server: Any, exporter: InMemorySpanExporter, otel: Otel = Otel()) -> None:  # noqa: B008
    Traces(tracing.provider(otel, exporter)).attach(server.gateway)


async def asked(url: str, traceparent: str = "", **fields: Any) -> int:
    headers = {"traceparent": traceparent} if traceparent else {}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{url}/v1/responses", json=asking(SECRET, **fields), headers=headers
        ) as response,
    ):
        await response.read()
        return response.status


def of(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


async def test_a_span_a_request_and_a_span_an_attempt(
    upstream: Upstream, proxy: Proxy, spans: InMemorySpanExporter
) -> None:
    server = await proxy(pool({"a": upstream.url, "b": upstream.url}, in_order=True))
    traced(server, spans)
    upstream.queue("a", error(500, "server_error"))
    assert await asked(server.url, PARENT, stream=True) == 200
    await until(lambda: of(spans, "lb.request"))
    (request,) = of(spans, "lb.request")
    first, second = of(spans, "lb.attempt")
    assert f"{request.context.trace_id:032x}" == TRACE
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert request.kind is SpanKind.SERVER
    told = dict(request.attributes or {})
    assert told["gen_ai.request.model"] == MODEL
    assert (told["lb.account"], told["lb.attempts"], told["lb.outcome"]) == ("b", 2, "completed")
    assert told["gen_ai.usage.output_tokens"] == 14
    assert (first.attributes or {})["lb.account"] == "a"
    assert first.status.status_code is StatusCode.ERROR
    assert (first.attributes or {})["error.type"] == "server_error"
    assert second.status.status_code is StatusCode.UNSET
    assert [event.name for event in second.events] == ["first_content"]
    for attempt in (first, second):
        assert attempt.parent == request.context
        assert (request.start_time or 0) <= (attempt.start_time or 0)
        assert (attempt.start_time or 0) <= (attempt.end_time or 0) <= (request.end_time or 0)


async def test_upstream_is_told_the_attempt_as_parent(
    upstream: Upstream, proxy: Proxy, spans: InMemorySpanExporter
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    traced(server, spans)
    await asked(server.url, PARENT)
    await asked(server.url)
    await until(lambda: len(of(spans, "lb.request")) == 2)
    for seen, attempt in zip(upstream.seen, of(spans, "lb.attempt"), strict=True):
        context = attempt.context
        told = f"00-{context.trace_id:032x}-{context.span_id:016x}-"
        assert seen.headers["traceparent"].startswith(told)
    first, second = of(spans, "lb.request")
    assert f"{first.context.trace_id:032x}" == TRACE
    assert second.parent is None


async def test_what_the_client_does_not_sample_is_not_recorded_and_goes_on(
    upstream: Upstream, proxy: Proxy, spans: InMemorySpanExporter
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    traced(server, spans)
    assert await asked(server.url, PARENT.replace("-01", "-00")) == 200
    assert spans.get_finished_spans() == ()
    assert upstream.seen[0].headers["traceparent"].split("-")[1] == TRACE
    assert upstream.seen[0].headers["traceparent"].endswith("-00")


@pytest.mark.parametrize("hostile", ["00-zz", "x" * 5000, f"ff-{TRACE}-b7ad6b7169203331-01"])
async def test_a_hostile_traceparent_begins_a_trace_of_its_own(
    hostile: str, upstream: Upstream, proxy: Proxy, spans: InMemorySpanExporter
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    traced(server, spans)
    assert await asked(server.url, hostile) == 200
    await until(lambda: of(spans, "lb.request"))
    assert of(spans, "lb.request")[0].parent is None
    assert hostile not in upstream.seen[0].headers["traceparent"]


async def test_without_traces_the_clients_own_goes_on_untouched(
    upstream: Upstream, proxy: Proxy
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    await asked(server.url, PARENT)
    assert upstream.seen[0].headers["traceparent"] == PARENT
    assert server.gateway.tracer is None


async def test_spans_hold_nothing_of_bodies_or_credentials(
    upstream: Upstream, proxy: Proxy, spans: InMemorySpanExporter
) -> None:
    toml = pool({"a": upstream.url}).replace('api_key = "a"', 'api_key = "sk-planted-secret"')
    server = await proxy(toml)
    traced(server, spans)
    await asked(server.url)
    await until(lambda: of(spans, "lb.request"))
    told = "".join(span.to_json() for span in spans.get_finished_spans())
    for secret in (SECRET, "planted", "Hello from"):
        assert secret not in told


async def test_a_client_that_leaves_ends_its_spans_without_an_error(
    upstream: Upstream, proxy: Proxy, spans: InMemorySpanExporter
) -> None:
    from tests.plays import saying

    server = await proxy(pool({"a": upstream.url}))
    traced(server, spans)
    upstream.queue("a", saying(None, interval_s=5.0))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await asked(server.url, stream=True)
    await until(lambda: of(spans, "lb.request"))
    (request,) = of(spans, "lb.request")
    assert (request.attributes or {})["lb.outcome"] == "client_gone"
    assert request.status.status_code is StatusCode.UNSET
    assert len(of(spans, "lb.attempt")) == 1


async def test_each_turn_on_a_socket_is_a_request(
    upstream: Upstream, proxy: Proxy, spans: InMemorySpanExporter
) -> None:
    server = await proxy(pool({"a": upstream.url}))
    traced(server, spans)
    async with conversing(server.url, {"traceparent": PARENT}) as link:
        for _ in range(2):
            await link.send_str(frame_of(**asking()))
            while "response.completed" not in (await link.receive_str()):
                pass
    await until(lambda: len(of(spans, "lb.request")) == 2)
    assert {f"{s.context.trace_id:032x}" for s in of(spans, "lb.request")} == {TRACE}


async def test_without_the_extra_the_server_serves_all_the_same(
    upstream: Upstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    toml = pool({"a": upstream.url}) + '\n[otel]\nendpoint = "http://127.0.0.1:1"\n'
    server = await proxy(toml)
    assert await asked(server.url) == 200
    assert server.gateway.tracer is None


async def test_spans_leave_by_otlp_when_an_endpoint_is_configured(
    upstream: Upstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    came: list[tuple[str, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        came.append((request.path, await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server = await proxy(pool({"a": upstream.url}) + f'\n[otel]\nendpoint = "{collector}"\n')
    await asked(server.url)
    await until(lambda: came)
    await runner.cleanup()
    assert came[0][0] == "/v1/traces"
    assert b"lb.request" in b"".join(body for _, body in came)


@pytest.mark.parametrize(
    ("otel", "variables", "answer"),
    [
        (Otel(), {}, False),
        (Otel(endpoint="http://x"), {}, True),
        (Otel(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        (Otel(), {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        (Otel(endpoint="http://x"), {"OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_are_off_unless_they_are_asked_for(
    otel: Otel, variables: dict[str, str], answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*tracing.ENDPOINTS, "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tracing.wanted(otel) is answer
