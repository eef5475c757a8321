"""What users' functions must answer when a device is provisioned.

Source: AWS IoT Developer Guide, "Pre-provisioning hooks" and "Self-manage client certificate signing".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sekisho.logic.certificates import BadCertificate, parse_certificate
from sekisho.logic.json_text import kind_of, shown


class HookRefusal(ValueError):
    """The function's answer is a no, or none that may be used; the words say why."""


def overrides_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that a pre-provisioning hook wants instead of the device's.

    HookRefusal unless it allowed the device: ``true``, or ``"true"`` as the guide's examples write.
    """
    if "allowProvisioning" not in answer:
        raise HookRefusal("the answer has no allowProvisioning")
    allowed = answer["allowProvisioning"]
    if allowed is not True and not (isinstance(allowed, str) and allowed.lower() == "true"):
        said = isinstance(allowed, (bool, str))
        raise HookRefusal("it does not allow it" if said else f"allowProvisioning is {kind_of(allowed)}")
    overrides = answer.get("parameterOverrides")
    if overrides is None:
        return {}
    if not isinstance(overrides, dict):
        raise HookRefusal(f"parameterOverrides is {kind_of(overrides)}, not an object")
    for name, value in overrides.items():
        if not isinstance(value, str):
            raise HookRefusal(f"parameterOverrides: {shown(name)} is {kind_of(value)}, not a string")
    return overrides


def provided_certificate(answer: Mapping[str, Any], csr: x509.CertificateSigningRequest) -> x509.Certificate:
    """The certificate that a certificate provider made of a signing request, with its subject and its key."""
    pem = answer.get("certificatePem")
    if not isinstance(pem, str):
        what = "has no certificatePem" if pem is None else f"has {kind_of(pem)} as certificatePem"
        raise HookRefusal(f"the answer {what}")
    try:
        certificate = parse_certificate(pem)
    except BadCertificate as error:
        raise HookRefusal(f"certificatePem: {error}") from None
    if certificate.subject != csr.subject:
        raise HookRefusal("the certificate has another subject than the signing request")
    if _spki(certificate) != _spki(csr):
        raise HookRefusal("the certificate has another public key than the signing request")
    return certificate


def _spki(signed: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return signed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
