"""Time, twice: civil time that tests can turn, and wire time that is always real."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ClockState:
    """How civil time follows real time: ``civil = anchor_civil + (real - anchor_real) * rate``.

    All nodes of a database share one state, kept as a resource of kind ``clock``; times are epoch seconds.
    """

    anchor_real: float = 0.0
    anchor_civil: float = 0.0
    rate: float = 1.0

    def at(self, real: float) -> float:
        return self.anchor_civil + (real - self.anchor_real) * self.rate

    def turned(
        self, real: float, *, to: float | None = None, advance: float = 0.0, rate: float | None = None
    ) -> ClockState:
        """The state after setting the clock at real time ``real``; ``rate`` 0 freezes it."""
        civil = (self.at(real) if to is None else to) + advance
        return ClockState(real, civil, self.rate if rate is None else rate)

    def document(self) -> dict[str, Any]:
        return {"anchorReal": self.anchor_real, "anchorCivil": self.anchor_civil, "rate": self.rate}

    @classmethod
    def of_document(cls, body: dict[str, Any]) -> ClockState:
        return cls(float(body["anchorReal"]), float(body["anchorCivil"]), float(body["rate"]))


REAL = ClockState()


class Clock:
    """``now()`` is civil time in epoch seconds, ``tick()`` wire time in monotonic seconds.

    Wire time and ``real()`` (request-signature skew, leases) never turn with the civil clock.
    """

    def __init__(self) -> None:
        self.state = REAL

    def now(self) -> float:
        state = self.state
        return time.time() if state is REAL else state.at(time.time())

    def real(self) -> float:
        return time.time()

    tick = staticmethod(time.monotonic)
