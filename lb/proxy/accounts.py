"""The accounts of a configuration: where each is reached, and whether it answers."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack

from attrs import evolve

from lb.adapters import transport
from lb.adapters.clock import Clock
from lb.adapters.credentials import Credentials
from lb.adapters.seals import seals_of
from lb.adapters.simulator import Simulator
from lb.adapters.sockets import Sockets
from lb.config import Config
from lb.core.account import Account
from lb.core.errors import Problem
from lb.core.upstreams import KINDS
from lb.proxy.attempt import Tries
from lb.proxy.catalog import listed


def simulated(accounts: Iterable[Account]) -> list[Account]:
    """Those that need the simulator."""
    return [account for account in accounts if account.kind == "simulated"]


def located(accounts: Iterable[Account], simulator: Simulator) -> list[Account]:
    """The accounts, each simulated one at the address of the simulator."""
    return [
        evolve(account, base_url=simulator.base_url(account.id))
        if account.kind == "simulated"
        else account
        for account in accounts
    ]


async def simulating(config: Config, stack: AsyncExitStack) -> Simulator:
    """The simulator, started, behind the simulated accounts; it ends with ``stack``."""
    simulator = Simulator(simulated(config.accounts))
    await simulator.start()
    stack.push_async_callback(simulator.stop)
    return simulator


async def probe(config: Config) -> list[tuple[str, bool, str]]:
    """Try each account by asking for its models: (account, whether it answered, what it said)."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(transport.new_session())
        simulator = await simulating(config, stack)
        clock = Clock()
        credentials = Credentials(session, clock.now, seals_of(config))
        stack.push_async_callback(credentials.close)
        sockets = Sockets(session, clock.now)
        tries = Tries(transport.Transport(session), credentials, sockets, clock)

        async def tried(account: Account) -> tuple[str, bool, str]:
            try:
                body = await tries.fetch(account, KINDS[account.kind].models_path)
            except Problem as problem:
                return account.id, False, problem.message
            return account.id, True, f"lists {len(listed(body, account.kind))} models"

        return list(await asyncio.gather(*map(tried, located(config.accounts, simulator))))
