"""What an account did in the last five minutes: bounded, and cheap enough for every attempt."""

from collections import deque

from attrs import define, field

BUCKET_S = 5.0
BUCKETS = 60  # five minutes: a sparkline's worth
RATE_S = 60.0  # requests a second are told over the last minute


@define
class Bucket:
    """What happened in BUCKET_S seconds; ``latency_s`` is the sum over ``answered``."""

    number: int
    answered: int = 0
    failed: int = 0
    latency_s: float = 0.0


@define(eq=False)
class History:
    """The attempts at one account. ``now`` in unix seconds, never far from the last one's."""

    _buckets: deque[Bucket] = field(factory=lambda: deque(maxlen=BUCKETS))

    def answered(self, now: float, latency_s: float) -> None:
        """An attempt began to answer ``latency_s`` seconds after it was asked."""
        bucket = self._bucket(now)
        bucket.answered += 1
        bucket.latency_s += max(0.0, latency_s)

    def failed(self, now: float) -> None:
        """An attempt failed by the account's fault."""
        self._bucket(now).failed += 1

    def _bucket(self, now: float) -> Bucket:
        number = int(now // BUCKET_S)
        if not self._buckets or self._buckets[-1].number < number:
            self._buckets.append(Bucket(number))
        return self._buckets[-1]

    def _since(self, now: float, span_s: float) -> list[Bucket]:
        first = int((now - span_s) // BUCKET_S) + 1
        return [bucket for bucket in self._buckets if bucket.number >= first]

    def per_s(self, now: float) -> float:
        """Attempts a second over the last minute."""
        recent = self._since(now, RATE_S)
        return sum(bucket.answered + bucket.failed for bucket in recent) / RATE_S

    def errors(self, now: float) -> tuple[int, int]:
        """How many of the attempts of the last five minutes failed, and how many there were."""
        recent = self._since(now, BUCKET_S * BUCKETS)
        failed = sum(bucket.failed for bucket in recent)
        return failed, failed + sum(bucket.answered for bucket in recent)

    def latencies_ms(self, now: float) -> list[float | None]:
        """The mean time to the first content (ms) of each bucket, oldest first; None: no answer."""
        told: list[float | None] = [None] * BUCKETS
        first = int(now // BUCKET_S) - BUCKETS + 1
        for bucket in self._since(now, BUCKET_S * BUCKETS):
            if bucket.answered and bucket.number < first + BUCKETS:
                told[bucket.number - first] = round(1000 * bucket.latency_s / bucket.answered, 1)
        return told
