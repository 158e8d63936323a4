"""One worker: a server as any other, that listens beside its siblings and obeys its supervisor.

What the supervisor says comes over a socket, byte by byte; its end means that there is none any
more, and that nobody would start this worker again or ever stop it: so it ends, too, and at once.
"""

import asyncio
import os
import signal
import socket
import sys
from typing import Final

import structlog
from attrs import frozen

from lb.adapters import logs
from lb.adapters.clock import Clock
from lb.adapters.shared import Place
from lb.app import running
from lb.app_serve import Stop
from lb.config import Config

DRAIN: Final = b"d"
NOW: Final = b"n"
RELOAD: Final = b"r"
DEBUG: Final = b"u"
READY: Final = b"!"
"""What a worker says, once it serves."""
FAILED: Final = 70  # exit code: EX_SOFTWARE of sysexits.h
_log = structlog.get_logger()


@frozen
class Post:
    """What a worker is given: its place, where it listens, and the family's one clock."""

    config: Config
    place: Place
    port: int
    clock: Clock


def work(post: Post, supervisor: socket.socket) -> int:
    """Serve until told to stop; the exit code. The process was just forked for it."""
    import uvloop

    structlog.contextvars.bind_contextvars(worker=post.place.number)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(post, supervisor))
    except OSError as error:
        _log.error("worker_cannot_serve", reason=str(error))
        return FAILED
    except Exception:  # noqa: BLE001  # the supervisor knows what to do
        _log.exception("worker_failed")
        return FAILED
    return 0


async def _serve(post: Post, supervisor: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    serving = running(post.config, port=post.port, place=post.place, clock=post.clock)
    async with serving as server:
        stop = Stop(server)
        stop.listen()
        orders = {
            DRAIN: stop.drain,
            NOW: stop.now,
            RELOAD: server.reload,
            DEBUG: logs.toggle_debug,
        }

        def told() -> None:
            said = supervisor.recv(64)
            if not said:
                loop.remove_reader(supervisor.fileno())
                _log.error("supervisor_lost")
                stop.now()
            for byte in said:
                orders[bytes([byte])]()

        supervisor.setblocking(False)
        loop.add_reader(supervisor.fileno(), told)
        supervisor.send(READY)
        await stop.served()
        loop.remove_reader(supervisor.fileno())


def forked(post: Post, supervisor: socket.socket) -> None:
    """The life of a process that was just forked, to its end: never returns."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    code = FAILED
    try:
        code = work(post, supervisor)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
