"""The three that are measured, each a process of its own with mutual TLS on a free port of the loopback."""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from papers import ACCESS_LIST, NAME, Papers, policy

START_PATIENCE = 30.0
"""Seconds until a broker must accept connections; then seconds until it must have stopped."""


class BenchError(Exception):
    """Something that the benchmark needs is missing or failed; the text says what."""


@dataclass(frozen=True)
class Broker:
    name: str
    port: int
    client: Path
    client_key: Path
    process: int
    """Its process's id."""
    https_port: int = 0
    """Where a Sekisho node has WebSockets."""


@contextmanager
def mosquitto(folder: Path, papers: Papers) -> Iterator[Broker]:
    """Checks what a node checks (certificate, client id, topics); no limits on queues, no log, no disk."""
    program = find_program("mosquitto", "mosquitto")
    port = _free_port()
    access, settings = folder / "mosquitto.acl", folder / "mosquitto.conf"
    access.write_text(ACCESS_LIST)
    access.chmod(0o600)
    settings.write_text(
        f"""\
user {"root" if os.geteuid() == 0 else "mosquitto"}
listener {port} 127.0.0.1
cafile {papers.ca}
certfile {papers.server}
keyfile {papers.server_key}
require_certificate true
use_identity_as_username true
acl_file {access}
clientid_prefixes {NAME}-
max_queued_messages 0
max_inflight_messages 0
set_tcp_nodelay true
persistence false
connection_messages false
log_dest stderr
log_type error
"""
    )
    with _running(
        [program, "-c", str(settings)], folder / "mosquitto.log", lambda: _accepts(port)
    ) as process:
        yield Broker("mosquitto", port, papers.client, papers.client_key, process)


@contextmanager
def floor(folder: Path, papers: Papers, program: Path) -> Iterator[Broker]:
    port = _free_port()
    command = [str(program), str(port), str(papers.server), str(papers.server_key)]
    with _running(command, folder / "floor.log", lambda: _accepts(port)) as process:
        yield Broker("floor", port, papers.client, papers.client_key, process)


@contextmanager
def sekisho(folder: Path, papers: Papers, settings: Sequence[str]) -> Iterator[Broker]:
    """A node with its limits of rate lifted, and ``settings`` (``key=value``); the device is registered
    through boto3."""
    program = str(Path(sys.executable).with_name("sekisho"))
    data = folder / "sekisho"
    command = [program, "up", "--data", str(data), "--mqtt-port", "0", "--https-port", "0", "--api-port", "0"]
    for setting in ("mqtt.enforce_limits=false", *settings):
        command += ["--set", setting]
    endpoints = data / "endpoints.json"
    with _running(command, folder / "sekisho.log", endpoints.exists) as process:
        exports = subprocess.run([program, "env", "--data", str(data)], capture_output=True, text=True)
        if exports.returncode:
            raise BenchError(f"sekisho env: {exports.stderr.strip()}")
        at = json.loads(endpoints.read_text())
        client = _register(exports.stdout, papers, at["account"], at["region"], folder / "node-client.pem")
        ports = [int(at[name].rpartition(":")[2]) for name in ("mqtt", "https")]
        yield Broker("Sekisho", ports[0], client, papers.client_key, process, ports[1])


def signed_path(node: Broker) -> str:
    """The path and query of ``wss://localhost:PORT/mqtt``, presigned by botocore with the credentials of the
    environment that :func:`sekisho` has set."""
    session = boto3.Session()
    request = AWSRequest("GET", f"https://localhost:{node.https_port}/mqtt")
    SigV4QueryAuth(session.get_credentials(), "iotdevicegateway", session.region_name).add_auth(request)
    _, found, rest = request.url.partition("/mqtt?")
    return found + rest


def resident_kib(process: int) -> int:
    """What a process and its children have in memory."""
    root = Path(f"/proc/{process}")
    total = 0
    for line in (root / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            total += int(line.split()[1])
    for task in (root / "task").iterdir():
        total += sum(resident_kib(int(child)) for child in (task / "children").read_text().split())
    return total


def raise_file_limit(wanted: int) -> None:
    """For this process and those it starts; BenchError if the system allows less."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchError(f"{wanted:,} open files are needed for a broker; the limit is {hard:,} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _register(exports: str, papers: Papers, account: str, region: str, to: Path) -> Path:
    """One certificate with one policy, made as any boto3 program makes them, in the node's environment."""
    for line in exports.splitlines():
        command, *words = shlex.split(line)
        for word in words:
            name, _, value = word.partition("=")
            if command == "export":
                os.environ[name] = value
            else:
                os.environ.pop(name, None)
    iot = boto3.Session().client("iot")
    made = iot.create_certificate_from_csr(
        certificateSigningRequest=papers.request.read_text(), setAsActive=True
    )
    iot.create_policy(policyName=NAME, policyDocument=policy(account, region))
    iot.attach_policy(policyName=NAME, target=made["certificateArn"])
    to.write_text(made["certificatePem"])
    return to


def find_program(name: str, package: str) -> str:
    """Its path; BenchError names the Debian package that has it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        raise BenchError(f"there is no {name}; on Debian: apt-get install {package}")
    return path


@contextmanager
def _running(command: Sequence[str], log: Path, is_ready: Callable[[], bool]) -> Iterator[int]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        until = time.monotonic() + START_PATIENCE
        while not is_ready():
            if process.poll() is not None or time.monotonic() > until:
                raise BenchError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield process.pid
        if process.poll() is not None:
            raise BenchError(f"{command[0]} ended on its own:\n{log.read_text(errors='replace')[-2000:]}")
    finally:
        process.terminate()
        try:
            process.wait(START_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
