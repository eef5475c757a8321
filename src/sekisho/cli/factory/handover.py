"""Hand-over files: what a device needs, encrypted for who puts it in.

For a recipient's certificate: CMS EnvelopedData (RFC 5652, AES-256-CBC, the content key under the
recipient's RSA key), which `openssl cms -decrypt -inform DER` opens. With a passphrase per device: PKCS #12
(RFC 7292), which `openssl pkcs12` opens. Without a private key in it there is nothing to hide, and it may be
plain JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)

MAX_FILE = 64 * 1024 * 1024
"""Bytes of the largest hand-over file that is opened."""
MIN_PASSPHRASE = 12
MIN_RSA_BITS = 2048


class HandOverError(Exception):
    """A hand-over cannot be made or opened; the words say why and hold no key."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device's identity. ``private_key`` is PKCS #8 PEM, or None if the device has its own."""

    name: str
    thing_name: str
    certificate_id: str
    certificate_pem: str
    private_key: bytes | None = field(default=None, repr=False)


class Seal(Protocol):
    """How hand-overs are closed. ``hides``: whether a private key may be in one."""

    suffix: str
    hides: bool

    def lacks(self, name: str) -> str | None:
        """Why a device's hand-over cannot be closed, before anything is asked of the node."""

    def close(self, devices: Sequence[Device], endpoint: str, ca: str) -> bytes:
        """The content of one hand-over file; ``endpoint`` is host:port, ``ca`` PEM."""


def content_of(devices: Sequence[Device], endpoint: str, ca: str) -> bytes:
    """The JSON in a hand-over: ``endpoint`` (host:port), ``ca`` (PEM) and a list of ``devices``."""
    described: list[dict[str, Any]] = []
    for device in devices:
        entry = {
            "thingName": device.thing_name,
            "certificateId": device.certificate_id,
            "certificatePem": device.certificate_pem,
        }
        if device.private_key is not None:
            entry["privateKey"] = device.private_key.decode()
        described.append(entry)
    return json.dumps({"endpoint": endpoint, "ca": ca, "devices": described}, indent=1).encode() + b"\n"


class Plain:
    """JSON, for what holds no private key."""

    suffix = ".json"
    hides = False

    def lacks(self, name: str) -> str | None:
        return None

    def close(self, devices: Sequence[Device], endpoint: str, ca: str) -> bytes:
        if any(device.private_key is not None for device in devices):
            raise HandOverError("a private key is handed over encrypted or not at all")
        return content_of(devices, endpoint, ca)


class ForRecipients:
    """CMS EnvelopedData for each of these certificates' keys."""

    suffix = ".p7m"
    hides = True

    def __init__(self, certificates: Sequence[x509.Certificate], now: float) -> None:
        """Raises `HandOverError` if one cannot be a recipient at ``now`` (epoch seconds)."""
        moment = datetime.fromtimestamp(now, UTC)
        for certificate in certificates:
            name = certificate.subject.rfc4514_string() or "without a subject"
            key = certificate.public_key()
            # EnvelopedData of the library is for key transport, which is RSA's.
            if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_RSA_BITS:
                raise HandOverError(f"the recipient {name} needs an RSA key of at least {MIN_RSA_BITS} bits")
            if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
                raise HandOverError(f"the certificate of the recipient {name} is not valid now")
        self._certificates = certificates

    def lacks(self, name: str) -> str | None:
        return None

    def close(self, devices: Sequence[Device], endpoint: str, ca: str) -> bytes:
        builder = pkcs7.PKCS7EnvelopeBuilder().set_data(content_of(devices, endpoint, ca))
        for certificate in self._certificates:
            builder = builder.add_recipient(certificate)
        builder = builder.set_content_encryption_algorithm(algorithms.AES256)
        return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])


class WithPassphrases:
    """PKCS #12, one device a file, each under a passphrase of its own."""

    suffix = ".p12"
    hides = True

    def __init__(self, passphrases: Mapping[str, str]) -> None:
        self._passphrases = passphrases

    def lacks(self, name: str) -> str | None:
        return None if name in self._passphrases else f"there is no passphrase for {name}"

    def close(self, devices: Sequence[Device], endpoint: str, ca: str) -> bytes:
        (device,) = devices
        key = None if device.private_key is None else load_pem_private_key(device.private_key, None)
        return pkcs12.serialize_key_and_certificates(
            f"{device.thing_name}@{endpoint}".encode(),
            key,  # type: ignore[arg-type]  # of the kinds that are made here
            x509.load_pem_x509_certificate(device.certificate_pem.encode()),
            x509.load_pem_x509_certificates(ca.encode()),
            BestAvailableEncryption(self._passphrases[device.name].encode()),
        )


def read_passphrases(text: str) -> dict[str, str]:
    """Passphrases by device, out of lines ``name,passphrase``; raises `HandOverError`."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, comma, passphrase = line.partition(",")
        if not comma or not name:
            raise HandOverError(f"line {number} of the passphrases is not name,passphrase")
        if name in found:
            raise HandOverError(f"line {number} of the passphrases: {name} is there twice")
        if len(passphrase) < MIN_PASSPHRASE:
            raise HandOverError(
                f"line {number} of the passphrases: {len(passphrase)} characters, "
                f"at least {MIN_PASSPHRASE} are needed"
            )
        found[name] = passphrase
    return found


def open_envelope(data: bytes, certificate_pem: bytes, key_pem: bytes, passphrase: bytes | None) -> bytes:
    """The JSON of a CMS hand-over; raises `HandOverError`."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except ValueError:
        raise HandOverError("the recipient's certificate is not PEM of a certificate") from None
    try:
        key = load_pem_private_key(key_pem, passphrase)
    except (ValueError, TypeError):
        raise HandOverError("the recipient's key cannot be read: not PEM, or not this passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise HandOverError("the recipient's key is not an RSA key")
    if key.public_key() != certificate.public_key():
        raise HandOverError("the recipient's key and certificate do not belong together")
    try:
        return pkcs7.pkcs7_decrypt_der(data, certificate, key, [])
    except Exception:  # damaged ASN.1, another recipient, padding: told apart, they would say too much
        raise HandOverError("the file is damaged, or for another recipient") from None


def open_pkcs12(data: bytes, passphrase: bytes) -> bytes:
    """The JSON of a PKCS #12 hand-over, as in the other kind; raises `HandOverError`."""
    try:
        store = pkcs12.load_pkcs12(data, passphrase)
    except ValueError:
        raise HandOverError("the file is damaged, or this is not its passphrase") from None
    if store.cert is None:
        raise HandOverError("there is no certificate in the file")
    thing, _, endpoint = (store.cert.friendly_name or b"").decode(errors="replace").rpartition("@")
    pem = store.cert.certificate.public_bytes(Encoding.PEM)
    key = store.key
    private = None if key is None else key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    ca = b"".join(more.certificate.public_bytes(Encoding.PEM) for more in store.additional_certs)
    from sekisho.logic.certificates import certificate_id

    device = Device(thing, thing, certificate_id(store.cert.certificate), pem.decode(), private)
    return content_of([device], endpoint, ca.decode())
