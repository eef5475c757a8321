"""Measurements as Markdown, and the place in the documentation that keeps them."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from brokers import BenchError, find_program
from OpenSSL import SSL
from rounds import Found, Runs, sync_microseconds
from shapes import COMPARED, DURABLE, IDLE_ASKED, PACED, PACED_ASKED, SHAPES, Measurement

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def machine(folder: Path) -> list[str]:
    """What the figures depend on, a line each; ``folder`` is where the node keeps its database."""
    cpus = len(os.sched_getaffinity(0))
    mosquitto = subprocess.run(
        [find_program("mosquitto", "mosquitto"), "-h"], capture_output=True, text=True
    ).stdout.partition("\n")[0]
    node = ", ".join(f"{name} {version(name)}" for name in ("pyOpenSSL", "cryptography", "uvloop"))
    return [
        f"Machine: {cpus} × {_cpu_model()}, Linux {platform.release()}; "
        f"load average of the minute before: {os.getloadavg()[0]:.2f}",
        f"Sekisho {version('sekisho')}, {_build()}: Python {platform.python_version()}, built "
        f"{platform.python_build()[1]}, {node}, "
        f"{SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode()}",
        f"Disk of the database: {_file_system(folder)}, a durable write of 4 KiB takes "
        f"{sync_microseconds(folder):,.0f} µs",
        f"{mosquitto}; it and the floor: {ssl.OPENSSL_VERSION}",
    ]


def _build() -> str:
    found = find_spec("sekisho.mqtt.connection")
    plain = found is None or (found.origin or "").endswith(".py")
    return "plain Python" if plain else "compiled (`make compiled`)"


def tls_lines(negotiated: Mapping[str, set[str]]) -> list[str]:
    """What each broker negotiated, so that a difference cannot go unseen."""
    if not negotiated:
        return []
    sets = {frozenset(tls) for tls in negotiated.values()}
    if len(sets) == 1:
        return [f"TLS, the same for all: {_words(next(iter(sets)))}"]
    return [f"TLS of {broker}: {_words(tls)}" for broker, tls in negotiated.items()]


def rate_table(runs: Runs) -> list[str]:
    """Medians a second, and medians of the rounds' ratios with the lowest and the highest behind them.

    A round's figures are seconds apart, the medians of the figures may be minutes apart: on a busy machine
    the ratio of two medians says less than the median of the ratios.
    """
    rows = [
        "| shape | unit | mosquitto | Sekisho | Sekisho / mosquitto | asked "
        "| floor | Sekisho / floor | asked |",
        "|---|---|--:|--:|--:|---|--:|--:|---|",
    ]
    for name, brokers in runs.items():
        shape = SHAPES[name]
        rates = {broker: [m.per_second for m in found] for broker, found in brokers.items()}
        of_mosquitto = _ratios(rates["Sekisho"], rates["mosquitto"])
        of_floor = _ratios(rates["Sekisho"], rates["floor"])
        rows.append(
            f"| {shape.title} | {shape.unit} | {median(rates['mosquitto']):,.0f} "
            f"| {median(rates['Sekisho']):,.0f} "
            f"| {_spread(of_mosquitto)} | {_least(of_mosquitto, shape.of_mosquitto)} "
            f"| {median(rates['floor']):,.0f} "
            f"| {_spread(of_floor)} | {_least(of_floor, shape.of_floor)} |"
        )
    return rows if runs else []


def trip_table(runs: Runs) -> list[str]:
    """Medians over the rounds of each round's 50th and 99th percentile, and of a broker's CPU per message."""
    rows = [
        "| µs | round trip, 50th / 99th percentile: mosquitto | Sekisho | floor "
        "| CPU per message: mosquitto | Sekisho | floor |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, brokers in runs.items():
        if SHAPES[name].mode == "flow":
            found = [brokers[broker] for broker in ("mosquitto", "Sekisho", "floor")]
            cells = [*map(_trip, found), *map(_cpu, found)]
            rows.append(f"| {SHAPES[name].title} | {' | '.join(cells)} |")
    return rows if len(rows) > 2 else []


def own_table(found: Found) -> list[str]:
    """Sekisho beside itself: what another door, or more sinks, cost."""
    rows = [
        "| Sekisho alone | unit | plainly, over TLS | so | ratio | loses | asked | CPU per message, µs |",
        "|---|---|--:|--:|--:|--:|---|--:|",
    ]
    for name, pairs in found.compared.items():
        comparison = COMPARED[name]
        plain, so = ([pair[i].per_second for pair in pairs] for i in (0, 1))
        ratios = _ratios(so, plain)
        rows.append(
            f"| {comparison.title} | {SHAPES[comparison.base].unit} "
            f"| {median(plain):,.0f} | {median(so):,.0f} | {_spread(ratios)} "
            f"| {1 - median(ratios):.1%} | {_least(ratios, comparison.asked)} "
            f"| {_cpu([pair[0] for pair in pairs])} → {_cpu([pair[1] for pair in pairs])} |"
        )
    return rows if found.compared else []


def beside_table(found: Found) -> list[str]:
    """What is asked in absolute figures, and the latency under half the load."""
    rows = ["| beside them | unit | mosquitto | Sekisho | asked |", "|---|---|--:|--:|---|"]
    for name, measurements in found.durable.items():
        durable = DURABLE[name]
        rates = [m.per_second for m in measurements]
        spread = f" ({min(rates):,.0f}–{max(rates):,.0f})" if len(rates) > 1 else ""
        rows.append(
            f"| durable, QoS 1: {durable.title} | {durable.unit} | – | {median(rates):,.0f}{spread} "
            f"| {_verdict('≥', f'{durable.asked:,.0f}', median(rates) >= durable.asked)} |"
        )
    if found.latency:
        ours, theirs = ([m.p99 or 0.0 for m in found.latency[name]] for name in ("Sekisho", "mosquitto"))
        ratios = _ratios(ours, theirs)
        rows.append(
            f"| latency, 50th / 99th percentile: {PACED.title}, "
            f"{median(found.latency_rates):,.0f} messages/s | µs | {_trip(found.latency['mosquitto'])} "
            f"| {_trip(found.latency['Sekisho'])}; 99th: {_spread(ratios)} × mosquitto's "
            f"| {_verdict('≤', f'{PACED_ASKED:g} × mosquitto', median(ratios) <= PACED_ASKED)} |"
        )
    if found.idle:
        ours, theirs = found.idle["Sekisho"], found.idle["mosquitto"]
        at_the_end = f"; after {ours.seconds:g} s {ours.held:.1f}" if ours.seconds else ""
        most = max(ours.opened, ours.held)
        rows.append(
            f"| memory per idle connection, {ours.connections:,} of them | KiB | {theirs.opened:.1f} "
            f"| {ours.opened:.1f}{at_the_end} "
            f"| {_verdict('≤', f'{IDLE_ASKED:g}', most <= IDLE_ASKED)} |"
        )
    return rows if len(rows) > 2 else []


def write_between_marks(path: Path, lines: Sequence[str]) -> None:
    """Replace what is between the two marks in the file; BenchError if they are not there."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BenchError(f"{path}: it needs the lines {BEGIN} and {END}")
    path.write_text("\n".join([before + BEGIN, *lines, END]) + after)


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _spread(ratios: Sequence[float]) -> str:
    spread = f" ({min(ratios):.2f}–{max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{median(ratios):.2f}{spread}"


def _least(ratios: Sequence[float], asked: float | None) -> str:
    return "–" if asked is None else _verdict("≥", f"{asked:g}", median(ratios) >= asked)


def _verdict(sign: str, asked: str, is_met: bool) -> str:
    return f"{sign} {asked}" if is_met else f"{sign} {asked}: **short**"


def _cpu(measurements: Sequence[Measurement]) -> str:
    return f"{median(m.cpu for m in measurements if m.cpu is not None):.1f}"


def _trip(measurements: Sequence[Measurement]) -> str:
    p50 = [m.p50 for m in measurements if m.p50 is not None]
    p99 = [m.p99 for m in measurements if m.p99 is not None]
    return f"{median(p50):,.0f} / {median(p99):,.0f}" if p50 and p99 else "–"


def _words(tls: set[str] | frozenset[str]) -> str:
    return "; ".join(sorted(one.replace(",", ", ") for one in tls))


def _file_system(folder: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(folder)]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
