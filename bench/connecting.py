"""Does a CONNECT cost the same whether a thousand certificates are registered without their CA, or a million?

``python bench/connecting.py [--few N] [--many N] [--devices N] [--set key=value]``

Devices connect one after another, each once, with a certificate of its own that the node has not seen at its
door before: nothing that it keeps in memory helps. The rest of the certificates are copies of a row under
other ids, put into the SQLite database from outside.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import sqlite3
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from brokers import Broker, sekisho
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from fleet import ANYTHING, Client
from papers import make_papers
from report import machine

SETTLE = 1.5
"""Seconds after which the node has nothing left to do for what was registered."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure CONNECT among many registered certificates.")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--devices", type=int, default=300, help="of each measurement")
    parser.add_argument("--set", action="append", default=[], help="key=value, a setting of the node")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as temporary:
        folder = Path(temporary)
        print(*(f"- {fact}" for fact in machine(folder)), sep="\n", flush=True)
        with sekisho(folder, make_papers(folder), options.set) as node:
            iot = boto3.Session().client("iot")
            iot.create_policy(policyName="any", policyDocument=ANYTHING)
            database = folder / "sekisho" / "sekisho.db"
            measure(iot, node, folder, "first", options.devices)  # what the first of all brings
            for tag, wanted in (("few", options.few), ("many", options.many), ("again", options.many)):
                fill(database, wanted)
                cpu, median, p99 = measure(iot, node, folder, tag, options.devices)
                print(
                    f"- {count(database):,} certificates: {cpu:.0f} µs of the node's CPU for each CONNECT; "
                    f"TLS and CONNECT together, median {median:.2f} ms, 99th percentile {p99:.2f} ms",
                    flush=True,
                )
    return 0


def measure(iot: Any, node: Broker, folder: Path, tag: str, devices: int) -> tuple[float, float, float]:
    """Microseconds of CPU for each CONNECT, and the median and 99th percentile of its milliseconds."""
    contexts = [device(iot, folder, f"{tag}-{n}") for n in range(devices)]
    time.sleep(SETTLE)
    before, trips = cpu_seconds(node.process), []
    for n, context in enumerate(contexts):
        began = time.perf_counter()
        Client(node.port, context, f"{tag}-{n}").close()
        trips.append((time.perf_counter() - began) * 1e3)
    spent = cpu_seconds(node.process) - before
    trips.sort()
    return spent / devices * 1e6, trips[devices // 2], trips[devices * 99 // 100]


def device(iot: Any, folder: Path, name: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1)).not_valid_after(
        now + datetime.timedelta(99)
    )
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    made = iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
    iot.attach_policy(policyName="any", target=made["certificateArn"])
    file = folder / f"{name}.pem"
    file.write_text(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    context = ssl.create_default_context(cafile=os.environ["SEKISHO_CA"])
    context.load_cert_chain(file)
    return context


def fill(database: Path, wanted: int) -> None:
    """Copy a certificate's row until there are so many."""
    connection = sqlite3.connect(database, timeout=60)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(resource)")]
    found = connection.execute("SELECT * FROM resource WHERE kind = 'cert' LIMIT 1").fetchone()
    row = dict(zip(columns, found, strict=True))
    there = count(database)

    def copies() -> Iterator[list[Any]]:
        for n in range(there, wanted):
            yield list((row | {"id": hashlib.sha256(str(n).encode()).hexdigest()}).values())

    marks = ", ".join("?" * len(columns))
    with connection:
        connection.executemany(f"INSERT INTO resource ({', '.join(columns)}) VALUES ({marks})", copies())
    connection.close()


def count(database: Path) -> int:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    number: int = connection.execute("SELECT COUNT(*) FROM resource WHERE kind = 'cert'").fetchone()[0]
    connection.close()
    return number


def cpu_seconds(process: int) -> float:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


if __name__ == "__main__":
    sys.exit(main())
