"""A Sekisho node beside mosquitto and a floor: same machine, same run, alternating rounds, medians.

``python bench/run.py [--quick] [--rounds N] [--seconds S] [--shape NAME] [--set key=value] [--write]``

``--shape idle [--connections N] [--hold S]`` is how many idle connections a broker holds, and what one takes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from brokers import BenchError, Broker, find_program, floor, mosquitto, raise_file_limit, sekisho
from papers import make_papers
from report import (
    beside_table,
    machine,
    own_table,
    rate_table,
    tls_lines,
    trip_table,
    write_between_marks,
)
from rounds import Bench
from shapes import NAMES

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"

ROUNDS, SECONDS = 5, 0.7
"""Many short rounds: the machine's other work then falls on all three alike."""
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.4

CONNECTIONS, QUICK_CONNECTIONS = 2000, 500
"""Idle ones."""

MOST_HOLD = 1200
"""Seconds: the keep alive of the idle clients, who say nothing until the end."""

MOST_FILES = 1300
"""What the widest shape needs in a broker, and some."""


def main(arguments: Sequence[str]) -> int:
    options = _parse(arguments)
    try:
        _run(options, shlex.join(["python", "bench/run.py", *arguments]))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure a node beside mosquitto and a floor.")
    parser.add_argument("--quick", action="store_true", help="one short round; for a first impression")
    parser.add_argument("--rounds", type=int, help=f"rounds of all shapes (default {ROUNDS})")
    parser.add_argument("--seconds", type=float, help=f"length of a measurement (default {SECONDS})")
    parser.add_argument("--shape", action="append", choices=NAMES, help="only this one; may be repeated")
    parser.add_argument("--connections", type=int, help=f"idle ones (default {CONNECTIONS})")
    parser.add_argument("--hold", type=float, default=0, help="seconds that they are held (default 0)")
    parser.add_argument("--set", action="append", default=[], help="key=value, a setting of the node")
    parser.add_argument("--write", action="store_true", help="put the result into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    if options.rounds is None:
        options.rounds = QUICK_ROUNDS if options.quick else ROUNDS
    if options.seconds is None:
        options.seconds = QUICK_SECONDS if options.quick else SECONDS
    if options.connections is None:
        options.connections = QUICK_CONNECTIONS if options.quick else CONNECTIONS
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("there is at least one round, of more than 0 seconds")
    if options.connections < 1 or not 0 <= options.hold <= MOST_HOLD:
        parser.error(f"there is at least one idle connection, held for at most {MOST_HOLD} seconds")
    return options


def _run(options: argparse.Namespace, command: str) -> None:
    light = BORINGSSL.headers.is_dir()
    load = _compile("load", "client", "flow", "idle", tls=BORINGSSL if light else OPENSSL)
    floor_program = _compile("floor")
    names = [name for name in NAMES if options.shape is None or name in options.shape]
    raise_file_limit(max(MOST_FILES, options.connections + 200 if "idle" in names else 0))
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        facts = [*machine(folder), f"The load: {LIGHT if light else HEAVY}"]
        print(*facts, sep="\n", flush=True)
        papers = make_papers(folder)
        brokers: list[Broker] = [
            stack.enter_context(mosquitto(folder, papers)),
            stack.enter_context(sekisho(folder, papers, options.set)),
            stack.enter_context(floor(folder, papers, floor_program)),
        ]
        bench = Bench(load, names, brokers, options.seconds)
        if "idle" in names:
            bench.idle(options.connections, options.hold)
        if names != ["idle"]:
            for number in range(options.rounds):
                bench.round(number, options.rounds)
    found = bench.found
    facts += [
        *tls_lines(found.tls()),
        f"Command: `{command}`; rounds: {options.rounds}; each measurement: {options.seconds:g} s. "
        "Figures and ratios are medians over the rounds; in brackets the lowest and highest of a round",
        f"Load average of the last minute: {os.getloadavg()[0]:.2f}; the run itself makes about 2 of it",
    ]
    tables = [
        [f"- {fact}" for fact in facts],
        rate_table(found.shapes),
        own_table(found),
        beside_table(found),
        trip_table(found.shapes),
    ]
    lines = [line for table in tables if table for line in ["", *table]]
    print(*lines, sep="\n")
    if options.write:
        write_between_marks(DOCUMENT, [*lines, ""])
        print(f"\nwritten to {DOCUMENT.relative_to(HERE.parent)}")


class Tls(NamedTuple):
    """A TLS library of the system: its own name, where its headers are, and how a program finds the rest."""

    name: str
    headers: Path
    flags: tuple[str, ...]


OPENSSL = Tls("openssl", Path("/usr/include/openssl"), ())
_ANDROID = f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/android"
BORINGSSL = Tls(
    "boringssl",
    Path("/usr/include/android/openssl"),
    ("-I/usr/include/android", f"-L{_ANDROID}", f"-Wl,-rpath,{_ANDROID}"),
)

LIGHT = "BoringSSL, whose handshake costs a client half of OpenSSL's"
HEAVY = (
    "OpenSSL, which costs it as much as a broker; with Debian's android-libboringssl-dev installed it would "
    "be lighter, and the brokers would be what CONNECT measures"
)


def _compile(name: str, *parts: str, tls: Tls = OPENSSL) -> Path:
    """``bench/bin/name-tls`` from ``bench/name.c`` and its parts, if it is older than any file in C."""
    sources, program = [HERE / f"{part}.c" for part in (name, *parts)], HERE / "bin" / f"{name}-{tls.name}"
    newest = max(file.stat().st_mtime for file in HERE.glob("*.[ch]"))
    if program.exists() and program.stat().st_mtime > newest:
        return program
    program.parent.mkdir(exist_ok=True)
    command = [find_program("cc", "gcc libc6-dev"), "-O2", "-Wall", "-Wextra", "-o", str(program)]
    command += [*map(str, sources), *tls.flags, "-lssl", "-lcrypto", "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        hint = "; on Debian: apt-get install libssl-dev libc6-dev" if "No such file" in done.stderr else ""
        raise BenchError(f"{name} does not compile{hint}\n{done.stderr.strip()}")
    return program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
