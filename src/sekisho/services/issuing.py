"""Issuing a certificate by the node's CA, for every door that hands one out."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.certificates import (
    DEFAULT_SUBJECT,
    NOT_AFTER,
    certificate_id,
    certificate_pem,
    generate_rsa_key,
    issue_device_certificate,
)
from sekisho.services.call import Call
from sekisho.services.work import Document

EARLIEST = -631_065_600.0
"""Epoch seconds of 1950-01-02: a certificate's dates begin with 1950 (RFC 5280, 4.1.2.5.1)."""


async def issue_for_csr(call: Call, csr: x509.CertificateSigningRequest, status: str) -> Document:
    """A new certificate for the CSR's key and subject; the same CSR gives another certificate each time."""
    return await _issue(call, csr.public_key(), csr.subject, status)


async def issue_for_new_key(call: Call, status: str) -> tuple[Document, str, str]:
    """A certificate for a new RSA-2048 key, with the key (PKCS#1 PEM) and the public key (PEM).

    The private key is in this answer and nowhere else.
    """
    private_pem, public_pem = await call.deps.workers.run(generate_rsa_key)
    public_key = serialization.load_pem_public_key(public_pem.encode())
    return await _issue(call, public_key, DEFAULT_SUBJECT, status), private_pem, public_pem


async def _issue(call: Call, public_key: Any, subject: x509.Name, status: str) -> Document:
    if not EARLIEST <= call.now < NOT_AFTER.timestamp():
        raise InvalidRequestException(
            f"a certificate cannot be issued now: the clock is not between 1950 and {NOT_AFTER.isoformat()}"
        )
    keyring = call.deps.keyring
    certificate = issue_device_certificate(keyring.ca, keyring.ca_key, public_key, subject, call.now)
    return await record(call, certificate, status)


async def record(call: Call, certificate: x509.Certificate, status: str) -> Document:
    """The registry's document of a certificate that the node's CA has just issued."""
    id = certificate_id(certificate)
    arn = call.arn("cert", id)
    call.work.is_new("cert", id, arn)
    return await call.work.put(
        "cert",
        id,
        {
            "certificateId": id,
            "certificateArn": arn,
            "certificatePem": certificate_pem(certificate),
            "status": status,
            "ownedBy": call.account,
            "certificateMode": "DEFAULT",
            "customerVersion": 1,
            "generationId": f"{arn}:1",
            "validity": {
                "notBefore": certificate.not_valid_before_utc.timestamp(),
                "notAfter": certificate.not_valid_after_utc.timestamp(),
            },
        },
    )
