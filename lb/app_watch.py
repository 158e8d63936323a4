"""What those who watch are given: metrics, alerts, traces. A part of ``app``, built beside it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp
import structlog
from aiohttp import web
from attrs import define, field

from lb.adapters import tracing
from lb.adapters.alerts import Webhook
from lb.adapters.clock import Clock
from lb.config import Alerts, Config
from lb.core.events import Event
from lb.proxy.alarms import Alarms
from lb.proxy.family import Family
from lb.proxy.gateway import Gateway
from lb.proxy.gauges import House
from lb.proxy.history import Histories
from lb.proxy.memory import Memory
from lb.proxy.metrics import Metrics
from lb.proxy.notices import Notices
from lb.web.admin.live import publish
from lb.web.admin.metrics import metrics as metrics_page
from lb.web.endpoints import meta
from lb.web.keys import DOORMAN, GATEWAY, HOUSE, News
from lb.web.middlewares import canonical
from lb.web.server import Runner

_log = structlog.get_logger()
FLUSH_S = 6.0  # for the last spans, when the server stops


@define(eq=False)
class Ears:
    """Who hears of every event of the pool, after it was taken up."""

    memory: Memory
    notices: Notices
    histories: Histories
    metrics: Metrics
    listeners: set[asyncio.Queue[News]]
    clock: Clock
    family: Family | None = None

    def heard(self, event: Event, changed: bool) -> None:  # noqa: FBT001  # as Dispatch calls it
        """Something happened to an account."""
        self.memory.noted(event, changed=changed)
        if changed:
            self.notices.heard(event)
        self.histories.heard(event, self.clock.now())
        self.metrics.heard(event)
        if self.listeners:
            publish(self.listeners, event, changed=changed)
        if self.family is not None:
            self.family.happened(event, changed=changed)

    def overheard(self, event: Event, *, changed: bool) -> None:
        """Something happened to an account at another worker, which keeps and counts it."""
        if changed:
            self.notices.overheard(event)
        publish(self.listeners, event, changed=changed)


@define(eq=False)
class Watching:
    """Metrics, alerts and traces of one server; ``port`` is where metrics have one of their own."""

    app: web.Application
    house: House
    session: aiohttp.ClientSession
    port: int | None = field(default=None, init=False)

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin; ``stack`` ends it. Raises: OSError when the port of the metrics is taken."""
        gateway, alarms = self.house.gateway, self.house.alarms
        gateway.on_ended += [self.house.metrics.ended, alarms.ended]
        if self.house.memory.place.leads:
            alarms.start()
            stack.push_async_callback(alarms.stop)
        if tracing.wanted(gateway.config.otel):
            _trace(gateway, stack)
        if gateway.config.metrics.port is not None:
            await self._listen(gateway.config, gateway.config.metrics.port, stack)

    async def _listen(self, config: Config, port: int, stack: AsyncExitStack) -> None:
        app = web.Application(middlewares=[canonical])
        app[GATEWAY], app[DOORMAN], app[HOUSE] = self.app[GATEWAY], self.app[DOORMAN], self.house
        app.router.add_get("/metrics", metrics_page)
        app.router.add_get("/health", meta.health)
        runner = Runner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        reuse = None if self.house.memory.place.is_alone else True  # each worker answers for all
        await web.TCPSite(runner, config.server.host, port, reuse_port=reuse).start()
        self.port = runner.addresses[0][1]

    def take_up(self, old: Config, config: Config) -> None:
        """Watch by ``config`` from now on."""
        self.house.alarms.webhook = webhook_of(config.alerts, self.session)
        for name in ("metrics", "otel"):
            if getattr(old, name) != getattr(config, name):
                _log.warning("needs_restart", setting=name)


def watching(
    app: web.Application,
    memory: Memory,
    metrics: Metrics,
    session: aiohttp.ClientSession,
    runner: Runner,
) -> Watching:
    """The watch over a server that is built."""
    gateway = app[GATEWAY]
    alarms = Alarms(gateway, memory, webhook_of(gateway.config.alerts, session))
    if gateway.family is not None:
        gateway.family.on_ended = alarms.count
        alarms.tell = None if memory.place.leads else gateway.family.changes.ended
    house = House(gateway, memory, metrics, alarms, _connections(runner))
    app[HOUSE] = house
    return Watching(app, house, session)


def webhook_of(alerts: Alerts, session: aiohttp.ClientSession) -> Webhook | None:
    """Where alerts go; None: nowhere."""
    return None if alerts.webhook is None else Webhook(session, alerts.webhook, alerts.kind)


def _connections(runner: Runner) -> Callable[[], int]:
    return lambda: len(runner.server.connections) if runner.server is not None else 0


def _trace(gateway: Gateway, stack: AsyncExitStack) -> None:
    try:
        provider = tracing.provider(gateway.config.otel)
        from lb.proxy.traces import Traces
    except ImportError:
        _log.error("traces_not_possible", hint="pip install 'responses-lb[otel]'")
        return
    Traces(provider).attach(gateway)

    async def end() -> None:
        try:
            async with asyncio.timeout(FLUSH_S):
                await asyncio.to_thread(provider.shutdown)
        except TimeoutError:
            _log.warning("traces_left_out")

    stack.push_async_callback(end)
