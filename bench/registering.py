"""How fast certificates are registered without their CA, and things made: signed requests, made beforehand
and replayed.

``python bench/registering.py [--operation NAME] [--count N] [--connections N] [--moto PATH-OF-moto_server]
[--set key=value]``; the operation is RegisterCertificateWithoutCA or CreateThing.

The client writes bytes and reads a status; boto3 itself is measured beside it, as the most that one of its
processes asks for. Server CPU is the node's process with its children, per request, signature check and the
commit to SQLite (``synchronous=FULL``) included. With ``--moto`` a moto server in a process of its own
answers the same requests; it checks no signature and has no disk.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from report import machine

from sekisho.cli.commands import read_credentials

PATIENCE = 30.0
WARM = 200
"""Requests before the measurement."""
ASKED_RATE, ASKED_CPU = 1000, 0.8
"""A second, and milliseconds of the server's CPU each."""

KEY = ec.generate_private_key(ec.SECP256R1())


class Server(NamedTuple):
    name: str
    port: int
    process: int
    credentials: Credentials


@contextmanager
def sekisho(folder: Path, settings: Sequence[str]) -> Iterator[Server]:
    data = folder / "node"
    command = [sys.executable, "-c", "from sekisho.cli import main; main()", "up", "--data", str(data)]
    command += ["--mqtt-port", "0", "--https-port", "0", "--api-port", "0"]
    for setting in settings:
        command += ["--set", setting]
    with _running(command, folder / "node.log") as process:
        endpoints = data / "endpoints.json"
        _until(endpoints.exists, process, folder / "node.log")
        port = int(json.loads(endpoints.read_text())["api"].rpartition(":")[2])
        yield Server("sekisho", port, process.pid, Credentials(*read_credentials(data)))


@contextmanager
def moto(folder: Path, program: str) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _running([program, "-H", "127.0.0.1", "-p", str(port)], folder / "moto.log") as process:
        _until(lambda: _answers(port), process, folder / "moto.log")
        yield Server("moto", port, process.pid, Credentials("AKIAEXAMPLE", "secret"))


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(ready, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"bench: it did not start:\n{log.read_text()}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- what is asked ---


def certificate(number: int) -> str:
    """A certificate as a vendor's part has it: P-256, three extensions."""
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"chip-{number}")])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Chips")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(KEY.public_key())
    builder = builder.serial_number(number + 1).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=3650))
    builder = builder.add_extension(x509.BasicConstraints(False, None), True)
    key_id = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
    builder = builder.add_extension(key_id, False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(KEY.public_key())
    builder = builder.add_extension(authority, False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


class Asked(NamedTuple):
    """A request's path, its body, and what boto3 is given for the same."""

    path: str
    body: dict[str, Any]
    members: dict[str, Any]


def registration(number: int) -> Asked:
    members = {"certificatePem": certificate(number), "status": "ACTIVE"}
    return Asked("/certificate/register-no-ca", members, members)


def thing(number: int) -> Asked:
    """A thing without a type has three attributes at most (AWS General Reference, AWS IoT quotas)."""
    attributes = {"model": f"m{number % 7}", "plant": f"plant-{number % 31}", "serial": f"SN{number:012}"}
    body = {"attributePayload": {"attributes": attributes}}
    name = f"thing-{number:09}"
    return Asked(f"/things/{name}", body, {"thingName": name, **body})


OPERATIONS = {"RegisterCertificateWithoutCA": registration, "CreateThing": thing}


def request(server: Server, asked: Asked) -> bytes:
    body = json.dumps(asked.body).encode()
    url = f"http://127.0.0.1:{server.port}{asked.path}"
    made = AWSRequest("POST", url, data=body, headers={"content-type": "application/json"})
    SigV4Auth(server.credentials, "iot", "us-east-1").add_auth(made)
    headers = "".join(f"{name}: {value}\r\n" for name, value in made.headers.items())
    head = f"POST {asked.path} HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def replay(port: int, requests: Sequence[bytes], connections: int) -> None:
    """Each connection asks for the next when it has its answer, and is made anew where the server closes it;
    whatever is not 200 ends the measurement."""

    async def one(mine: Sequence[bytes]) -> None:
        writer: asyncio.StreamWriter | None = None
        for message in mine:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(message)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise SystemExit(f"bench: refused: {head.decode()}{body.decode()}")
            if b"connection: close" in head:
                writer.close()
                writer = None
        if writer is not None:
            writer.close()

    await asyncio.gather(*(one(requests[start::connections]) for start in range(connections)))


def cpu_seconds(process: int) -> float:
    """Of a process and of its children that have ended or still run."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return total + sum(cpu_seconds(int(child)) for child in children)


class Result(NamedTuple):
    rate: float
    cpu_ms: float


def measure(server: Server, asked: Sequence[Asked], connections: int) -> Result:
    requests = [request(server, one) for one in asked]
    asyncio.run(replay(server.port, requests[:WARM], connections))
    requests = requests[WARM:]
    before, began = cpu_seconds(server.process), time.perf_counter()
    asyncio.run(replay(server.port, requests, connections))
    took = time.perf_counter() - began
    return Result(len(requests) / took, 1000 * (cpu_seconds(server.process) - before) / len(requests))


def by_boto3(server: Server, operation: str, asked: Sequence[Asked]) -> Result:
    """One process of boto3, one request after the other."""
    client = boto3.client(
        "iot",
        "us-east-1",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        aws_access_key_id=server.credentials.access_key,
        aws_secret_access_key=server.credentials.secret_key,
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    call = getattr(client, xform_name(operation))
    call(**asked[0].members)
    began, own = time.perf_counter(), time.process_time()
    for one in asked[1:]:
        call(**one.members)
    count = len(asked) - 1
    return Result(count / (time.perf_counter() - began), 1000 * (time.process_time() - own) / count)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Measure an operation of the control plane over HTTP.")
    parser.add_argument("--operation", choices=OPERATIONS, default="RegisterCertificateWithoutCA")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--moto", help="path of moto_server")
    parser.add_argument("--set", action="append", default=[], help="key=value, a setting of the node")
    options = parser.parse_args(arguments)
    if options.moto and not Path(options.moto).is_file():
        parser.error(f"there is no {options.moto}; make .venv-moto/.done installs it")
    make = OPERATIONS[options.operation]
    asked = [make(number) for number in range(options.count + WARM)]
    few = asked[: WARM + min(500, options.count)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("\n".join(machine(folder)))
        print(shlex.join(["python", "bench/registering.py", *arguments]))
        print(f"\n| {options.operation} | a second | asked | server CPU, ms | asked |\n|---|---|---|---|---|")
        with sekisho(folder, options.set) as node:
            ours = measure(node, asked, options.connections)
            more = [make(number) for number in range(len(asked), len(asked) + 300)]
            ceiling = by_boto3(node, options.operation, more)
        print(
            f"| Sekisho | {ours.rate:.0f} | {ASKED_RATE} | {ours.cpu_ms:.2f} | {ASKED_CPU} |\n"
            f"| one boto3, one request at a time | {ceiling.rate:.0f} | | client: {ceiling.cpu_ms:.2f} | |"
        )
        if options.moto:
            with moto(folder, options.moto) as other:
                theirs = measure(other, few, min(8, options.connections))
            print(f"| moto | {theirs.rate:.0f} | | {theirs.cpu_ms:.2f} | |")
            print(f"\nSekisho / moto: {ours.rate / theirs.rate:.1f} × (5 × asked)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
