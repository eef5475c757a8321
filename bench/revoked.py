"""The node's revocation list when much is revoked: how long a list takes, and what others notice of it.

``python bench/revoked.py [--revoked N]``: so many serial numbers are written into the database of a node
that is stopped. The list is then asked for, once to be made and once as it is kept, while another client
asks for the node's health over and over: the longest answer says how long the event loop stood still.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sqlite3
import ssl
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cryptography import x509

from nodes import running
from sekisho.keyring import open_keyring
from sekisho.logic.certificates import certificate_id

INSERT = (
    "INSERT INTO resource (account, region, kind, id, version, body, created, updated) "
    "VALUES ('', '', 'revocation', ?, 1, ?, ?, ?)"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--revoked", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "node") as node:
        node.stop()
        keyring = open_keyring(f"file:{node.data / 'keyring.json'}", _never)
        fill(node.data / "sekisho.db", certificate_id(keyring.ca), options.revoked)
        node.start()
        context = ssl.create_default_context(cafile=node.ca)
        host, port = node.address("https")

        def get(path: str) -> bytes:
            with urllib.request.urlopen(f"https://{host}:{port}{path}", context=context) as answer:
                return bytes(answer.read())

        before = peak(node.process.pid)
        for what in ("made", "kept"):
            with Pulse(node) as pulse:
                start = time.monotonic()
                found = get("/_sekisho/crl/ca.crl")
                seconds = time.monotonic() - start
            print(
                f"{what}: {len(found) / 1e6:.1f} MB in {seconds:.2f} s; the longest health check "
                f"{pulse.longest * 1000:.0f} ms, the median {pulse.median * 1000:.1f} ms"
            )
        count = len(x509.load_der_x509_crl(found))
        print(f"{count} entries; peak memory of the node: {before} MB before, {peak(node.process.pid)} after")
    return 0


def fill(database: Path, issuer: str, count: int) -> None:
    now = time.time()
    body = json.dumps({"certificateId": "0" * 64, "issuer": issuer, "revokedAt": now})
    rows = ((f"{secrets.randbits(159):040x}", body, now, now) for _ in range(count))
    with sqlite3.connect(database) as connection:
        connection.executemany(INSERT, rows)
    connection.close()


class Pulse:
    """Asks for the node's health every few milliseconds on a connection of its own."""

    def __init__(self, node: object) -> None:
        self._node = node
        self._done = threading.Event()
        self._times: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        import http.client

        connection = http.client.HTTPConnection(*self._node.address("api"))  # type: ignore[attr-defined]
        while not self._done.is_set():
            start = time.monotonic()
            connection.request("GET", "/_sekisho/health")
            connection.getresponse().read()
            self._times.append(time.monotonic() - start)
            time.sleep(0.002)

    def __enter__(self) -> Pulse:
        self._thread.start()
        time.sleep(0.3)
        self._times.clear()
        return self

    def __exit__(self, *error: object) -> None:
        time.sleep(0.3)
        self._done.set()
        self._thread.join()

    @property
    def longest(self) -> float:
        return max(self._times)

    @property
    def median(self) -> float:
        return sorted(self._times)[len(self._times) // 2]


def peak(pid: int) -> int:
    """Megabytes of the largest resident size so far."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024


def _never() -> object:
    raise AssertionError("the node has a keyring")


if __name__ == "__main__":
    sys.exit(main())
