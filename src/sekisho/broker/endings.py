"""Which connections end with the credentials that they were opened with, by the civil clock."""

from __future__ import annotations

import heapq
from typing import Protocol

SPARE = 100
"""Entries of connections that are gone already, at the least, before they are swept out."""


class Ending(Protocol):
    def credentials_ended(self) -> None: ...


class Endings:
    """A heap of civil epoch seconds: whoever turns the clock meets what is due at the next look, and a
    connection that goes sooner leaves an entry behind, of which there are never more than of those that are.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._waiting: dict[int, Ending] = {}
        self._count = 0

    def add(self, ending: Ending, at: float) -> int:
        """Have it told at ``at``; the answer is what `remove` wants."""
        self._count += 1
        self._waiting[self._count] = ending
        heapq.heappush(self._heap, (at, self._count))
        return self._count

    def remove(self, number: int) -> None:
        self._waiting.pop(number, None)
        if len(self._heap) > 2 * len(self._waiting) + SPARE:
            self._heap = [entry for entry in self._heap if entry[1] in self._waiting]
            heapq.heapify(self._heap)

    def check(self, now: float) -> None:
        """Tell whose time is over; ``now`` is civil."""
        while self._heap and self._heap[0][0] <= now:
            ending = self._waiting.pop(heapq.heappop(self._heap)[1], None)
            if ending is not None:
                ending.credentials_ended()
