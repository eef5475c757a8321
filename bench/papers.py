"""Keys, certificates and the one policy, made new for each run and thrown away with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NAME = "bench"
"""Topics are ``bench/N``, client ids ``bench-…``, and the user (the certificate's common name) ``bench``."""

ACCESS_LIST = f"user {NAME}\ntopic readwrite {NAME}/#\n"
"""mosquitto's equal of :func:`policy`; its client ids are limited by ``clientid_prefixes``."""


@dataclass(frozen=True)
class Papers:
    """PEM files of a CA (RSA 2048, as a Sekisho node's own) and of P-256 keys and certificates under it."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    request: Path
    """A signing request for ``client_key``: the node issues its certificate for the same key."""


def policy(account: str, region: str) -> str:
    """An AWS IoT policy of what the benchmark does and nothing else."""
    arn = f"arn:aws:iot:{region}:{account}"
    allowed = [
        ("iot:Connect", f"{arn}:client/{NAME}-*"),
        ("iot:Publish", f"{arn}:topic/{NAME}/*"),
        ("iot:Subscribe", f"{arn}:topicfilter/{NAME}/*"),
        ("iot:Receive", f"{arn}:topic/{NAME}/*"),
    ]
    statements = [{"Effect": "Allow", "Action": action, "Resource": on} for action, on in allowed]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def make_papers(folder: Path) -> Papers:
    ca_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ca_name = _name(f"{NAME} CA")
    ca = _certificate(ca_name, ca_name, ca_key.public_key(), ca_key, is_ca=True)
    server_key, client_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    server = _certificate(_name("localhost"), ca_name, server_key.public_key(), ca_key)
    client = _certificate(_name(NAME), ca_name, client_key.public_key(), ca_key)
    request = x509.CertificateSigningRequestBuilder().subject_name(_name(NAME))
    return Papers(
        ca=_write(folder / "ca.pem", ca.public_bytes(Encoding.PEM)),
        server=_write(folder / "server.pem", server.public_bytes(Encoding.PEM)),
        server_key=_write(folder / "server.key", _pem(server_key)),
        client=_write(folder / "client.pem", client.public_bytes(Encoding.PEM)),
        client_key=_write(folder / "client.key", _pem(client_key)),
        request=_write(
            folder / "client.csr", request.sign(client_key, hashes.SHA256()).public_bytes(Encoding.PEM)
        ),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    ca_key: rsa.RSAPrivateKey,
    *,
    is_ca: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    return builder.sign(ca_key, hashes.SHA256())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
