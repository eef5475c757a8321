"""Issuing a certificate by the node's CA, for every door that hands one out."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.certificates import (
    DEFAULT_SUBJECT,
    generate_rsa_key,
    issue_device_certificate,
)
from sekisho.logic.validity import BadValidity, Validity, end_of
from sekisho.services.call import Call
from sekisho.services.certificate_ends import account_validity
from sekisho.services.certificate_records import put_new_certificate
from sekisho.services.work import Document


async def issue_for_csr(
    call: Call, csr: x509.CertificateSigningRequest, status: str, validity: Validity | None = None
) -> Document:
    """A new certificate for the CSR's key and subject; the same CSR gives another certificate each time.

    Without a ``validity`` it has that of the account and region.
    """
    return await _issue(call, csr.public_key(), csr.subject, status, validity)


async def issue_for_new_key(
    call: Call, status: str, validity: Validity | None = None
) -> tuple[Document, str, str]:
    """A certificate for a new RSA-2048 key, with the key (PKCS#1 PEM) and the public key (PEM).

    The private key is in this answer and nowhere else.
    """
    private_pem, public_pem = await call.deps.workers.run(generate_rsa_key)
    public_key = serialization.load_pem_public_key(public_pem.encode())
    certificate = await _issue(call, public_key, DEFAULT_SUBJECT, status, validity)
    return certificate, private_pem, public_pem


async def _issue(
    call: Call, public_key: Any, subject: x509.Name, status: str, validity: Validity | None
) -> Document:
    certificate = await _signed(call, public_key, subject, validity)
    return await put_new_certificate(call, certificate, status, issued=True)


async def _signed(
    call: Call, public_key: Any, subject: x509.Name, validity: Validity | None
) -> x509.Certificate:
    keyring = call.deps.keyring
    try:
        end = end_of(validity or await account_validity(call), call.now, keyring.ca.not_valid_after_utc)
    except BadValidity as error:
        raise InvalidRequestException(f"a certificate cannot be issued now: {error}") from None
    return issue_device_certificate(
        keyring.ca, keyring.ca_key, public_key, subject, call.now, end, crl_url=call.deps.config["crl.url"]
    )


async def issue_claim(call: Call, until: float) -> tuple[x509.Certificate, str, str]:
    """A certificate for a new RSA-2048 key that ends at ``until`` and is not registered, with its keys as
    `issue_for_new_key` gives them."""
    private_pem, public_pem = await call.deps.workers.run(generate_rsa_key)
    public_key = serialization.load_pem_public_key(public_pem.encode())
    certificate = await _signed(call, public_key, DEFAULT_SUBJECT, {"notAfter": until})
    return certificate, private_pem, public_pem
