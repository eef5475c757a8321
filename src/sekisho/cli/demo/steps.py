"""What has to happen, and how far it has: written by many threads, read by the view and the summary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal, NamedTuple

StepName = Literal[
    "claim", "key", "certificate", "registered", "itself", "telemetry", "command", "forbidden", "inactive"
]


class Step(NamedTuple):
    words: str
    each: bool
    """Whether every device takes it, or one of them."""


STEPS: dict[StepName, Step] = {
    "claim": Step("connect with the shared claim certificate", True),
    "key": Step("make a key of its own", True),
    "certificate": Step("get a certificate for its CSR", True),
    "registered": Step("register with its serial number", True),
    "itself": Step("reconnect as itself", True),
    "telemetry": Step("report telemetry", True),
    "command": Step("receive a command", True),
    "forbidden": Step("be cut off for another's topic", False),
    "inactive": Step("be dropped when set INACTIVE", False),
}


class Failure(NamedTuple):
    step: StepName
    device: str
    why: str


class Progress:
    """How many devices reached which step, in what time, and what went wrong."""

    def __init__(self, devices: int, changed: Callable[[StepName], None] = lambda step: None) -> None:
        """``changed`` is called after every step that is reached, in the thread that reached it."""
        self.devices = devices
        self.failures: list[Failure] = []
        self.connected = 0
        self.messages = {"telemetry": 0, "commands": 0}
        self.changed = changed
        self._seconds: dict[StepName, list[float]] = {name: [] for name in STEPS}
        self._lock = threading.Lock()

    def reached(self, step: StepName, seconds: float) -> None:
        with self._lock:
            self._seconds[step].append(seconds)
        self.changed(step)

    def failed(self, step: StepName, device: str, why: str) -> None:
        with self._lock:
            self.failures.append(Failure(step, device, why))

    def count(self, kind: Literal["telemetry", "commands"]) -> None:
        with self._lock:
            self.messages[kind] += 1

    def connection(self, change: Literal[1, -1]) -> None:
        with self._lock:
            self.connected += change

    def seconds(self, step: StepName) -> list[float]:
        """How long the step took each device that reached it, in seconds."""
        with self._lock:
            return list(self._seconds[step])

    def wanted(self, step: StepName) -> int:
        return self.devices if STEPS[step].each else 1

    @property
    def missing(self) -> list[StepName]:
        """The steps that did not happen for every device that has to take them."""
        return [step for step in STEPS if len(self.seconds(step)) < self.wanted(step)]
