"""Who opens hand-overs in tests: a key, its certificate, and OpenSSL's command line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from api import authorities
from api.authorities import DAY


def self_signed(key: Any, common_name: str, *, days: int = 30, ago: int = 1) -> x509.Certificate:
    """A certificate of its own, valid from ``ago`` days before today and for ``days`` days."""
    return authorities.self_signed(common_name, key, begins=-ago * DAY, ends=(days - ago) * DAY).certificate


class Recipient:
    """Files ``NAME.crt`` and ``NAME.key``."""

    def __init__(self, folder: Path, name: str = "line-7") -> None:
        key = rsa.generate_private_key(65537, 2048)
        self.certificate, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        self.certificate.write_bytes(self_signed(key, name).public_bytes(Encoding.PEM))
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def open(self, path: Path) -> dict[str, Any]:
        """What OpenSSL finds in a hand-over."""
        command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", path]
        command += ["-recip", self.certificate, "-inkey", self.key]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def belongs(device: dict[str, Any]) -> ec.EllipticCurvePrivateKey:
    """A device's key, which is that of its certificate."""
    key = load_pem_private_key(device["privateKey"].encode(), None)
    certificate = x509.load_pem_x509_certificate(device["certificatePem"].encode())
    assert key.public_key() == certificate.public_key()
    return key


def traces_of(key: ec.EllipticCurvePrivateKey) -> list[bytes]:
    """What would be found of a P-256 key in a file: the number itself, and the text of its PEM."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    sec1 = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    number = key.private_numbers().private_value
    return [number.to_bytes(32), hex(number)[2:].encode(), pem.splitlines()[2], sec1.splitlines()[1]]
