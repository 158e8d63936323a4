"""Several workers behind one address: the supervisor starts them, and again when one dies.

It holds the port and the lock of ``data_dir`` for all, but serves nothing: each worker listens
itself, and the kernel spreads the connections (SO_REUSEPORT). Everything is imported before the
first fork and frozen, so that what workers never write they share. Between signals it sleeps.
"""

import contextlib
import errno
import gc
import importlib
import os
import select
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
from attrs import define, evolve, field

from lb.adapters.clock import Clock
from lb.adapters.journal import folder_of, locked
from lb.adapters.shared import Place
from lb.app_settle import settled
from lb.app_worker import DEBUG, DRAIN, NOW, READY, RELOAD, Post, forked
from lb.config import Config

FIRST_REST_S: Final = 0.1  # before a worker that died is started again; doubles
LONGEST_REST_S: Final = 5.0
STILLBORN: Final = 5  # workers in a row that never served: then no more will
GRACE_S: Final = 10.0  # beyond drain_s, for a worker that does not end
MOST_PATH_BYTES: Final = 100  # of a Unix socket's address (sun_path: 104 on macOS, 108 on Linux)
_AHEAD: Final = (
    *("uvloop", "sqlalchemy", "sqlalchemy.dialects.sqlite", "aiohttp.resolver"),
    *("lb.adapters.shared.siblings", "lb.adapters.stores.sqlite"),
    *("lb.adapters.stores.statements", "lb.adapters.stores.client_keys"),
    *("lb.adapters.stores.searches", "lb.adapters.stores.migrations"),
)
"""What a worker imports as it starts; none of it starts a thread."""
_log = structlog.get_logger()


class StillbornError(Exception):
    """No worker comes up."""


@define(eq=False)
class Child:
    """One worker's process. ``since`` when it was started, ``served`` whether it ever was ready."""

    number: int
    pid: int
    line: socket.socket
    since: float
    served: bool = False

    def tell(self, order: bytes) -> None:
        """Say something to it; one that is gone does not mind."""
        with contextlib.suppress(OSError):
            self.line.send(order)


@define(eq=False)
class Supervisor:
    """Looks after the workers of ``post`` until told to stop."""

    post: Post
    url: str
    children: dict[int, Child] = field(factory=dict)  # by number
    _due: dict[int, float] = field(factory=dict)  # by number: when to start it (monotonic)
    _rests_s: dict[int, float] = field(factory=dict)
    _stillborn: int = 0
    _stops: int = 0
    _kill_at: float = 0.0
    _said: bool = False
    _held: tuple[socket.socket, ...] = ()
    _failed: bool = False

    def run(self, held: tuple[socket.socket, ...]) -> None:
        """Until every worker has ended. ``held`` are sockets no worker is to have.

        Raises: StillbornError when none comes up.
        """
        self._held = held
        with _signals() as told:
            self._held = (*held, *told)
            self._due = dict.fromkeys(range(self.post.place.count), 0.0)
            while self.children or (self._due and not self._stops):
                self._start_due()
                self._look(told[0])
        if self._failed:
            raise StillbornError

    def _look(self, told: socket.socket) -> None:
        lines = {child.line: child for child in self.children.values() if not child.served}
        ready, _, _ = select.select([told, *lines], [], [], self._patience_s())
        if told in ready:
            for number in told.recv(4096):
                self._signalled(signal.Signals(number))
        for line in set(ready) & lines.keys():
            self._heard(lines[line])
        self._reap()
        if self._kill_at and time.monotonic() >= self._kill_at:
            for child in self.children.values():
                _log.error("worker_does_not_end", worker=child.number, pid=child.pid)
                os.kill(child.pid, signal.SIGKILL)
            self._kill_at = 0.0

    def _patience_s(self) -> float | None:
        """How long nothing is to be done, if no signal comes; None: for ever."""
        due = [] if self._stops else list(self._due.values())
        if self._kill_at:
            due.append(self._kill_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _heard(self, child: Child) -> None:
        with contextlib.suppress(OSError):
            child.served = child.line.recv(1) == READY
        if child.served:
            self._stillborn = 0
            if self._said:
                _log.info("worker_started", worker=child.number, pid=child.pid)
            elif (
                len(self.children)
                == self.post.place.count
                == sum(each.served for each in self.children.values())
            ):
                self._said = True
                config = self.post.config
                count = self.post.place.count
                _log.info("serving", url=self.url, accounts=len(config.accounts), workers=count)

    def _signalled(self, number: signal.Signals) -> None:
        if number is signal.SIGCHLD:
            return  # the dead are looked for anyway
        order = {signal.SIGHUP: RELOAD, signal.SIGUSR1: DEBUG}.get(number)
        if order is None:
            self.stop()
            return
        self._tell(order)

    def stop(self) -> None:
        """End: the first time after draining, the second time now."""
        self._stops += 1
        self._tell(DRAIN if self._stops == 1 else NOW)
        patience_s = self.post.config.server.drain_s if self._stops == 1 else 0.0
        self._kill_at = time.monotonic() + patience_s + GRACE_S

    def _tell(self, order: bytes) -> None:
        for child in self.children.values():
            child.tell(order)

    def _start_due(self) -> None:
        if self._stops:
            return
        now = time.monotonic()
        for number in [each for each, at in self._due.items() if at <= now]:
            del self._due[number]
            self.children[number] = self._start(number)

    def _start(self, number: int) -> Child:
        mine, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for each in (mine, *self._held, *(child.line for child in self.children.values())):
                each.close()
            forked(evolve(self.post, place=evolve(self.post.place, number=number)), theirs)
        theirs.close()
        return Child(number, pid, mine, time.monotonic())

    def _reap(self) -> None:
        for child in list(self.children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._buried(child, os.waitstatus_to_exitcode(status))

    def _buried(self, child: Child, code: int) -> None:
        """A worker has ended: it is started again, unless it was meant to."""
        if not child.served:
            self._heard(child)  # it may have said so and died before we listened
        del self.children[child.number]
        child.line.close()
        if self._stops:
            return
        told = {"signal": signal.Signals(-code).name} if code < 0 else {"exit_code": code}
        _log.error("worker_ended", worker=child.number, pid=child.pid, served=child.served, **told)
        self._stillborn = 0 if child.served else self._stillborn + 1
        if self._stillborn >= STILLBORN:
            _log.critical("no_worker_comes_up", tried=STILLBORN)
            self._failed = True
            self.stop()
            return
        rest_s = FIRST_REST_S if child.served else self._rests_s.get(child.number, FIRST_REST_S)
        self._rests_s[child.number] = min(LONGEST_REST_S, 2 * rest_s)
        self._due[child.number] = time.monotonic() + rest_s


def supervise(config: Config) -> None:
    """Serve with ``[server] workers`` processes until told to stop; blocks.

    Raises: OSError when the address is taken or ``data_dir`` cannot be used; SystemExit when no
    worker comes up.
    """
    for name in _AHEAD:
        importlib.import_module(name)
    for thread in threading.enumerate():  # of a store that was looked into; it has been closed
        if thread is not threading.current_thread():
            thread.join(1.0)
    server = config.server
    with contextlib.ExitStack() as stack:
        held = hold(server.host, server.port)
        stack.callback(held.close)
        port = held.getsockname()[1]
        lock = locked(folder_of(server.data_dir) / "lock")
        stack.callback(os.close, lock)
        meeting = stack.enter_context(_meeting_place(server.data_dir))
        place = Place(0, server.workers, meeting, lock)
        post = Post(config, place, port, Clock())
        settled(config, place)
        gc.collect()
        gc.freeze()
        host = f"[{server.host}]" if ":" in server.host else server.host
        try:
            Supervisor(post, f"http://{host}:{port}").run((held,))
        except StillbornError:
            raise SystemExit(1) from None


def hold(host: str, port: int) -> socket.socket:
    """A socket that keeps the port for the workers, and takes no connection itself.

    Raises: OSError when somebody listens there: SO_REUSEPORT alone would let a second server in.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise OSError(errno.EOPNOTSUPP, "this system cannot share a port (SO_REUSEPORT)")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    if port:
        _bound(family, address, share=False).close()
    return _bound(family, address, share=True)


def _bound(family: socket.AddressFamily, address: object, *, share: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)  # type: ignore[arg-type]  # as getaddrinfo gave it
    except OSError:
        made.close()
        raise
    return made


@contextlib.contextmanager
def _meeting_place(data_dir: Path) -> Iterator[Path]:
    """The folder of the workers' sockets, for them alone: in ``data_dir`` where the path is short.

    It is emptied: what is there is of workers that are gone.
    """
    folder = data_dir / "workers"
    if len(os.fsencode(folder / "99.sock")) > MOST_PATH_BYTES:
        folder = Path(tempfile.mkdtemp(prefix="lb-"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _signals() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Signals as bytes on the first socket: they wake ``select`` and are handled in its turn."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
    reads, writes = socket.socketpair()
    reads.setblocking(False)
    writes.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    woken = signal.set_wakeup_fd(writes.fileno(), warn_on_full_buffer=False)
    try:
        yield reads, writes
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        reads.close()
        writes.close()
