"""How many retries may be afforded, so that trouble upstream is not made worse.

Source: Finagle's and Linkerd's retry budgets (a share of the requests, at least 10 a second). Only
tries at accounts that are already suspect draw on it: a ready account is always worth a first try,
since no client may see a failure while one account is healthy.
"""

from attrs import define

SHARE = 0.5  # retries per request: hides 30 % of faults everywhere, and bounds an outage to 1.5x
FLOOR_PER_S = 10.0
WINDOW_S = 10.0


@define
class RetryBudget:
    """A token bucket: a request pays in SHARE, a retry takes one out, time adds FLOOR_PER_S."""

    tokens: float = FLOOR_PER_S * WINDOW_S
    _at: float = 0.0

    def request(self, now: float) -> None:
        """A request came in."""
        self._fill(now)
        self.tokens = min(self.tokens + SHARE, FLOOR_PER_S * WINDOW_S * 10)

    def retry(self, now: float) -> bool:
        """Whether a retry may be afforded; it is paid for when it may."""
        self._fill(now)
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def _fill(self, now: float) -> None:
        if self._at and now > self._at:
            ceiling = max(self.tokens, FLOOR_PER_S * WINDOW_S)
            self.tokens = min(self.tokens + (now - self._at) * FLOOR_PER_S, ceiling)
        self._at = now
