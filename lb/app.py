"""Config -> a running server; the only file that knows every part."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from attrs import define

from lb import app_family, app_watch
from lb import config as configuration
from lb.adapters import prices, transport
from lb.adapters.clock import Clock
from lb.adapters.credentials import Credentials
from lb.adapters.seals import seals_of
from lb.adapters.shared import ALONE, Place
from lb.adapters.simulator import Simulator
from lb.adapters.sockets import Sockets
from lb.adapters.stores import StoreAway
from lb.adapters.watch import EVERY_S, Watch
from lb.adapters.watch_files import FilesWatch
from lb.config import Config, ConfigError
from lb.core.limits import Limits
from lb.core.strategies import STRATEGIES
from lb.proxy.accounts import located, simulated, simulating
from lb.proxy.attempt import Tries
from lb.proxy.booking import Books
from lb.proxy.catalog import Catalog
from lb.proxy.dispatch import Dispatch
from lb.proxy.family import parts_of
from lb.proxy.gateway import Gateway
from lb.proxy.history import Histories
from lb.proxy.keys import Keys, keys_in
from lb.proxy.memory import Memory
from lb.proxy.metrics import Metrics
from lb.proxy.notices import Notices, welcome_back
from lb.proxy.timelines import Timelines
from lb.proxy.upkeep import Upkeep
from lb.web.admin.live import publish_news
from lb.web.admitting import shutting_down
from lb.web.auth import Doorman
from lb.web.keys import DOORMAN, GATEWAY, LISTENERS
from lb.web.middlewares import canonical
from lb.web.routes import add_routes
from lb.web.server import Runner

_log = structlog.get_logger()
LAST_WORDS_S = 2.0
_FIXED = ("host", "port", "data_dir", "database", "log", "log_level", "workers")
"""What a reload cannot change."""


@define(eq=False)
class Running:
    """A server that answers at ``url``."""

    gateway: Gateway
    app: web.Application
    runner: Runner
    simulator: Simulator
    memory: Memory
    notices: Notices
    watching: app_watch.Watching
    url: str = ""

    def take_up(self, config: Config) -> None:
        """Serve by ``config`` from now on; streams under way are not touched."""
        old, gateway = self.gateway.config, self.gateway
        for name in _FIXED:
            if getattr(old.server, name) != getattr(config.server, name):
                _log.warning("needs_restart", setting=f"server.{name}")
        before = set(gateway.pool.slots)
        gateway.config = config
        self._tell_problems(config)
        gateway.dispatch.patience_s = config.server.patience_s
        gateway.dispatch.tries.credentials.seals = seals_of(config)
        gateway.dispatch.books.prices = gateway.prices.overruled(
            config.prices, config.models.prices
        )
        self.simulator.update(simulated(config.accounts))
        accounts = located(config.accounts, self.simulator)
        gateway.pool.update(accounts, STRATEGIES[config.routing.strategy])
        self.memory.recall(set(gateway.pool.slots) - before)
        gateway.histories.keep(set(gateway.pool.slots))
        gateway.keys.take_up(config)
        self.watching.take_up(old, config)
        self.notices.look()
        gateway.dispatch.queue.wake()

    def reload(self) -> None:
        """Read config and logins again; a broken config is refused with reasons, the old stays."""
        config = self.gateway.config
        if config.source is None:
            return
        try:
            fresh = configuration.load(
                config.path,
                folder=config.folder,
                host=config.server.host,
                port=config.server.port,
                workers=config.server.workers,
                keyed=lambda _: bool(self.gateway.keys.records),
            )
        except ConfigError as error:
            self.gateway.problems = [str(mistake) for mistake in error.mistakes]
            _log.error("config_refused", path=str(config.source), problems=self.gateway.problems)
            return
        if fresh != config or self.gateway.problems != list(fresh.problems):
            self.take_up(fresh)
            _log.info("config_taken_up", path=str(config.source), accounts=len(fresh.accounts))
        self.gateway.dispatch.tries.credentials.forget()
        if self.memory.place.leads:
            welcome_back(self.gateway, self.notices)

    def _tell_problems(self, config: Config) -> None:
        """What is wrong with single accounts: each said once; the others go on."""
        for problem in config.problems:
            if problem not in self.gateway.problems and self.memory.place.leads:
                _log.error("account_left_out", problem=problem)
        self.gateway.problems = list(config.problems)

    def watches(self, every_s: float = EVERY_S) -> list[Coroutine[Any, Any, None]]:
        """What sees to it that changes of files are taken up; for tasks that run with the server.

        SIGHUP does the same at once.
        """

        async def changed() -> None:
            self.reload()

        config = self.gateway.config
        found: list[Coroutine[Any, Any, None]] = []
        if config.path is not None:
            found.append(Watch(config.path, changed, every_s).run())
        if config.source is not None:
            paths = partial(_watched, self.gateway)
            found.append(FilesWatch(paths, changed, every_s).run())
        return found

    async def drain(self) -> None:
        """Let nobody in; streams may finish for ``drain_s`` seconds, then get a last frame."""
        gateway = self.gateway
        gateway.drain()
        await gateway.finished(gateway.config.server.drain_s)
        gateway.cut(shutting_down())
        await gateway.finished(LAST_WORDS_S)


def _watched(gateway: Gateway) -> list[Path]:
    return configuration.watched(gateway.config)


@asynccontextmanager
async def running(
    config: Config,
    *,
    port: int | None = None,
    rng: Random | None = None,
    place: Place = ALONE,
    clock: Clock | None = None,
) -> AsyncIterator[Running]:
    """A server for as long as the context lasts. ``port`` 0: any free one.

    ``place`` is which of several workers it is; they go by one ``clock``.

    Raises: OSError when the address is taken or ``data_dir`` cannot be used.
    """
    async with AsyncExitStack() as stack:
        chance = rng or Random()  # noqa: S311  # it draws accounts, never secrets
        server = await _built(config, (place, clock or Clock(), chance), stack)
        if (family := server.gateway.family) is not None:
            stack.push_async_callback(family.shared.close)
            await family.shared.start(family)
        await server.runner.setup()
        stack.push_async_callback(server.runner.cleanup)
        wanted = config.server.port if port is None else port
        reuse = None if place.is_alone else True
        site = web.TCPSite(
            server.runner, config.server.host, wanted, backlog=1024, reuse_port=reuse
        )
        await site.start()
        server.gateway.others.ready()
        bound = server.runner.addresses[0][1]
        host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
        server.url = f"http://{host}:{bound}"
        yield server


def _tries(
    config: Config, session: aiohttp.ClientSession, clock: Clock, stack: AsyncExitStack
) -> Tries:
    credentials = Credentials(session, clock.now, seals_of(config))
    stack.push_async_callback(credentials.close)
    sockets = Sockets(session, clock.now)
    stack.push_async_callback(sockets.close)
    return Tries(transport.Transport(session), credentials, sockets, clock)


async def _built(
    config: Config, where: tuple[Place, Clock, Random], stack: AsyncExitStack
) -> Running:
    place, clock, rng = where
    session = await stack.enter_async_context(transport.new_session())
    simulator = await simulating(config, stack)
    family = app_family.family_at(place, clock, STRATEGIES[config.routing.strategy])
    pool, limits = parts_of(family, STRATEGIES[config.routing.strategy])
    pool.update(located(config.accounts, simulator))
    memory = Memory.open(config, pool, clock, place)
    stack.push_async_callback(memory.close)
    await memory.start()
    tries = _tries(config, session, clock, stack)
    app = web.Application(middlewares=[canonical], client_max_size=1 << 20)
    app[LISTENERS] = set()
    notices = Notices(pool, place.leads)
    metrics = Metrics(config.metrics.label_values)
    histories = Histories()
    timelines = Timelines(partial(publish_news, app[LISTENERS]))

    ears = app_watch.Ears(memory, notices, histories, metrics, app[LISTENERS], clock)
    told = prices.shipped().overruled(config.prices, config.models.prices)
    books = Books(clock, memory.note, told)
    dispatch = Dispatch(pool, tries, clock, rng, ears.heard, books)
    dispatch.patience_s = config.server.patience_s
    catalog = Catalog(pool, tries, clock, config.server.data_dir / "models.json")
    catalog.recall()
    keys = await _keys(config, memory, clock, limits)
    gateway = Gateway(config, pool, dispatch, catalog, clock, rng, keys, memory, clock.now())
    gateway.histories, gateway.timelines = histories, timelines
    _opened(app, gateway)
    if family is not None:
        app_family.join(family, app, gateway, ears)
    upkeep = Upkeep(gateway, memory)
    upkeep.start()
    stack.push_async_callback(upkeep.stop)
    runner = Runner(app, tries.transport.wires.outbox)
    watching = app_watch.watching(app, memory, metrics, session, runner)
    await watching.start(stack)
    return _welcomed(Running(gateway, app, runner, simulator, memory, notices, watching))


def _opened(app: web.Application, gateway: Gateway) -> None:
    """The doors of ``app`` lead to ``gateway``, for those whom the keys of now let in."""
    keys = gateway.keys
    gateway.on_ended.append(gateway.timelines.ended)
    app[GATEWAY] = gateway
    app[DOORMAN] = [_doorman(keys)]
    keys.on_change = lambda: app[DOORMAN].__setitem__(0, _doorman(keys))
    add_routes(app)


def _welcomed(server: Running) -> Running:
    """Say what is wrong with the accounts, and put back those whose login is new."""
    server.gateway.problems = list(server.gateway.config.problems)
    server.notices.look()
    if server.memory.place.leads:
        welcome_back(server.gateway, server.notices)
    return server


async def _keys(config: Config, memory: Memory, clock: Clock, limits: Limits) -> Keys:
    """The client keys; where the store is away they are taken up once it is back."""
    keys = keys_in(memory.store, config, clock.now, limits)
    try:
        await keys.follow(memory.spent)
    except StoreAway as error:
        _log.error("keys_not_read", reason=str(error))
    return keys


def _doorman(keys: Keys) -> Doorman:
    return Doorman(keys.config, keys.ring, keys.limits, keys.throttle, keys.now, keys.certain)
