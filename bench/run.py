"""A Sekisho node beside mosquitto and a floor: same machine, same run, alternating rounds, medians.

``python bench/run.py [--quick] [--rounds N] [--seconds S] [--shape NAME] [--set key=value] [--write]``
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from brokers import BenchError, Broker, find_program, floor, mosquitto, sekisho
from papers import make_papers
from report import machine, rate_table, tls_lines, trip_table, write_between_marks
from shapes import SHAPES, Measurement, measure

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"

ROUNDS, SECONDS = 5, 0.8
"""Many short rounds: the machine's other work then falls on all three alike."""
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.6


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
    parser.add_argument("--shape", action="append", choices=SHAPES, help="only this one; may be repeated")
    parser.add_argument("--set", action="append", default=[], help="key=value, a setting of the node")
    parser.add_argument("--write", action="store_true", help="put the result into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    if options.rounds is None:
        options.rounds = QUICK_ROUNDS if options.quick else ROUNDS
    if options.seconds is None:
        options.seconds = QUICK_SECONDS if options.quick else SECONDS
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("there is at least one round, of more than 0 seconds")
    return options


def _run(options: argparse.Namespace, command: str) -> None:
    load, floor_program = _compile("load"), _compile("floor")
    facts = machine()
    print(*facts, sep="\n", flush=True)
    names = [name for name in SHAPES if options.shape is None or name in options.shape]
    runs: dict[str, dict[str, list[Measurement]]] = {name: {} for name in names}
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        papers = make_papers(folder)
        brokers: list[Broker] = [
            stack.enter_context(mosquitto(folder, papers)),
            stack.enter_context(sekisho(folder, papers, options.set)),
            stack.enter_context(floor(folder, papers, floor_program)),
        ]
        for number in range(options.rounds):
            for name in names:
                line = [f"round {number + 1}/{options.rounds}, {SHAPES[name].title}:"]
                # Nobody is always the first, when the machine is cool, or always the last.
                turn = number % len(brokers)
                for broker in brokers[turn:] + brokers[:turn]:
                    found = measure(load, SHAPES[name], broker, options.seconds)
                    runs[name].setdefault(broker.name, []).append(found)
                    line.append(f"{broker.name} {found.per_second:,.0f}/s")
                print(*line, flush=True)
    facts += [
        *tls_lines(runs),
        f"Command: `{command}`; rounds: {options.rounds}; each measurement: {options.seconds:g} s. "
        "Figures and ratios are medians over the rounds; in brackets the lowest and highest ratio of a round",
    ]
    tables = [[f"- {fact}" for fact in facts], rate_table(runs), trip_table(runs)]
    lines = [line for table in tables if table for line in ["", *table]]
    print(*lines, sep="\n")
    if options.write:
        write_between_marks(DOCUMENT, [*lines, ""])
        print(f"\nwritten to {DOCUMENT.relative_to(HERE.parent)}")


def _compile(name: str) -> Path:
    """``bench/bin/name`` from ``bench/name.c``, if it is older."""
    source, program = HERE / f"{name}.c", HERE / "bin" / name
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    program.parent.mkdir(exist_ok=True)
    command = [
        find_program("cc", "gcc libc6-dev"),
        "-O2",
        "-Wall",
        "-Wextra",
        "-o",
        str(program),
        str(source),
    ]
    done = subprocess.run([*command, "-lssl", "-lcrypto"], capture_output=True, text=True)
    if done.returncode:
        hint = "; on Debian: apt-get install libssl-dev libc6-dev" if "No such file" in done.stderr else ""
        raise BenchError(f"{source.name} does not compile{hint}\n{done.stderr.strip()}")
    return program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
