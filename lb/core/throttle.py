"""Wrong keys, by address: a token bucket each, so that guessing is slow and nobody else suffers."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final

from attrs import define, field

TRIES_A_MINUTE: Final = 20
MOST_ADDRESSES: Final = 10_000
_NETWORK_BITS: Final = 64  # one household, or one server, has all of an IPv6 /64


@define(eq=False)
class Throttle:
    """``failed`` spends a try; buckets refill steadily, and the oldest are forgotten first."""

    tries: int = TRIES_A_MINUTE
    most: int = MOST_ADDRESSES
    _buckets: OrderedDict[str, tuple[float, float]] = field(factory=OrderedDict)

    def failed(self, address: str, now: float) -> float | None:
        """A wrong key came from ``address``; seconds until the next try when it has none left."""
        place = network_of(address)
        left, at = self._buckets.pop(place, (float(self.tries), now))
        rate = self.tries / 60.0
        left = min(float(self.tries), left + (now - at) * rate)
        wait_s = None if left >= 1.0 else (1.0 - left) / rate
        self._buckets[place] = (left - 1.0 if wait_s is None else left, now)
        while len(self._buckets) > self.most:
            self._buckets.popitem(last=False)
        return wait_s


def network_of(address: str) -> str:
    """What one person holds: an IPv4 address, an IPv6 /64."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{int(parsed) >> (128 - _NETWORK_BITS):x}::/{_NETWORK_BITS}"
    return str(parsed)
