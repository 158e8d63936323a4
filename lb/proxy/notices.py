"""What a person must know of the accounts, said once: who needs one, and who serves again."""

import structlog
from attrs import define, field

from lb.adapters.watch_files import changed_at
from lb.core.events import Event, Restored
from lb.core.health import State
from lb.core.pool import Pool
from lb.proxy.gateway import Gateway

_log = structlog.get_logger()


@define(eq=False)
class Notices:
    """Logs an account's refusal when it is refused, not each time it is found so."""

    pool: Pool
    _told: set[str] = field(factory=set)

    def look(self) -> None:
        """Look at all accounts: after the start, and when the config was taken up."""
        self._told &= self.pool.slots.keys()
        for account in self.pool.slots:
            self._look_at(account)

    def heard(self, event: Event) -> None:
        """An event changed how its account stands."""
        self._look_at(event.account)

    def _look_at(self, account: str) -> None:
        slot = self.pool.slots.get(account)
        refused = slot is not None and slot.health.state is State.REFUSED
        if slot is not None and refused and account not in self._told:
            self._told.add(account)
            _log.error("account_refused", account=account, reason=slot.health.reason)
        elif not refused and account in self._told:
            self._told.discard(account)
            _log.info("account_back", account=account)


def welcome_back(gateway: Gateway) -> None:
    """An account whose login came after its refusal may serve again: a person has acted."""
    for slot in list(gateway.pool.slots.values()):
        path = slot.account.auth_file
        if path is None or slot.health.state is not State.REFUSED:
            continue
        if changed_at(path) > slot.health.since:
            gateway.dispatch.learn(Restored(slot.id, gateway.clock.now(), "a new login"))
