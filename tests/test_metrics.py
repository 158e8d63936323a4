"""GET /metrics: valid, bounded, documented, and true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from lb.core.events import Exhausted, Measured
from lb.core.windows import Window
from lb.proxy.metrics import Metrics
from lb.proxy.series import MOST_SERIES, NONE, OTHER, Counts, Names
from tests.clients import MODEL, ask, asking, get, pool, until
from tests.conftest import Proxy
from tests.faulty_plays import error
from tests.plays import saying
from tests.scripted import Upstream

ROOT = Path(__file__).resolve().parent.parent
STANDARD = "process_"  # prometheus-client's own, of the process


async def scraped(url: str, accept: str = "") -> str:
    headers = {"Accept": accept} if accept else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/metrics", headers=headers) as response,
    ):
        assert response.status == 200, await response.text()
        return await response.text()


async def families(url: str) -> dict[str, Metric]:
    parsed = text_string_to_metric_families(await scraped(url))
    return {each.name: each for each in parsed}


def samples(found: dict[str, Metric], name: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric, by the values of their labels in the order of their names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in found.values()
        for sample in family.samples
        if sample.name == name
    }


async def test_what_happened_is_counted(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url, "b": upstream.url}, in_order=True))
    upstream.queue("a", error(500, "server_error"))
    await ask(server.url, asking())
    await ask(server.url, asking(stream=True))
    await ask(server.url, {"input": "no model"})
    found = await families(server.url)
    # in the order of their names: account, key, model, outcome
    requests = samples(found, "lb_requests_total")
    assert sum(requests.values()) == 2
    assert requests["b", NONE, MODEL, "completed"] >= 1
    assert samples(found, "lb_attempts_total")["a", "server_error"] == 1
    assert samples(found, "lb_failovers_total") == {("server_error",): 1}
    assert sum(samples(found, "lb_rejected_total").values()) == 1
    tokens = samples(found, "lb_tokens_total")
    assert tokens["b", NONE, MODEL, "input"] > 0
    assert tokens["b", NONE, MODEL, "output"] > 0
    assert samples(found, "lb_first_content_seconds_count") == {(MODEL,): 2}
    assert samples(found, "lb_overhead_seconds_count") == {(): 2}
    assert 0 < samples(found, "lb_overhead_seconds_sum")[()] < 2
    assert samples(found, "lb_events_total")["a", "doubted"] == 1


async def test_how_things_stand_is_read_when_asked(upstream: Upstream, proxy: Proxy) -> None:
    server = await proxy(pool({"a": upstream.url, "b": upstream.url}))
    gateway = server.gateway
    now = gateway.clock.now()
    week = Window("week", 0.5, now + 86400, 7 * 86400.0, now)
    gateway.dispatch.learn(Measured("b", now, (week,)))
    gateway.dispatch.learn(Exhausted("a", now, "usage_limit_reached", now + 7200))
    found = await families(server.url)
    states = samples(found, "lb_account_state")
    assert states["a", "exhausted"] == 1
    assert states["b", "ready"] == 1
    assert sum(states.values()) == 2
    assert samples(found, "lb_ready_accounts") == {(): 1}
    assert samples(found, "lb_window_used_ratio")["b", "week"] == 0.5
    reset = samples(found, "lb_window_reset_timestamp_seconds")["b", "week"]
    assert reset == pytest.approx(now + 86400)
    until_at = samples(found, "lb_account_state_until_timestamp_seconds")[("a",)]
    assert until_at == pytest.approx(now + 7200)
    assert samples(found, "lb_waiting_requests") == {(): 0}
    assert samples(found, "lb_open_sockets")[("client_http",)] == 1
    assert samples(found, "lb_journal_bytes")[()] >= 0
    assert samples(found, "process_open_fds")[()] > 0
    assert samples(found, "process_resident_memory_bytes")[()] > 1e7


async def test_openmetrics_is_spoken_too(upstream: Upstream, proxy: Proxy) -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict

    server = await proxy(pool({"a": upstream.url}))
    await ask(server.url, asking())
    text = await scraped(server.url, "application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    assert any(each.name == "lb_requests" for each in strict(text))  # type: ignore[no-untyped-call]


async def test_every_metric_is_documented_and_nothing_else(
    upstream: Upstream, proxy: Proxy
) -> None:
    server: Any = await proxy(pool({"a": upstream.url}))
    served = set()
    for family in server.watching.house.collect():
        suffix = "_total" if family.type == "counter" else ""
        if not family.name.startswith(STANDARD):
            served.add(family.name + suffix)
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    documented = {name for name in table if not name.startswith(STANDARD)}
    assert documented == served


def expressions() -> Iterator[str]:
    for panel in json.loads((ROOT / "deploy/grafana.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from re.findall(r"expr: (.+)", (ROOT / "deploy/alerts.yml").read_text())


async def test_dashboard_and_alert_rules_name_metrics_there_are(
    upstream: Upstream, proxy: Proxy
) -> None:
    server: Any = await proxy(pool({"a": upstream.url}))
    known = set()
    for family in server.watching.house.collect():
        known |= {family.name, f"{family.name}_total"}
        known |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    used = {name for each in expressions() for name in re.findall(r"\b(?:lb|process)_\w+", each)}
    assert len(used) > 15
    assert used <= known


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-For": "127.0.0.1"}, 401),
        ({"Host": "evil.example"}, 421),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer admin-token-of-the-test", "Host": "pool.example"}, 200),
    ],
)
async def test_strangers_get_no_metrics(
    headers: dict[str, str], status: int, *, upstream: Upstream, proxy: Proxy
) -> None:
    extra = 'admin_token = "admin-token-of-the-test"'
    server: Any = await proxy(pool({"a": upstream.url}, extra=extra) + "\n[metrics]\nport = 0\n")
    own = f"http://127.0.0.1:{server.watching.port}"
    for url in (server.url, own):
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{url}/metrics", headers=headers) as response,
        ):
            assert response.status == status


async def test_a_port_of_its_own_serves_nothing_else(upstream: Upstream, proxy: Proxy) -> None:
    server: Any = await proxy(pool({"a": upstream.url}) + "\n[metrics]\nport = 0\n")
    own = f"http://127.0.0.1:{server.watching.port}"
    assert "lb_requests_total" in await scraped(own)
    assert (await ask(own, asking())).status == 404
    assert (await get(own, "/health"))["status"] == "ok"


async def test_clients_cannot_make_labels(upstream: Upstream, proxy: Proxy) -> None:
    """A name becomes a label once an account has answered to it; then they are bounded."""
    server: Any = await proxy(
        pool({"a": upstream.url}).replace('api_key = "a"', 'api_key = "a"\nmodels = ["good*"]')
        + "\n[metrics]\nlabel_values = 3\n"
    )
    for number in range(9):
        await ask(server.url, asking() | {"model": f"bad-{number}"})
        await ask(server.url, asking() | {"model": f'good-{number}"\n\\{{}}'})
    found = await families(server.url)
    models = {labels[2] for labels in samples(found, "lb_requests_total")}
    assert models == {OTHER, *(f'good-{number}"\n\\{{}}' for number in range(3))}


def test_labels_are_bounded_short_and_text() -> None:
    names = Names(2)
    assert names("") == NONE
    assert names("a" * 1000) == "a" * 100
    assert names("\ud800") == "?"
    assert names("c") == OTHER
    assert names.known("d") == OTHER
    counts = Counts("x_total", "x", ("a",))
    for number in range(MOST_SERIES + 10):
        counts.add((str(number),))
    assert counts.numbers[(OTHER,)] == 10


async def test_refreshes_and_sent_alerts_are_counted(upstream: Upstream, proxy: Proxy) -> None:
    server: Any = await proxy(pool({"a": upstream.url}))
    server.gateway.dispatch.tries.credentials.refreshes["renewed"] += 2
    server.watching.house.alarms.sent["failed"] += 1
    found = await families(server.url)
    assert samples(found, "lb_token_refreshes_total") == {("renewed",): 2}
    assert samples(found, "lb_alerts_total") == {("failed",): 1}


async def test_costs_are_counted_where_prices_are_known(upstream: Upstream, proxy: Proxy) -> None:
    prices = '[prices."gpt-5.5"]\ninput = 1000.0\noutput = 2000.0\n'
    server: Any = await proxy(pool({"a": upstream.url}) + prices)
    await ask(server.url, asking())
    metrics: Metrics = server.watching.house.metrics
    tokens = {labels[0]: number for labels, number in metrics.tokens.numbers.items()}
    cost = (tokens["input"] * 1000 + tokens["output"] * 2000) / 1e6
    assert metrics.cost.numbers == {(MODEL, "a", NONE): pytest.approx(cost)}


async def test_an_answer_read_on_without_its_client_is_counted_once_it_is_booked(
    upstream: Upstream, proxy: Proxy
) -> None:
    key = '[[keys]]\nname = "k"\nkey = "lb-key-123456"\non_disconnect = "drain"\n'
    toml = pool({"a": upstream.url}) + key + "drain_tokens = 1000\n"
    server: Any = await proxy(toml)
    upstream.queue("a", saying(None, interval_s=0.03))
    metrics: Metrics = server.watching.house.metrics
    async with (
        aiohttp.ClientSession(headers={"Authorization": "Bearer lb-key-123456"}) as session,
        session.post(f"{server.url}/v1/responses", json=asking(stream=True)) as response,
    ):
        await response.content.readany()
    await until(lambda: metrics.requests.numbers)
    assert metrics.tokens.numbers == {}
    await until(lambda: metrics.tokens.numbers)
    assert metrics.tokens.numbers["output", MODEL, "a", "k"] > 0
    assert sum(metrics.requests.numbers.values()) == 1
