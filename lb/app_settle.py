"""Before the workers of a server start: what its last life left is put into the store, once.

Each worker reads its own journal; how an account stands may be told by several. So a process of its
own reads all of them in the order things happened, migrates the store, and ends: what the workers
then find is one truth. Where the store is away, the journals stay, and each worker reads its own.
"""

import asyncio
import os
import signal

import structlog
from attrs import evolve

from lb.adapters.clock import Clock
from lb.adapters.shared import Place
from lb.adapters.stores import StoreAway
from lb.config import Config
from lb.core.pool import Pool
from lb.core.strategies import STRATEGIES
from lb.proxy.memory import Memory

_log = structlog.get_logger()


def settled(config: Config, place: Place) -> None:
    """Have it done by a child, so that this process has neither its memory nor its threads.

    Raises: SystemExit when it cannot be done at all.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            asyncio.run(settle(config, place))
            code = 0
        except Exception:  # noqa: BLE001  # told; the exit code says the rest
            _log.exception("journals_not_settled")
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(code)


async def settle(config: Config, place: Place) -> None:
    """Everything in journals goes to the store, those of workers too, as a server alone would."""
    pool = Pool(STRATEGIES[config.routing.strategy])
    pool.update(config.accounts)
    memory = Memory.open(config, pool, Clock(), evolve(place, count=1))
    try:
        await memory.start()
        await memory.store.run(lambda _: None)  # it migrates
    except StoreAway as error:
        _log.error("store_away", reason=str(error))
    finally:
        await memory.close()
