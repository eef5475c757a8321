"""What is measured, by name, and one measurement."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from brokers import BenchError, Broker
from papers import NAME

PAYLOAD = 200
"""Bytes."""

SINKS = 10
"""Idle clients of :data:`COMPARED`, each with a wildcard filter beside the traffic's topics."""

LOAD_PATIENCE = 60.0
"""Seconds beyond the measured ones, for a slow machine; the load has its own shorter ones."""


class Shape(NamedTuple):
    title: str
    mode: str
    options: dict[str, int]
    unit: str = "messages/s"
    of_mosquitto: float | None = None
    """The least ratio to mosquitto that the project asks of itself, None where it asks nothing."""
    of_floor: float | None = None


class Comparison(NamedTuple):
    """A shape on Sekisho in two ways, one right after the other."""

    title: str
    base: str
    """The name in :data:`SHAPES`."""
    way: str
    """``websocket``, or ``sinks``."""
    asked: float
    """The least ratio of the second way to the first."""
    times: int = 1
    """How often in a round: small differences need many pairs."""


class Durable(NamedTuple):
    title: str
    options: dict[str, int]
    asked: float
    """The least a second."""
    unit: str = "messages/s"


class Measurement(NamedTuple):
    per_second: float
    p50: float | None
    """Microseconds from sending to the last delivery, with QoS 1 and the PUBACK; only with one in flight or
    at a given rate."""
    p99: float | None
    tls: str
    """Version, cipher suite and the server's key, as negotiated."""
    cpu: float | None = None
    """Microseconds of CPU that the broker's first thread took for each message."""


def _flow(
    title: str,
    qos: int,
    mosquitto: float | None = None,
    floor: float | None = None,
    *,
    pairs: int = 1,
    fan: int = 1,
    window: int = 1,
) -> Shape:
    options = {"pairs": pairs, "fan": fan, "window": window, "qos": qos, "payload": PAYLOAD}
    return Shape(f"{title}, QoS {qos}", "flow", options, of_mosquitto=mosquitto, of_floor=floor)


SHAPES = {
    "pair-qos0": _flow("1 pair, 1 in flight", 0, 0.9, 0.75),
    "pairs-qos0": _flow("50 pairs, 1 in flight each", 0, 1.0, 0.8, pairs=50),
    "many-qos0": _flow("500 pairs, 1 in flight each", 0, 1.0, 0.6, pairs=500),
    "pair-qos1": _flow("1 pair, 1 in flight", 1, 0.9),
    "pairs-qos1": _flow("50 pairs, 1 in flight each", 1, 0.9, pairs=50),
    "many-qos1": _flow("500 pairs, 1 in flight each", 1, 0.9, pairs=500),
    "window-qos0": _flow("50 pairs, 20 in flight each", 0, 4, 0.5, pairs=50, window=20),
    "window-qos1": _flow("50 pairs, 20 in flight each", 1, 2, pairs=50, window=20),
    "fan-qos0": _flow("1 publisher to 100 subscribers, 1 in flight", 0, 1.0, 0.8, fan=100),
    "wide-qos0": _flow("1 publisher to 1,000 subscribers, 1 in flight", 0, 1.0, 0.8, fan=1000),
    "fan-window-qos0": _flow("1 publisher to 100 subscribers, 20 in flight", 0, 5, fan=100, window=20),
    "wide-window-qos0": _flow("1 publisher to 1,000 subscribers, 20 in flight", 0, 5, fan=1000, window=20),
    "fan-qos1": _flow("1 publisher to 100 subscribers, 1 in flight", 1, fan=100),
    "connect": Shape(
        "CONNECT, full handshake, 20 at once", "connect", {"processes": 20}, "connections/s", of_mosquitto=1.5
    ),
}

COMPARED = {
    "websocket": Comparison("50 pairs, 1 in flight each, QoS 0: WebSocket", "pairs-qos0", "websocket", 0.6),
    "websocket-window": Comparison(
        "50 pairs, 20 in flight each, QoS 0: WebSocket", "window-qos0", "websocket", 0.6
    ),
    "sinks": Comparison(
        "50 pairs, 1 in flight each, QoS 0: ten idle sinks", "pairs-qos0", "sinks", 0.97, times=2
    ),
    "sinks-window": Comparison(
        "50 pairs, 20 in flight each, QoS 0: ten idle sinks", "window-qos0", "sinks", 0.97, times=2
    ),
}

DURABLE = {
    "durable-away": Durable(
        "50 publishers, 20 in flight each, to one session that is away",
        {"pairs": 50, "fan": 0, "window": 20, "qos": 1, "payload": PAYLOAD, "away": 1},
        5_000,
    ),
    "durable-pairs": Durable(
        "50 publishers, 20 in flight each, to 50 sessions that are here, one each",
        {"pairs": 50, "fan": 1, "window": 20, "qos": 1, "payload": PAYLOAD, "persistent": 1},
        3_000,
        "publishes/s",
    ),
    "durable-fan": Durable(
        "1 publisher, 20 in flight, to 50 sessions that are here, all of them",
        {"pairs": 1, "fan": 50, "window": 20, "qos": 1, "payload": PAYLOAD, "persistent": 1},
        3_000,
        "publishes/s",
    ),
}

PACED = _flow("250 pairs (500 connections)", 0, pairs=250)
"""Its top rate is measured with one in flight each."""

PACED_ASKED = 2.0
"""The most that Sekisho's 99th percentile may be of mosquitto's."""

IDLE_ASKED = 48.0
"""KiB for each idle connection, at most."""

NAMES = (*SHAPES, *COMPARED, *DURABLE, "latency", "idle")


def measure(
    load: Path, shape: Shape, broker: Broker, seconds: float, extra: Mapping[str, object] = {}
) -> Measurement:
    """One run of ``load`` against ``broker``; BenchError if anything was refused, lost or closed."""
    watch = {"watch": broker.process} if shape.mode == "flow" else {}
    options = {"seconds": seconds, **watch, **shape.options, **extra}
    command = _command(load, shape.mode, broker, options)
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + LOAD_PATIENCE)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{broker.name}, {shape.title}: no result in time") from None
    if run.returncode:
        raise BenchError(f"{broker.name}, {shape.title}: {run.stderr.strip()}")
    values = _values(run.stdout)
    p50, p99, cpu = (float(values[n]) if n in values else None for n in ("p50_us", "p99_us", "cpu_us"))
    return Measurement(float(values["per_second"]), p50, p99, values["tls"], cpu)


def measure_durable(load: Path, durable: Durable, node: Broker, seconds: float) -> Measurement:
    """As :func:`measure`; the figure is of publishes, to however many sessions."""
    found = measure(load, Shape(durable.title, "flow", durable.options), node, seconds)
    return found._replace(per_second=found.per_second / (durable.options["fan"] or 1))


@contextmanager
def idle_clients(load: Path, broker: Broker, count: int, processes: int, filter: str = "") -> Iterator[None]:
    """``count`` clients, connected as long as this lasts; the nth subscribes to ``filter``/n if there is one.

    At the end each of them must answer: BenchError if one has been dropped.
    """
    options = {"connections": count, "processes": processes, **({"filter": filter} if filter else {})}
    command = _command(load, "idle", broker, options)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        try:
            if run.stdout.readline():
                yield
        except BaseException:
            run.kill()
            raise
        answer, errors = run.communicate(timeout=LOAD_PATIENCE + count / 100)
        if run.returncode or _values(answer).get("answered") != str(count):
            raise BenchError(f"{broker.name}, {count:,} idle connections: {errors.strip()}")


def _command(load: Path, mode: str, broker: Broker, options: Mapping[str, object]) -> list[str]:
    where: dict[str, object] = {"port": broker.port, "name": NAME}
    if "websocket" not in options:  # there the signature says who it is
        where |= {"cert": broker.client, "key": broker.client_key}
    command = [str(load), mode]
    for name, value in (where | dict(options)).items():
        command += [f"--{name}", str(value)]
    return command


def _values(line: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in line.split())
