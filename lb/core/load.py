"""How busy an account is: in flight x peak-EWMA of its time to the first content frame.

Source: Finagle's and tower's peak-EWMA: rises at once to a peak, decays over ``DECAY_S``, so that a
slow account is left at the first sign and tried again soon.
"""

from math import exp

from attrs import define

DECAY_S = 10.0
FLOOR_S = 0.02  # below this accounts are alike; one never asked counts as much, so it is soon tried


@define
class Load:
    """Latency as seen lately (seconds to the first content frame); None before the first answer."""

    latency_s: float | None = None
    _at: float = 0.0

    def saw(self, latency_s: float, now: float) -> None:
        """An answer began ``latency_s`` seconds after it was asked for."""
        known = self.latency_s
        if known is None or latency_s > known:
            self.latency_s = latency_s
        else:
            # answers within one moment still count a little each
            weight = min(0.9, exp(-max(0.0, now - self._at) / DECAY_S))
            self.latency_s = known * weight + latency_s * (1 - weight)
        self._at = now

    def cost(self, in_flight: int, now: float) -> float:
        """What one more request costs here, in seconds; a peak nobody renewed fades."""
        if self.latency_s is None:
            return FLOOR_S * (in_flight + 1)
        faded = self.latency_s * exp(-max(0.0, now - self._at) / DECAY_S)
        return max(FLOOR_S, faded) * (in_flight + 1)
