"""A device's key and its signing request, made in the device's memory and never on the node."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEPT = "SEKISHO_DEMO_KEYS"
"""Names a folder in which the keys are left, so that a test can look for them where they must not be."""


class DeviceKey:
    """A P-256 key; ``pem`` is PKCS #8, ``csr`` a PEM signing request for ``name``."""

    def __init__(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        self.csr = request.public_bytes(serialization.Encoding.PEM).decode()
        self._name = name
        self._leave("key.pem", self.pem)

    def got(self, certificate_pem: str) -> None:
        """The certificate for this key has come."""
        self._leave("certificate.pem", certificate_pem.encode())

    def _leave(self, suffix: str, content: bytes) -> None:
        kept = os.environ.get(KEPT)
        if kept:
            path = Path(kept) / f"{self._name}.{suffix}"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
