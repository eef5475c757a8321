"""Who has signed a certificate, and what makes a certificate a certificate authority's.

Source: AWS IoT Developer Guide, "X.509 client certificates" (signature algorithms) and "Register your CA
certificate"; RFC 5280, 4.1.2.4 (issuer), 4.2.1.3 (key usage) and 4.2.1.9 (basic constraints).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from sekisho.logic.certificates import BadCertificate, check_validity, parse_certificate, quiet

SIGNATURES = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.RSASSA_PSS,
        SignatureAlgorithmOID.DSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    }
)
"""The signatures that a certificate may have which is registered."""


def parse_for_registration(pem: str, now: float) -> x509.Certificate:
    """Read one PEM certificate that is to be registered: its algorithms, and whether it is valid at ``now``
    (epoch seconds). Raises `BadCertificate`."""
    certificate = parse_certificate(pem)
    check_for_registration(certificate, now)
    return certificate


def check_for_registration(certificate: x509.Certificate, now: float) -> None:
    """What `parse_for_registration` checks of a certificate that has been read already."""
    oid = certificate.signature_algorithm_oid
    if oid not in SIGNATURES:
        raise BadCertificate(f"the certificate is signed with an unsupported algorithm ({oid.dotted_string})")
    why_not = check_validity(certificate, now)
    if why_not is not None:
        raise BadCertificate(why_not)


def parse_ca(pem: str, now: float) -> x509.Certificate:
    """Read one PEM certificate that is to be registered as an authority's; raises `BadCertificate`."""
    certificate = parse_for_registration(pem, now)
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise BadCertificate(
            "the certificate is not that of a certificate authority: its basic constraints do not say CA:TRUE"
        )
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise BadCertificate("the key usage of the certificate does not include keyCertSign")
    return certificate


def _extension(certificate: x509.Certificate, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def subject_digest(certificate: x509.Certificate) -> str:
    """The subject as a key to look for: SHA-256 of its DER, 64 hex digits."""
    return _digest(lambda: certificate.subject)


def issuer_digest(certificate: x509.Certificate) -> str:
    """The `subject_digest` that the certificate's issuer must have."""
    return _digest(lambda: certificate.issuer)


def _digest(name: Callable[[], x509.Name]) -> str:
    with quiet():
        return hashlib.sha256(name().public_bytes()).hexdigest()


def has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether ``certificate`` names ``issuer`` as its issuer and bears a signature of its key."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def common_names(certificate: x509.Certificate) -> list[str]:
    """The subject's common names; more than one is possible."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return [attribute.value for attribute in found if isinstance(attribute.value, str)]
