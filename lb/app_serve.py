"""Serving until one is told to stop: in one process, or as one of several workers."""

import asyncio
import gc
import signal

import structlog
from attrs import define, field

from lb.adapters import logs
from lb.adapters.limits import allow_many_connections
from lb.app import Running, running
from lb.config import Config
from lb.web.admitting import shutting_down

COLLECTED_AFTER = (50_000, 20, 50)  # objects more than were freed; young, then middle generations
_log = structlog.get_logger()


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; blocks.

    Raises: OSError when the address is taken or ``data_dir`` cannot be used.
    """
    logs.set_up(config.server.log, config.server.log_level)
    allow_many_connections()
    if config.server.workers > 1:
        from lb.app_workers import supervise

        supervise(config)
        return
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config))


@define(eq=False)
class Stop:
    """How a server is told to stop: ``drain`` once it may finish, ``now`` it may not."""

    server: Running
    _wanted: asyncio.Event = field(factory=asyncio.Event)
    _signals: int = 0

    def listen(self) -> None:
        """Do as signals say, from now on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, self.server.reload)
        loop.add_signal_handler(signal.SIGUSR1, logs.toggle_debug)

    def _on_signal(self) -> None:
        self._signals += 1
        self.drain()
        if self._signals > 1:  # a second one means now
            self.now()

    def drain(self) -> None:
        """Let nobody in; what is under way may finish."""
        self._wanted.set()

    def now(self) -> None:
        """End what is under way."""
        self._wanted.set()
        self.server.gateway.drain()
        self.server.gateway.cut(shutting_down())

    async def served(self) -> None:
        """Serve until then, and drain."""
        server = self.server
        watching = [asyncio.create_task(watch) for watch in server.watches()]
        _settle_heap()
        await self._wanted.wait()
        _log.info("draining", streams=len(server.gateway.deliveries))
        for watch in watching:
            watch.cancel()
        await server.drain()


def collect_seldom() -> None:
    """Look for cycles less often than Python would.

    What a request leaves goes by reference count; the collector is for the few cycles of errors.
    While ten thousand keys are loaded it took a fifth of the time, and found nothing.
    """
    gc.set_threshold(*COLLECTED_AFTER)


def _settle_heap() -> None:
    """Take what was loaded at start out of the collector's sight.

    A look at everything took some 50 ms, on the request that happened to be there.
    """
    gc.collect()
    gc.freeze()


async def _serve(config: Config) -> None:
    async with running(config) as server:
        stop = Stop(server)
        stop.listen()
        _log.info("serving", url=server.url, accounts=len(config.accounts))
        await stop.served()
