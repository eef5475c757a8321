"""Issuing a certificate by the node's CA, for every door that hands one out."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sekisho.logic.certificates import (
    DEFAULT_SUBJECT,
    certificate_id,
    certificate_pem,
    generate_rsa_key,
    issue_device_certificate,
)
from sekisho.services.call import Call
from sekisho.services.work import Document


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
    keyring = call.deps.keyring
    certificate = issue_device_certificate(keyring.ca, keyring.ca_key, public_key, subject, call.now)
    id = certificate_id(certificate)
    arn = call.arn("cert", id)
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
