"""What is measured, by name, and one measurement."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from brokers import BenchError, Broker
from papers import NAME

PAYLOAD = 200
"""Bytes."""

LOAD_PATIENCE = 60.0
"""Seconds beyond the measured ones, for a slow machine; the load has its own shorter ones."""


class Shape(NamedTuple):
    title: str
    mode: str
    options: dict[str, int]
    unit: str = "messages/s"


class Measurement(NamedTuple):
    per_second: float
    p50: float | None
    """Microseconds from sending to the last delivery, with QoS 1 and the PUBACK; only with one in flight."""
    p99: float | None
    tls: str
    """Version, cipher suite and the server's key, as negotiated."""


def _flow(title: str, qos: int, *, pairs: int = 1, fan: int = 1, window: int = 1) -> Shape:
    options = {"pairs": pairs, "fan": fan, "window": window, "qos": qos, "payload": PAYLOAD}
    return Shape(f"{title}, QoS {qos}", "flow", options)


SHAPES = {
    "pair-qos0": _flow("1 pair, 1 in flight", 0),
    "pairs-qos0": _flow("50 pairs, 1 in flight each", 0, pairs=50),
    "window-qos0": _flow("50 pairs, 20 in flight each", 0, pairs=50, window=20),
    "fan-qos0": _flow("1 publisher to 100 subscribers", 0, fan=100),
    "pair-qos1": _flow("1 pair, 1 in flight", 1),
    "pairs-qos1": _flow("50 pairs, 1 in flight each", 1, pairs=50),
    "window-qos1": _flow("50 pairs, 20 in flight each", 1, pairs=50, window=20),
    "fan-qos1": _flow("1 publisher to 100 subscribers", 1, fan=100),
    "connect": Shape("CONNECT, full handshake, 20 at once", "connect", {"processes": 20}, "connections/s"),
}


def measure(load: Path, shape: Shape, broker: Broker, seconds: float) -> Measurement:
    """One run of ``load`` against ``broker``; BenchError if anything was refused, lost or closed."""
    options = {
        "port": broker.port,
        "cert": broker.client,
        "key": broker.client_key,
        "name": NAME,
        "seconds": seconds,
        **shape.options,
    }
    command = [str(load), shape.mode]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + LOAD_PATIENCE)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{broker.name}, {shape.title}: no result in time") from None
    if run.returncode:
        raise BenchError(f"{broker.name}, {shape.title}: {run.stderr.strip()}")
    values = dict(word.split("=", 1) for word in run.stdout.split())
    p50, p99 = (float(values[name]) if name in values else None for name in ("p50_us", "p99_us"))
    return Measurement(float(values["per_second"]), p50, p99, values["tls"])
