"""`python -m fuzz [--seconds N] [TARGET …]`: hunt, then keep the inputs that reach something of their own.

Needs atheris, so it has a virtual environment of its own (`make fuzz`). Begins with what is kept and the
named cases. An input that breaks a target is left in the work folder, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from fuzz.corpus import TARGETS, load, store
from fuzz.seeds import seeds

HUNT = Path(__file__).parent / "hunt.py"
LONGEST = 600
"""Bytes of an input."""

KEPT = 256
"""Bytes of one that is kept: the rest is cut off."""


def hunt(target: str, *arguments: str) -> int:
    """One run of libFuzzer; its exit status."""
    limits = (f"-max_len={LONGEST}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1")
    return subprocess.run([sys.executable, str(HUNT), target, *limits, *arguments], check=False).returncode


def run(target: str, seconds: int, work: Path) -> int:
    found, kept = work / target / "found", work / target / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    for folder in (found, kept):
        folder.mkdir(parents=True, exist_ok=True)
    for data in (*load(target), *seeds(target)):
        (found / hashlib.sha1(data).hexdigest()).write_bytes(data)
    broken = hunt(target, f"-max_total_time={seconds}", f"-artifact_prefix={work / target}/", str(found))
    if broken:
        return broken
    broken = hunt(target, "-merge=1", f"-max_len={KEPT}", str(kept), str(found))
    if not broken:
        store(target, [path.read_bytes() for path in kept.iterdir()])
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--work", type=Path, default=Path(".venv-fuzz/work"))
    parser.add_argument("targets", nargs="*", default=list(TARGETS), metavar="TARGET")
    chosen = parser.parse_args()
    broken = [target for target in chosen.targets if run(target, chosen.seconds, chosen.work)]
    for target in broken:
        print(f"{target}: an input breaks it; see {chosen.work / target}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
