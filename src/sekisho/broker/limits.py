"""How much a client may do in a second: token buckets, and what they remember. Pure: ``now`` is passed in,
monotonic seconds."""

from __future__ import annotations

IDS_KEPT = 100_000
"""Client ids whose last CONNECT is remembered; the longest ago are forgotten first."""

COMPLAINT_EVERY = 1.0
"""Seconds between two records of the same kind about one connection."""


UNLIMITED = 1e12
"""A rate that nothing reaches."""


class Bucket:
    """Holds what may be taken within one second, and fills at that rate. ``rate`` is per second, above 0."""

    __slots__ = ("_at", "_most", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._most = max(rate, 1.0)  # else it would never hold one whole token
        self._tokens = self._most
        self._at = now

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        self._fill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def spend(self, now: float, count: float) -> float:
        """Take ``count`` whether they are there or not; the seconds until the debt is paid, 0 without one."""
        self._fill(now)
        self._tokens -= count
        return max(0.0, -self._tokens / self._rate)

    def wait(self, now: float) -> float:
        """Seconds until one can be taken."""
        self._fill(now)
        return max(0.0, (1.0 - self._tokens) / self._rate)

    def full(self, now: float) -> bool:
        """Whether it is as if it had just been made."""
        self._fill(now)
        return self._tokens >= self._most

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
            self._at = now


class Connects:
    """CONNECTs per second of each client id (AWS General Reference, AWS IoT quotas: 1)."""

    __slots__ = ("_buckets", "_most", "_rate")

    def __init__(self, rate: float, most: int = IDS_KEPT) -> None:
        self._rate = rate
        self._most = most
        self._buckets: dict[str, Bucket] = {}

    def take(self, client_id: str, now: float) -> bool:
        """Whether this client id may connect now; if so, that counts."""
        buckets = self._buckets
        bucket = buckets.pop(client_id, None) or Bucket(self._rate, now)
        allowed = bucket.take(now)
        buckets[client_id] = bucket  # at the end: the first has been idle for longest
        for _ in range(2):  # two out for one in: what is idle goes, without a walk over all
            oldest = next(iter(buckets))
            if len(buckets) > self._most or buckets[oldest].full(now):
                del buckets[oldest]
            if not buckets:
                break
        return allowed

    def __len__(self) -> int:
        return len(self._buckets)


class Complaints:
    """Bounds the records about one connection: one per second of each kind."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def due(self, kind: str, now: float) -> bool:
        last = self._last.get(kind)
        if last is not None and now - last < COMPLAINT_EVERY:
            return False
        self._last[kind] = now
        return True
