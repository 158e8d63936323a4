"""Counters over time: a sliding minute, and UTC days, weeks, months. O(1), bounded memory.

``now`` is unix seconds and never goes back (see adapters.clock).
"""

from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from typing import Final

from attrs import define

PERIODS: Final = ("day", "week", "month", "total")
DAY_S: Final = 86400.0
MINUTE_S: Final = 60
_SLOTS: Final = MINUTE_S + 1
"""One for each second a minute can touch: it is counted outward, so no 60 seconds hold more."""
_FIRST_MONDAY_S: Final = 4 * DAY_S  # 1970-01-01 was a Thursday
_ZEROS: Final = array("q", bytes(8 * _SLOTS))


class Minute:
    """How much there was in the last minute, by the second: at most one second too long."""

    __slots__ = ("_at", "_ring", "total")

    def __init__(self) -> None:
        self._ring = array("q", _ZEROS)
        self._at = 0
        self.total = 0

    def used(self, now: float) -> int:
        """What falls into the minute before ``now``."""
        second = int(now)
        gone = second - self._at
        if gone > 0:
            if gone >= _SLOTS:
                self._ring = array("q", _ZEROS)
                self.total = 0
            else:
                ring = self._ring
                for each in range(self._at + 1, second + 1):
                    index = each % _SLOTS
                    self.total -= ring[index]
                    ring[index] = 0
            self._at = second
        return self.total

    def add(self, amount: int, now: float) -> None:
        """``amount`` happened at ``now``."""
        if now >= self._at + 1:
            self.used(now)
        self._ring[self._at % _SLOTS] += amount
        self.total += amount

    def parts(self, now: float) -> dict[int, int]:
        """What there was in each second of the minute before ``now``; seconds of nothing left out.

        For another process, which takes it up with ``at_least``.
        """
        self.used(now)
        seconds = range(self._at - MINUTE_S, self._at + 1)
        return {each: amount for each in seconds if (amount := self._ring[each % _SLOTS])}

    def at_least(self, parts: Mapping[int, int], now: float) -> None:
        """In no second was there less than ``parts`` say; what they tell twice counts once."""
        self.used(now)
        for second, amount in parts.items():
            if self._at - MINUTE_S <= second <= self._at:
                more = max(0, amount - self._ring[second % _SLOTS])
                self._ring[second % _SLOTS] += more
                self.total += more

    def empty_at(self, now: float) -> float:
        """When nothing is left, if nothing is added: what headers tell, so it looks at the end."""
        if not self.used(now):
            return now
        newest = self._at
        while not self._ring[newest % _SLOTS]:
            newest -= 1
        return float(newest + _SLOTS)

    def falls_to(self, most: int, now: float) -> float:
        """When no more than ``most`` is left, if nothing is added; ``now`` when that is so."""
        left = self.used(now)
        for second in range(self._at - MINUTE_S, self._at + 1):
            if left <= most:
                break
            left -= self._ring[second % _SLOTS]
            if left <= most:
                return float(second + _SLOTS)
        return now


@define(eq=False)
class Period:
    """What was used in the current day, week, month, or ever. Calendar periods of UTC."""

    per: str
    begins_at: float = 0.0
    ends_at: float = 0.0
    requests: int = 0
    tokens: int = 0
    uusd: int = 0

    def add(self, requests: int, tokens: int, uusd: int) -> None:
        """So much more."""
        self.requests += requests
        self.tokens += tokens
        self.uusd += uusd

    def roll(self, now: float) -> "Period":
        """Itself, begun anew when its time is over."""
        if now >= self.ends_at:
            self.begins_at, self.ends_at = bounds(self.per, now)
            self.requests = self.tokens = self.uusd = 0
        return self


class Periods:
    """The current day, week, month, and ever, as one: what happens is in each of them.

    So it is counted once, and added to each when one of them is asked for or over.
    """

    __slots__ = ("_all", "_from", "_requests", "_tokens", "_until", "_uusd")

    def __init__(self) -> None:
        self._all = {per: Period(per) for per in PERIODS}
        self._from = self._until = 0.0  # within all of the current ones
        self._requests = self._tokens = self._uusd = 0  # not yet added to each

    def let_in(self, now: float) -> None:
        """One more request."""
        if now >= self._until:
            self._turn(now)
        self._requests += 1

    def add(self, requests: int, tokens: int, uusd: int, at: float, now: float) -> None:
        """So much happened ``at`` some instant up to ``now``: in the periods it falls in."""
        if now >= self._until:
            self._turn(now)
        if at >= self._from:
            self._requests += requests
            self._tokens += tokens
            self._uusd += uusd
            return
        for period in self._all.values():
            if period.begins_at <= at:
                period.add(requests, tokens, uusd)

    def of(self, per: str, now: float) -> Period:
        """The current one of these."""
        if now >= self._until or self._requests or self._tokens or self._uusd:
            self._turn(now)
        return self._all[per]

    def _turn(self, now: float) -> None:
        """Add to each what is to be added, and begin those anew whose time is over."""
        for period in self._all.values():
            period.add(self._requests, self._tokens, self._uusd)
            period.roll(now)
        self._requests = self._tokens = self._uusd = 0
        self._from = max(period.begins_at for period in self._all.values())
        self._until = min(period.ends_at for period in self._all.values())


def bounds(per: str, now: float) -> tuple[float, float]:
    """When the period around ``now`` begins and ends (unix seconds)."""
    if per == "day":
        begin = now // DAY_S * DAY_S
        return begin, begin + DAY_S
    if per == "week":
        begin = (now - _FIRST_MONDAY_S) // (7 * DAY_S) * 7 * DAY_S + _FIRST_MONDAY_S
        return begin, begin + 7 * DAY_S
    if per == "month":
        today = datetime.fromtimestamp(now, UTC)
        first = datetime(today.year, today.month, 1, tzinfo=UTC)
        later = (today.year + today.month // 12, today.month % 12 + 1)
        return first.timestamp(), datetime(*later, 1, tzinfo=UTC).timestamp()
    return 0.0, inf
