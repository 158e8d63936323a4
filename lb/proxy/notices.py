"""What a person must know of the accounts, said once: who needs one, and who serves again."""

from pathlib import Path

import structlog
from attrs import define, field

from lb.adapters.watch import Look, look
from lb.adapters.watch_files import changed_at
from lb.core.events import Event, Restored
from lb.core.health import State
from lb.core.pool import Pool
from lb.core.slot import Slot
from lb.proxy.gateway import Gateway

_log = structlog.get_logger()
COARSE_S = 0.01  # file systems tell the time of the last tick (100 Hz, the slowest kernels)


@define(eq=False)
class Notices:
    """Logs an account's refusal when it is refused, not each time it is found so.

    Of several workers one is ``loud`` about what all of them find.
    """

    pool: Pool
    loud: bool = True
    _told: dict[str, Look | None] = field(factory=dict)
    """The accounts that were told of, and how the files of their logins looked then."""

    def look(self) -> None:
        """Look at all accounts: after the start, and when the config was taken up."""
        for account in {*self._told, *self.pool.slots}:
            self._look_at(account, loud=self.loud)

    def heard(self, event: Event) -> None:
        """An event changed how its account stands."""
        self._look_at(event.account, loud=True)

    def overheard(self, event: Event) -> None:
        """It did so at another worker, which has said it."""
        self._look_at(event.account, loud=False)

    def has_new_login(self, slot: Slot) -> bool:
        """Whether a refused account's login is another one than the refused: a person has acted."""
        path = slot.account.auth_file
        if path is None or slot.health.state is not State.REFUSED:
            return False
        if slot.id in self._told and self._told[slot.id] != look(Path(path)):
            return True
        return changed_at(path) > slot.health.since - COARSE_S

    def _look_at(self, account: str, *, loud: bool) -> None:
        slot = self.pool.slots.get(account)
        if slot is None:
            self._told.pop(account, None)
        elif slot.health.state is not State.REFUSED:
            if self._told.pop(account, False) is not False and loud:
                _log.info("account_back", account=account)
        elif account not in self._told:
            path = slot.account.auth_file
            self._told[account] = None if path is None else look(Path(path))
            if loud:
                _log.error("account_refused", account=account, reason=slot.health.reason)


def welcome_back(gateway: Gateway, notices: Notices) -> None:
    """Refused accounts with a new login may serve again."""
    for slot in list(gateway.pool.slots.values()):
        if notices.has_new_login(slot):
            gateway.dispatch.learn(Restored(slot.id, gateway.clock.now(), "a new login"))
