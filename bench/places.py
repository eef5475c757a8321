"""What many accounts cost a node that has nothing to do.

``python bench/places.py [--accounts N] [--regions N] [--seconds N]``: processor time that an idle node takes
in a second, with one account and with many.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from nodes import running

TICKS = os.sysconf("SC_CLK_TCK")
REGIONS = ["us-east-1", "eu-west-1", "ap-northeast-1", "us-west-2"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--regions", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    settings = [f"regions={','.join(REGIONS[: options.regions])}"]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "node", *settings) as node:
        print(f"1 account: {idle(node.process.pid, options.seconds):.1f} ms a second")
        node.stop()
        with sqlite3.connect(node.data / "sekisho.db") as connection:
            connection.executemany(
                "INSERT INTO resource (account, region, kind, id, version, body, created, updated) "
                "VALUES ('', '', 'account', ?, 1, ?, 1.0, 1.0)",
                (
                    (id, f'{{"accountId":"{id}"}}')
                    for id in (f"{number:012d}" for number in range(1, options.accounts))
                ),
            )
        connection.close()
        start = time.monotonic()
        node.start()
        print(f"start with {options.accounts} accounts: {time.monotonic() - start:.1f} s")
        each = idle(node.process.pid, options.seconds)
        print(f"{options.accounts} accounts in {options.regions} regions: {each:.1f} ms a second")
    return 0


def idle(pid: int, seconds: float) -> float:
    """Milliseconds of processor time that a process uses in a second."""
    time.sleep(2.0)
    before, begun = cpu(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu(pid) - before) * 1000 / (time.monotonic() - begun)


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    sys.exit(main())
