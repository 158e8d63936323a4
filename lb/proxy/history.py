"""The lately of every account, heard from the events of the pool."""

from attrs import define, field

from lb.core.events import Doubted, Event, Exhausted, Refused, Succeeded, Throttled
from lb.core.history import History

FAILURES = (Doubted, Throttled, Exhausted, Refused)


@define(eq=False)
class Histories:
    """One bounded history an account. Faults of an account's host are not held against it."""

    _of: dict[str, History] = field(factory=dict)

    def heard(self, event: Event, now: float) -> None:
        """An event of the pool; ``Succeeded`` carries the instant it was asked at."""
        if isinstance(event, Succeeded):
            self.of(event.account).answered(now, now - event.at)
        elif isinstance(event, FAILURES):
            self.of(event.account).failed(now)

    def of(self, account: str) -> History:
        """The history of one account."""
        found = self._of.get(account)
        if found is None:
            found = self._of[account] = History()
        return found

    def errors(self, now: float) -> tuple[int, int]:
        """How many of all attempts of the last five minutes failed, and how many there were."""
        told = [history.errors(now) for history in self._of.values()]
        return sum(failed for failed, _ in told), sum(every for _, every in told)

    def per_s(self, now: float) -> float:
        """Attempts a second at all accounts."""
        return sum(history.per_s(now) for history in self._of.values())

    def keep(self, accounts: set[str]) -> None:
        """Forget the accounts that are gone."""
        self._of = {name: history for name, history in self._of.items() if name in accounts}
