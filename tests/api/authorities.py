"""Certificate authorities for tests, and what they sign; further accounts."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DEVICE_KEY = ec.generate_private_key(ec.SECP256R1())
DAY = timedelta(days=1)
SHA256 = hashes.SHA256()


def name_of(common_name: str, **names: str) -> x509.Name:
    """A subject; ``names`` are further attributes, by their NameOID names."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    attributes += [x509.NameAttribute(getattr(NameOID, oid), value) for oid, value in names.items()]
    return x509.Name(attributes)


class Issued(NamedTuple):
    """A certificate that was signed here, with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def id(self) -> str:
        return hashlib.sha256(self.certificate.public_bytes(Encoding.DER)).hexdigest()

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def issue(
    subject: x509.Name,
    issuer: x509.Name,
    signing_key: Any,
    key: Any = DEVICE_KEY,
    *,
    begins: timedelta = -DAY,
    ends: timedelta = 365 * DAY,
    algorithm: Any = SHA256,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    **more: Any,
) -> Issued:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now + begins).not_valid_after(now + ends)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Issued(builder.sign(signing_key, algorithm, **more), key)


CA_TRUE = (x509.BasicConstraints(ca=True, path_length=None), True)


class Authority:
    """A certificate authority with a P-256 key."""

    def __init__(self, common_name: str, key: Any = None, **how: Any) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = name_of(common_name)
        how.setdefault("extensions", (CA_TRUE,))
        self.issued = issue(self.name, self.name, self.key, self.key, **how)
        self.pem, self.id = self.issued.pem, self.issued.id

    def sign(self, common_name: str, key: Any = DEVICE_KEY, names: Any = (), **how: Any) -> Issued:
        return issue(name_of(common_name, **dict(names)), self.name, self.key, key, **how)

    def proof(self, code: str, **how: Any) -> str:
        """The verification certificate for a registration code."""
        return self.sign(code, **how).pem

    def register(self, iot: Any, *, active: bool = True, mode: str = "DEFAULT", **more: Any) -> str:
        """Register it; the answer is its id."""
        if mode == "DEFAULT":
            more["verificationCertificate"] = self.proof(iot.get_registration_code()["registrationCode"])
        made = iot.register_ca_certificate(
            caCertificate=self.pem, certificateMode=mode, setAsActive=active, **more
        )
        assert made["certificateId"] == self.id
        return self.id


def self_signed(common_name: str, key: Any = None, signing_key: Any = None, **how: Any) -> Issued:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = name_of(common_name)
    return issue(subject, subject, signing_key or key, key, **how)


def account_client(node: Any, account: str) -> Any:
    """A client of another account's root; the account is made."""
    made = node.client("sekisho").create_account(accountId=account)
    keys = {"aws_access_key_id": made["accessKeyId"], "aws_secret_access_key": made["secretAccessKey"]}
    return node.client("iot", **keys)
