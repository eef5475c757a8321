"""A run: the idle connections first, then the rounds of everything else, in turns that favour nobody."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from brokers import Broker, resident_kib, signed_path
from papers import NAME
from shapes import (
    COMPARED,
    DURABLE,
    PACED,
    SHAPES,
    SINKS,
    Comparison,
    Measurement,
    idle_clients,
    measure,
    measure_durable,
)

T = TypeVar("T")

SETTLE = 1.0
"""Seconds until what the memory of a process is, is looked at."""

IDLE_PROCESSES = 4

SYNCS = 50

Runs = dict[str, dict[str, list[Measurement]]]
"""Shape's name → broker's name → one measurement a round, in order."""


class Idle(NamedTuple):
    connections: int
    opened: float
    """KiB for each, when all were open."""
    held: float
    """KiB for each, at the end of ``seconds``; all of them then answered."""
    seconds: float


@dataclass
class Found:
    shapes: Runs = field(default_factory=dict)
    compared: dict[str, list[tuple[Measurement, Measurement]]] = field(default_factory=dict)
    """Name → the first way and the second, as often as it was done."""
    durable: dict[str, list[Measurement]] = field(default_factory=dict)
    latency: dict[str, list[Measurement]] = field(default_factory=dict)
    """Broker's name → one measurement a round, at the rate of ``latency_rates``."""
    latency_rates: list[float] = field(default_factory=list)
    idle: dict[str, Idle] = field(default_factory=dict)

    def tls(self) -> dict[str, set[str]]:
        """What each broker negotiated."""
        negotiated: dict[str, set[str]] = {}
        for brokers in [*self.shapes.values(), self.latency]:
            for broker, measurements in brokers.items():
                negotiated.setdefault(broker, set()).update(m.tls for m in measurements)
        for pairs in self.compared.values():
            negotiated.setdefault("Sekisho", set()).update(m.tls for pair in pairs for m in pair)
        for alone in self.durable.values():
            negotiated.setdefault("Sekisho", set()).update(m.tls for m in alone)
        return negotiated


class Bench:
    """``names`` are those of :data:`shapes.NAMES`; ``brokers`` are mosquitto, Sekisho and the floor."""

    def __init__(self, load: Path, names: Sequence[str], brokers: Sequence[Broker], seconds: float) -> None:
        self._load = load
        self._names = names
        self._brokers = list(brokers)
        self._real = [broker for broker in brokers if broker.name != "floor"]
        self._node = next(broker for broker in brokers if broker.name == "Sekisho")
        self._seconds = seconds
        self.found = Found()

    def idle(self, connections: int, hold: float) -> None:
        """Before anything else: memory that was freed would be used again, and hide what a connection takes.
        Only Sekisho's are held for ``hold`` seconds."""
        for broker in self._real:
            with idle_clients(self._load, broker, IDLE_PROCESSES, IDLE_PROCESSES):
                pass  # what the first connection of all brings is not the others'
            before = resident_kib(broker.process)
            with idle_clients(self._load, broker, connections, IDLE_PROCESSES):
                time.sleep(SETTLE)
                opened = (resident_kib(broker.process) - before) / connections
                line = f"{connections:,} idle connections: {broker.name} {opened:.1f} KiB each"
                print(line, flush=True)
                time.sleep(hold if broker is self._node else 0)
                held = (resident_kib(broker.process) - before) / connections
            self.found.idle[broker.name] = Idle(connections, opened, held, hold)

    def round(self, number: int, of: int) -> None:
        for name in self._names:
            start = f"round {number + 1}/{of}, "
            if name in SHAPES:
                print(start + self._shape(name, number), flush=True)
            elif name in COMPARED:
                print(start + self._compare(name, COMPARED[name], number), flush=True)
            elif name in DURABLE:
                found = measure_durable(self._load, DURABLE[name], self._node, self._seconds)
                self.found.durable.setdefault(name, []).append(found)
                print(f"{start}{DURABLE[name].title}: {found.per_second:,.0f}/s", flush=True)
            elif name == "latency":
                print(start + self._latency(number), flush=True)

    def _shape(self, name: str, number: int) -> str:
        runs = self.found.shapes.setdefault(name, {})
        line = [f"{SHAPES[name].title}:"]
        # Nobody is always the first, when the machine is cool, or always the last.
        for broker in _turned(self._brokers, number):
            found = measure(self._load, SHAPES[name], broker, self._seconds)
            runs.setdefault(broker.name, []).append(found)
            line.append(f"{broker.name} {found.per_second:,.0f}/s")
        return " ".join(line)

    def _compare(self, name: str, comparison: Comparison, number: int) -> str:
        line = [f"{comparison.title}:"]
        for turn in range(comparison.times):
            both = [self._plain, self._otherwise]
            pair = {way: way(comparison) for way in _turned(both, number + turn)}
            first, second = pair[self._plain], pair[self._otherwise]
            self.found.compared.setdefault(name, []).append((first, second))
            line.append(f"{second.per_second:,.0f}/s, plain {first.per_second:,.0f}/s")
        return " ".join(line)

    def _plain(self, comparison: Comparison) -> Measurement:
        return measure(self._load, SHAPES[comparison.base], self._node, self._seconds)

    def _otherwise(self, comparison: Comparison) -> Measurement:
        shape, node = SHAPES[comparison.base], self._node
        if comparison.way == "websocket":
            door = {"websocket": signed_path(node), "port": node.https_port}
            return measure(self._load, shape, node, self._seconds, door)
        # In the same branch of the tree as the traffic, and never reached by it.
        with idle_clients(self._load, node, SINKS, 1, filter=f"{NAME}/+/idle"):
            return measure(self._load, shape, node, self._seconds)

    def _latency(self, number: int) -> str:
        top = measure(self._load, PACED, self._node, self._seconds).per_second
        self.found.latency_rates.append(top / 2)
        line = [f"{PACED.title}, {top / 2:,.0f} messages/s:"]
        for broker in _turned(self._real, number):
            found = measure(self._load, PACED, broker, self._seconds, {"rate": top / 2})
            self.found.latency.setdefault(broker.name, []).append(found)
            line.append(f"{broker.name} {found.p99:,.0f} µs")
        return " ".join(line)


def _turned(several: list[T], by: int) -> list[T]:
    by %= len(several)
    return several[by:] + several[:by]


def sync_microseconds(folder: Path) -> float:
    """What one durable write of 4 KiB costs in this folder, as each commit needs at least one."""
    took = []
    path = folder / "sync"
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - start)
    path.unlink()
    return sorted(took)[SYNCS // 2] * 1e6
