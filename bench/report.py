"""Measurements as Markdown, and the place in the documentation that keeps them."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from brokers import BenchError, find_program
from OpenSSL import SSL
from shapes import SHAPES, Measurement

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

Runs = Mapping[str, Mapping[str, Sequence[Measurement]]]
"""Shape's name → broker's name → one measurement a round, in order."""


def machine() -> list[str]:
    """What the figures depend on, a line each."""
    cpus = len(os.sched_getaffinity(0))
    mosquitto = subprocess.run(
        [find_program("mosquitto", "mosquitto"), "-h"], capture_output=True, text=True
    ).stdout.partition("\n")[0]
    node = ", ".join(f"{name} {version(name)}" for name in ("pyOpenSSL", "cryptography", "uvloop"))
    return [
        f"Machine: {cpus} × {_cpu_model()}, Linux {platform.release()}; "
        f"load average of the minute before: {os.getloadavg()[0]:.2f}",
        f"Sekisho {version('sekisho')}: Python {platform.python_version()}, {node}, "
        f"{SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode()}",
        f"{mosquitto}; it, the floor and the load: {ssl.OPENSSL_VERSION}",
    ]


def tls_lines(runs: Runs) -> list[str]:
    """What each broker negotiated, so that a difference cannot go unseen."""
    negotiated: dict[str, set[str]] = {}
    for brokers in runs.values():
        for broker, measurements in brokers.items():
            negotiated.setdefault(broker, set()).update(m.tls for m in measurements)
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
        "| shape | unit | mosquitto | Sekisho | Sekisho / mosquitto | floor | Sekisho / floor |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name, brokers in runs.items():
        shape = SHAPES[name]
        rates = {broker: [m.per_second for m in found] for broker, found in brokers.items()}
        rows.append(
            f"| {shape.title} | {shape.unit} | {median(rates['mosquitto']):,.0f} "
            f"| {median(rates['Sekisho']):,.0f} | {_ratio(rates['Sekisho'], rates['mosquitto'])} "
            f"| {median(rates['floor']):,.0f} | {_ratio(rates['Sekisho'], rates['floor'])} |"
        )
    return rows


def trip_table(runs: Runs) -> list[str]:
    """Medians over the rounds of each round's 50th and 99th percentile; nothing if no shape has them."""
    rows = [
        "| round trip, 50th / 99th percentile in µs | mosquitto | Sekisho | floor |",
        "|---|--:|--:|--:|",
    ]
    for name, brokers in runs.items():
        cells = [_trip(brokers[broker]) for broker in ("mosquitto", "Sekisho", "floor")]
        if all(cells):
            rows.append(f"| {SHAPES[name].title} | {' | '.join(cells)} |")
    return rows if len(rows) > 2 else []


def write_between_marks(path: Path, lines: Sequence[str]) -> None:
    """Replace what is between the two marks in the file; BenchError if they are not there."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BenchError(f"{path}: it needs the lines {BEGIN} and {END}")
    path.write_text("\n".join([before + BEGIN, *lines, END]) + after)


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    each = [a / b for a, b in zip(ours, theirs, strict=True)]
    spread = f" ({min(each):.2f}–{max(each):.2f})" if len(each) > 1 else ""
    return f"{median(each):.2f}{spread}"


def _trip(measurements: Sequence[Measurement]) -> str:
    p50 = [m.p50 for m in measurements if m.p50 is not None]
    p99 = [m.p99 for m in measurements if m.p99 is not None]
    return f"{median(p50):,.0f} / {median(p99):,.0f}" if p50 and p99 else ""


def _words(tls: set[str] | frozenset[str]) -> str:
    return "; ".join(sorted(one.replace(",", ", ") for one in tls))


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
