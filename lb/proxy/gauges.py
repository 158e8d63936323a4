"""What is read when somebody asks for metrics: how the accounts and the server stand now."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from attrs import define, frozen

from lb import __version__
from lb.core.alerts import Standing
from lb.core.health import State
from lb.core.slot import Slot
from lb.proxy.alarms import Alarms
from lb.proxy.gateway import Gateway
from lb.proxy.memory import Memory
from lb.proxy.metrics import Metrics
from lb.proxy.series import OTHER, Labels

if TYPE_CHECKING:
    from prometheus_client import Metric

Sample = tuple[Labels, float]


@define(eq=False)
class House:
    """The parts that are looked at; ``connections`` counts the clients' of the server."""

    gateway: Gateway
    memory: Memory
    metrics: Metrics
    alarms: Alarms
    connections: Callable[[], int]

    def collect(self) -> "list[Metric]":
        """Every metric, as of now."""
        from prometheus_client import CollectorRegistry, ProcessCollector

        found = [*self.metrics.families(), *(gauge.family(self) for gauge in GAUGES)]
        registry = CollectorRegistry(auto_describe=False)
        return found + list(ProcessCollector(registry=registry).collect())

    def slots(self) -> list[tuple[str, Slot]]:
        """Each enabled account with its label."""
        names = self.metrics.accounts
        return [(names(slot.id), slot) for slot in self.gateway.pool.enabled()]


@frozen
class Gauge:
    """A metric whose samples ``read`` gives; those of one label add up."""

    name: str
    text: str
    labels: Labels
    read: Callable[[House], Iterable[Sample]]

    def family(self, house: House) -> "Metric":
        """As prometheus-client wants it."""
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        counts = self.name.endswith("_total")
        kind = CounterMetricFamily if counts else GaugeMetricFamily
        family = kind(self.name, self.text, labels=self.labels)
        sums: dict[Labels, float] = defaultdict(float)
        for labels, value in self.read(house):
            sums[labels] += value
        for labels, value in sums.items():
            family.add_metric(labels, value)
        return family


def _one(read: Callable[[House], float]) -> Callable[[House], Iterable[Sample]]:
    """A metric without labels."""
    return lambda house: [((), float(read(house)))]


def _each(read: Callable[[Slot], float | None]) -> Callable[[House], Iterable[Sample]]:
    """A metric of each account; None: it has none."""

    def samples(house: House) -> Iterator[Sample]:
        for name, slot in house.slots():
            value = read(slot)
            if value is not None:
                yield (name,), float(value)

    return samples


def _states(house: House) -> Iterator[Sample]:
    for name, slot in house.slots():
        for state in State:
            yield (name, state.value), float(slot.health.state is state)


def _windows_used(house: House) -> Iterator[Sample]:
    now = house.gateway.clock.now()
    for name, slot in house.slots():
        if name != OTHER:
            yield from (((name, each.name), each.used_at(now)) for each in slot.windows)


def _windows_reset(house: House) -> Iterator[Sample]:
    for name, slot in house.slots():
        if name != OTHER:
            for each in slot.windows:
                if each.resets_at is not None:
                    yield (name, each.name), each.resets_at


def _ready(house: House) -> int:
    now = house.gateway.clock.now()
    return sum(
        Standing(slot.id, slot.health.state, until=slot.health.until).may_serve(now)
        for slot in house.gateway.pool.enabled()
    )


def _until(slot: Slot) -> float | None:
    return slot.health.until or None


def _sockets(house: House) -> Iterator[Sample]:
    tries = house.gateway.dispatch.tries
    yield ("client_http",), float(house.connections())
    yield ("client_websocket",), float(len(house.gateway.on_drain))
    yield ("upstream_idle_http",), float(len(tries.transport.wires))
    yield ("upstream_idle_websocket",), float(len(tries.sockets))


def _refreshes(house: House) -> Iterator[Sample]:
    for outcome, number in house.gateway.dispatch.tries.credentials.refreshes.items():
        yield (outcome,), float(number)


def _sent(house: House) -> Iterator[Sample]:
    return (((outcome,), float(number)) for outcome, number in house.alarms.sent.items())


ACCOUNT = ("account",)
WINDOW = ("account", "window")
GAUGES: tuple[Gauge, ...] = (
    Gauge("lb_build_info", "Always 1.", ("version",), lambda _: [((__version__,), 1.0)]),
    Gauge(
        "lb_start_timestamp_seconds", "When lb started.", (), _one(lambda h: h.gateway.started_at)
    ),
    Gauge("lb_workers", "Processes that serve.", (), _one(lambda _: 1)),
    Gauge("lb_draining", "1: lets nobody in.", (), _one(lambda h: h.gateway.draining)),
    Gauge("lb_live_requests", "Under way.", (), _one(lambda h: len(h.gateway.deliveries))),
    Gauge(
        *("lb_waiting_requests", "Wait for an account.", ()),
        _one(lambda h: len(h.gateway.dispatch.queue)),
    ),
    Gauge(
        *("lb_event_loop_lag_seconds", "How late the event loop was last.", ()),
        _one(lambda h: h.gateway.lag_s),
    ),
    Gauge("lb_open_sockets", "Connections, by whose.", ("side",), _sockets),
    Gauge(
        *("lb_pinned_conversations", "Conversations that belong to an account.", ()),
        _one(lambda h: len(h.gateway.pool.affinity)),
    ),
    Gauge("lb_ready_accounts", "Accounts that may serve.", (), _one(_ready)),
    Gauge(
        *("lb_account_state", "1 for the state an account is in.", ("account", "state")), _states
    ),
    Gauge(
        "lb_account_state_until_timestamp_seconds", "When its state ends.", ACCOUNT, _each(_until)
    ),
    Gauge("lb_account_in_flight", "Under way there.", ACCOUNT, _each(lambda s: s.in_flight)),
    Gauge("lb_account_limit", "Most in flight at present.", ACCOUNT, _each(lambda s: s.limit)),
    Gauge(
        *("lb_account_latency_seconds", "To first content, decaying peak.", ACCOUNT),
        _each(lambda s: s.load.latency_s),
    ),
    Gauge("lb_window_used_ratio", "Share used of a usage window.", WINDOW, _windows_used),
    Gauge(
        "lb_window_reset_timestamp_seconds", "When a window starts anew.", WINDOW, _windows_reset
    ),
    Gauge("lb_token_refreshes_total", "Refreshes of logins.", ("outcome",), _refreshes),
    Gauge("lb_alerts_total", "Alerts, by what became of them.", ("outcome",), _sent),
    Gauge("lb_store_up", "0: the store is away.", (), _one(lambda h: not h.memory.trouble)),
    Gauge("lb_journal_bytes", "Not yet stored.", (), _one(lambda h: h.memory.journal.size)),
    Gauge(
        "lb_ledger_lag_seconds", "Age of what is not stored.", (), _one(lambda h: h.memory.lag_s())
    ),
)
