"""Certificates and signing requests as they come in: read, checked, named.

Source: AWS IoT Developer Guide, "X.509 client certificates" (key and signature algorithms), the `iot` service
model (sizes), RFC 7468 (PEM), RFC 2986 (signing requests).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa

from sekisho.logic.certificate_issue import (
    CA_YEARS,
    DEFAULT_SUBJECT,
    NOT_AFTER,
    generate_rsa_key,
    issue_device_certificate,
    make_ca,
    make_server_certificate,
)
from sekisho.logic.json_text import shown

__all__ = [
    "CA_YEARS",
    "DEFAULT_SUBJECT",
    "NOT_AFTER",
    "BadCertificate",
    "BadCsr",
    "certificate_id",
    "certificate_pem",
    "check_certificate",
    "check_validity",
    "generate_rsa_key",
    "issue_device_certificate",
    "load_certificate",
    "make_ca",
    "make_server_certificate",
    "parse_certificate",
    "parse_csr",
]

MAX_CSR_CHARS = 4096
MAX_CERTIFICATE_CHARS = 65_536
MIN_RSA_BITS = 2048
# Larger than any key in use; a bound, as the time to check a signature grows with the square.
MAX_RSA_BITS = 16_384

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_CERTIFICATE_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_CSR_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_CERTIFICATE_LABELS = ("CERTIFICATE",)
_BEGIN = re.compile(r"-----BEGIN ([^\r\n-]{1,64})-----")


class BadCertificate(ValueError):
    """Not a certificate that may be used; the words say why."""


class BadCsr(ValueError):
    """Not a certificate signing request that may be used; the words say why."""


_Parsed = TypeVar("_Parsed", x509.Certificate, x509.CertificateSigningRequest)


def parse_csr(pem: str) -> x509.CertificateSigningRequest:
    """Read a PEM signing request, its signature and its key checked; raises `BadCsr`.

    The hash of the request's own signature does not matter, SHA-1 is taken: what is issued has SHA-256.
    """
    if len(pem) > MAX_CSR_CHARS:
        raise BadCsr(f"the signing request has {len(pem)} characters, more than {MAX_CSR_CHARS}")
    try:
        with quiet():
            csr = _loaded(_der(pem, _CSR_LABELS), x509.load_der_x509_csr, "certificate signing request")
            _read(lambda: (csr.subject, list(csr.extensions)), "certificate signing request")
            _check_key(_read(csr.public_key, "key of the certificate signing request"))
            if not _read(lambda: _signed_itself(csr), "signature of the certificate signing request"):
                raise ValueError("the signing request's signature does not fit its own key")
    except ValueError as error:
        raise BadCsr(str(error)) from None
    return csr


def _signed_itself(csr: x509.CertificateSigningRequest) -> bool:
    """Whether a request is signed with the key that it is for (RFC 2986, section 3)."""
    algorithm = csr.signature_hash_algorithm
    if not isinstance(algorithm, hashes.SHA1):
        return csr.is_signature_valid
    # The library calls every SHA-1 signature invalid; its key still verifies one.
    try:
        match csr.public_key():
            case rsa.RSAPublicKey() as key:
                key.verify(csr.signature, csr.tbs_certrequest_bytes, padding.PKCS1v15(), algorithm)
            case ec.EllipticCurvePublicKey() as key:
                key.verify(csr.signature, csr.tbs_certrequest_bytes, ec.ECDSA(algorithm))
            case _:
                return False
    except InvalidSignature:
        return False
    return True


def parse_certificate(pem: str) -> x509.Certificate:
    """Read one PEM certificate and check its algorithms, not its dates; raises `BadCertificate`."""
    if len(pem) > MAX_CERTIFICATE_CHARS:
        raise BadCertificate(f"the certificate has {len(pem)} characters, more than {MAX_CERTIFICATE_CHARS}")
    try:
        der = _der(pem, _CERTIFICATE_LABELS)
    except ValueError as error:
        raise BadCertificate(str(error)) from None
    return load_certificate(der)


def load_certificate(der: bytes) -> x509.Certificate:
    """Read one DER certificate, such as TLS shows, with the checks of `parse_certificate`."""
    global _read_last
    with quiet():
        try:
            cert = _loaded(der, x509.load_der_x509_certificate, "certificate")
            _check(cert)
        except ValueError as error:
            raise BadCertificate(str(error)) from None
    _read_last = (cert, der)
    return cert


def check_certificate(cert: x509.Certificate) -> None:
    """Check that everything in a certificate can be read and that its algorithms are supported.

    Raises `BadCertificate`.
    """
    try:
        with quiet():
            _check(cert)
    except ValueError as error:
        raise BadCertificate(str(error)) from None


def _check(cert: x509.Certificate) -> None:
    """What `check_certificate` does, for who is `quiet` already; raises ValueError."""
    serial = _read(lambda: cert.serial_number, "serial number")
    if serial <= 0:
        raise ValueError("the certificate's serial number is not positive")
    _read(
        lambda: (
            cert.version,
            cert.subject,
            cert.issuer,
            list(cert.extensions),
            cert.not_valid_before_utc,
            cert.not_valid_after_utc,
        ),
        "certificate",
    )
    _check_key(_read(cert.public_key, "key of the certificate"))
    algorithm = _read(lambda: cert.signature_hash_algorithm, "signature algorithm of the certificate")
    if not isinstance(algorithm, _CERTIFICATE_HASHES):
        name = algorithm.name.upper() if algorithm else "an algorithm without a hash, such as Ed25519"
        raise ValueError(f"the certificate is signed with {name}; supported are SHA-256, SHA-384 and SHA-512")


def certificate_id(cert_or_der: x509.Certificate | bytes) -> str:
    """The registry's id: SHA-256 over the DER encoding, 64 lower-case hex digits."""
    der = _der_of(cert_or_der) if isinstance(cert_or_der, x509.Certificate) else cert_or_der
    return hashlib.sha256(der).hexdigest()


def certificate_pem(cert: x509.Certificate) -> str:
    """A certificate as one PEM block with a newline at its end (RFC 7468, section 3)."""
    text = base64.b64encode(_der_of(cert)).decode()
    lines = "\n".join([text[at : at + 64] for at in range(0, len(text), 64)])
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


_read_last: tuple[x509.Certificate | None, bytes] = (None, b"")
"""A certificate's DER is asked for at every step of what becomes of it, and to write it anew takes longer
than all else that is done with it."""


def _der_of(cert: x509.Certificate) -> bytes:
    known, der = _read_last
    return der if known is cert else cert.public_bytes(serialization.Encoding.DER)


def check_validity(cert: x509.Certificate, now: float) -> str | None:
    """Why a certificate is not valid at ``now`` (epoch seconds), or None if it is (RFC 5280, 4.1.2.5)."""
    moment = datetime.fromtimestamp(now, UTC)
    if moment < cert.not_valid_before_utc:
        return f"the certificate is not valid before {_stamp(cert.not_valid_before_utc)}"
    if moment > cert.not_valid_after_utc:
        return f"the certificate expired at {_stamp(cert.not_valid_after_utc)}"
    return None


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# --- PEM and DER ---


def _der(pem: str, labels: tuple[str, ...]) -> bytes:
    """The bytes in the one PEM block of a text; text around the block is allowed (RFC 7468, section 2)."""
    wanted = f"-----BEGIN {labels[0]}-----"
    begins = list(_BEGIN.finditer(pem))
    if not begins:
        hint = ' (it has the two characters "\\n" where lines should end)' if "\\n" in pem else ""
        raise ValueError(f"not PEM: there is no {wanted} line{hint}")
    if len(begins) > 1:
        names = ", ".join(begin.group(1) for begin in begins[:5])
        raise ValueError(f"there are {len(begins)} PEM blocks ({names}), where one is expected")
    begin = begins[0]
    label = begin.group(1)
    if label not in labels:
        private = "; a private key belongs nowhere but on its device" if "PRIVATE KEY" in label else ""
        raise ValueError(f"the PEM block is a {shown(label)}, not a {shown(labels[0])}{private}")
    body, end, _ = pem[begin.end() :].partition(f"-----END {label}-----")
    if not end:
        raise ValueError(f"the PEM block is cut off: there is no -----END {label}----- line")
    if "\\n" in body:
        raise ValueError('the PEM block has the two characters "\\n" where lines should end')
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the base64 in the PEM block is damaged or cut off") from None
    if not der:
        raise ValueError("the PEM block is empty")
    return der


_Value = TypeVar("_Value")


@contextmanager
def _caught() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_quiet: Callable[[], AbstractContextManager[None]] = _caught


def quiet() -> AbstractContextManager[None]:
    """What the library warns of in odd certificates is not ours."""
    return _quiet()


def be_quiet() -> None:
    """For a program that shows no warnings at all: `quiet` has nothing to do any more, which is a twelfth of
    what a certificate's registration takes."""
    global _quiet
    warnings.simplefilter("ignore")
    _quiet = nullcontext


def _read(read: Callable[[], _Value], what: str) -> _Value:
    """Read what the library decodes late; what it raises becomes a ValueError."""
    try:
        return read()
    except UnsupportedAlgorithm:
        raise ValueError(f"the {what} is of an unsupported kind") from None
    except (ValueError, TypeError, OverflowError, InvalidSignature, x509.DuplicateExtension) as error:
        raise ValueError(f"the {what} cannot be read: {_first_line(error)}") from None
    except (x509.InvalidVersion, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"the {what} cannot be read: {_first_line(error)}") from None


def _loaded(der: bytes, load: Callable[[bytes], _Parsed], what: str) -> _Parsed:
    try:
        return _read(lambda: load(der), what)
    except ValueError as error:
        raise ValueError(f"not DER of a {what}: {error}") from None


def _first_line(error: Exception) -> str:
    return shown(str(error).partition("\n")[0]) if str(error) else type(error).__name__


# --- keys ---


def _check_key(key: object) -> None:
    """RSA of at least 2048 bits, or one of the three NIST curves; ValueError says what it is instead."""
    match key:
        case rsa.RSAPublicKey(key_size=bits):
            if bits < MIN_RSA_BITS:
                raise ValueError(f"the RSA key has {bits} bits, at least {MIN_RSA_BITS} are needed")
            if bits > MAX_RSA_BITS:
                raise ValueError(f"the RSA key has {bits} bits, more than {MAX_RSA_BITS}")
        case ec.EllipticCurvePublicKey(curve=curve):
            if curve.name not in _CURVES:
                raise ValueError(f"the curve {curve.name} is none of {', '.join(_CURVES.values())}")
        case dsa.DSAPublicKey():
            raise ValueError("the key is a DSA key; supported are RSA and ECC keys")
        case _:
            kind = type(key).__name__.removesuffix("PublicKey").lstrip("_")
            raise ValueError(f"the key is a {kind} key; supported are RSA and ECC keys")
