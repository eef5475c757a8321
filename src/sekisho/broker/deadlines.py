"""Who has been silent for too long: one heap for every connection, touched once per deadline."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Protocol


class Timed(Protocol):
    @property
    def deadline(self) -> float | None: ...


class Deadlines:
    """Deadlines move with every packet, the heap does not: an entry that comes up early is put back.

    An entry is looked at ``every`` seconds at the least, so that a deadline that moved closer is met in time.
    """

    def __init__(self, expired: Callable[[Any], None], every: float = 15.0) -> None:
        self._expired = expired
        self._every = every
        self._heap: list[tuple[float, int, Timed]] = []
        self._count = 0

    def watch(self, item: Timed, now: float) -> None:
        if item.deadline is not None:
            self._push(item, item.deadline, now)

    def _push(self, item: Timed, at: float, now: float) -> None:
        self._count += 1
        heapq.heappush(self._heap, (min(at, now + self._every), self._count, item))

    def check(self, now: float) -> None:
        """Call ``expired`` for each watched item whose deadline has passed; None ends the watch."""
        while self._heap and self._heap[0][0] <= now:
            _, _, item = heapq.heappop(self._heap)
            deadline = item.deadline
            if deadline is None:
                continue
            if deadline <= now:
                self._expired(item)
                deadline = item.deadline
                if deadline is None or deadline <= now:
                    continue
            self._push(item, deadline, now)
