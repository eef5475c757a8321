"""How many devices a second get their own certificate by fleet provisioning, from nothing but a claim.

``python bench/fleet.py [--devices N] [--processes N] [--keys] [--set key=value]``

A device is: TLS and CONNECT with the claim, four subscriptions, a key and a request for its certificate (with
``--keys`` the node makes the key, RSA-2048), RegisterThing by a template with a thing and a policy,
DISCONNECT; then TLS and CONNECT with its own certificate. The devices share the cores with the node.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import socket
import ssl
import sys
import tempfile
import time
from pathlib import Path

import boto3
from brokers import sekisho
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from papers import make_papers
from report import machine

TEMPLATE = "fleet"
CREATE = "$aws/certificates/create/json"
CREATE_FROM_CSR = "$aws/certificates/create-from-csr/json"
PROVISION = f"$aws/provisioning-templates/{TEMPLATE}/provision/json"
ROLE = "arn:aws:iam::000000000000:role/fleet"

MOST = 600.0
"""Seconds for which the other client is watched."""

PAUSE = 0.002

ANYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}
)


class Refused(Exception):
    """The node's words."""


class Client:
    """One MQTT 3.1.1 connection, as little as a device can have."""

    def __init__(self, port: int, context: ssl.SSLContext, client_id: str) -> None:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = context.wrap_socket(sock, server_hostname="localhost")
        self._held = b""
        self.send(0x10, b"\0\4MQTT\4\2\4\xb0" + _text(client_id))
        kind, body = self.packet()
        if kind != 0x20 or body[1]:
            raise Refused(f"CONNACK {body!r}")

    def subscribe(self, *topics: str) -> None:
        self.send(0x82, b"\0\1" + b"".join(_text(topic) + b"\0" for topic in topics))
        kind, body = self.packet()
        if kind != 0x90 or 0x80 in body[2:]:
            raise Refused(f"SUBACK {body!r}")

    def ask(self, topic: str, question: object) -> dict[str, str]:
        self.send(0x30, _text(topic) + json.dumps(question).encode())
        _, body = self.packet()
        end = 2 + int.from_bytes(body[:2], "big")
        if not body[2:end].endswith(b"/accepted"):
            raise Refused(body[end:].decode())
        answer: dict[str, str] = json.loads(body[end:])
        return answer

    def close(self) -> None:
        self.send(0xE0, b"")
        self._tls.close()

    def send(self, kind: int, body: bytes) -> None:
        length, size = bytearray(), len(body)
        while True:
            size, digit = divmod(size, 128)
            length.append(digit | (0x80 if size else 0))
            if not size:
                break
        self._tls.sendall(bytes([kind]) + bytes(length) + body)

    def packet(self) -> tuple[int, bytes]:
        while True:
            size, shift, at = 0, 0, 1
            while at < len(self._held):
                digit = self._held[at]
                size |= (digit & 0x7F) << shift
                shift, at = shift + 7, at + 1
                if digit < 0x80:
                    if len(self._held) >= at + size:
                        kind, body = self._held[0] & 0xF0, self._held[at : at + size]
                        self._held = self._held[at + size :]
                        return kind, body
                    break
            data = self._tls.recv(65536)
            if not data:
                raise Refused("the node has closed the connection")
            self._held += data


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def provision(port: int, claim: ssl.SSLContext, ca: str, name: str, folder: Path, with_keys: bool) -> None:
    """One device's whole way."""
    create = CREATE if with_keys else CREATE_FROM_CSR
    client = Client(port, claim, name)
    client.subscribe(*(f"{topic}/{how}" for topic in (create, PROVISION) for how in ("accepted", "rejected")))
    if with_keys:
        made = client.ask(create, {})
        key_pem = made["privateKey"]
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        made = client.ask(create, {"certificateSigningRequest": csr.public_bytes(Encoding.PEM).decode()})
    token = made["certificateOwnershipToken"]
    client.ask(PROVISION, {"certificateOwnershipToken": token, "parameters": {"Serial": name}})
    client.close()
    own = folder / f"{name}.pem"
    own.write_text(made["certificatePem"] + key_pem)
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(own)
    Client(port, context, name).close()


def work(port: int, papers: tuple[str, str, str], folder: Path, number: int, count: int, keys: bool) -> None:
    """``count`` devices, one after another, in a process of their own."""
    ca, certificate, key = papers
    claim = ssl.create_default_context(cafile=ca)
    claim.load_cert_chain(certificate, key)
    for n in range(count):
        provision(port, claim, ca, f"device-{number}-{n}", folder, keys)


def trips(client: Client, jobs: list[multiprocessing.Process], most: float) -> list[float]:
    """Milliseconds that a message takes to the node and back, one after another while the jobs run."""
    topic, found = _text("fleet/trip"), []
    until = time.monotonic() + most
    while time.monotonic() < until and any(job.is_alive() for job in jobs):
        began = time.perf_counter()
        client.send(0x30, topic + b"x" * 200)
        client.packet()
        found.append((time.perf_counter() - began) * 1e3)
        time.sleep(PAUSE)
    return sorted(found)


def prepare(folder: Path) -> tuple[str, str]:
    """A claim certificate and the template; the files of the claim."""
    iot = boto3.Session().client("iot")
    iot.create_policy(policyName="claim", policyDocument=ANYTHING)
    claim = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_policy(policyName="claim", target=claim["certificateArn"])
    body = {
        "Parameters": {"Serial": {"Type": "String"}, "AWS::IoT::Certificate::Id": {"Type": "String"}},
        "Resources": {
            "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "Serial"}}},
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"},
            },
            "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "claim"}},
        },
    }
    iot.create_provisioning_template(
        templateName=TEMPLATE, templateBody=json.dumps(body), provisioningRoleArn=ROLE, enabled=True
    )
    certificate, key = folder / "claim.pem", folder / "claim.key"
    certificate.write_text(claim["certificatePem"])
    key.write_text(claim["keyPair"]["PrivateKey"])
    return str(certificate), str(key)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure fleet provisioning.")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--keys", action="store_true", help="the node makes the keys (RSA-2048)")
    parser.add_argument("--set", action="append", default=[], help="key=value, a setting of the node")
    options = parser.parse_args()
    each = max(1, options.devices // options.processes)
    with tempfile.TemporaryDirectory(prefix="sekisho-bench-") as temporary:
        folder = Path(temporary)
        print(*(f"- {fact}" for fact in machine(folder)), sep="\n", flush=True)
        with sekisho(folder, make_papers(folder), options.set) as node:
            papers = (os.environ["SEKISHO_CA"], *prepare(folder))
            jobs = [
                multiprocessing.Process(target=work, args=(node.port, papers, folder, n, each, options.keys))
                for n in range(options.processes)
            ]
            context = ssl.create_default_context(cafile=papers[0])
            context.load_cert_chain(*papers[1:])
            watcher = Client(node.port, context, "watcher")
            watcher.subscribe("fleet/trip")
            began = time.monotonic()
            for job in jobs:
                job.start()
            watched = trips(watcher, jobs, MOST)
            for job in jobs:
                job.join()
            took = time.monotonic() - began
            if any(job.exitcode for job in jobs):
                return 1
            found = boto3.Session().client("iot").describe_thing(thingName=f"device-0-{each - 1}")
            assert found["thingName"]
        clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    count = each * options.processes
    how = "keys made by the node" if options.keys else "by CSR"
    cpu = (clients.ru_utime + clients.ru_stime) / count * 1e3
    p50, p99, most = watched[len(watched) // 2], watched[len(watched) * 99 // 100], watched[-1]
    print(
        f"- meanwhile another client's message takes {p50:.2f} ms to the node and back, "
        f"{p99:.2f} ms at the 99th percentile, {most:.2f} ms at most"
    )
    print(f"- {count} devices, {how}: {count / took:.0f} a second; CPU of all together {cpu:.1f} ms each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
