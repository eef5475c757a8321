"""The registered CAs, found by what they have signed."""

from __future__ import annotations

from cryptography import x509

from sekisho.aws.errors import (
    CertificateConflictException,
    CertificateStateException,
    CertificateValidationException,
)
from sekisho.logic.certificates import BadCertificate, certificate_id, parse_certificate
from sekisho.logic.issuers import has_signed, issuer_digest
from sekisho.services.work import Document, Work

CA = "cacert"
BY_SUBJECT = "ca-subject"
"""The kind of the links from a CA's id to the digest of its subject."""

PER_SUBJECT = 10
"""AWS General Reference, AWS IoT quotas: CAs with the same subject in one account and region."""


async def with_issuers_name(work: Work, certificate: x509.Certificate) -> list[Document]:
    """The registered CAs that are called as the certificate's issuer is, in the order of their ids."""
    links = await work.all_links_to(BY_SUBJECT, issuer_digest(certificate))
    found = [await work.get(CA, link.source) for link in links]
    return [ca for ca in found if ca is not None]


def signed_by(ca: Document, certificate: x509.Certificate) -> bool:
    return has_signed(parse_certificate(ca["certificatePem"]), certificate)


def why_not_now(ca: Document, now: float) -> str | None:
    """Why a CA registers nothing now, or None if it does: it is ACTIVE and has not expired."""
    id = ca["certificateId"]
    if ca["status"] != "ACTIVE":
        return f"CA certificate {id} is {ca['status']}"
    if not ca["validity"]["notBefore"] <= now <= ca["validity"]["notAfter"]:
        return f"CA certificate {id} is not valid at this time"
    return None


async def issuer_of(work: Work, certificate: x509.Certificate, ca_pem: str | None, now: float) -> Document:
    """The registered CA under which RegisterCertificate puts a certificate.

    The CA must have signed it itself. ``ca_pem`` says which is meant, and is needed where several have the
    same subject (botocore, RegisterCertificate).

    Raises CertificateValidationException, CertificateConflictException, CertificateStateException.
    """
    if ca_pem is not None:
        ca = await _named(work, ca_pem)
    else:
        known = await with_issuers_name(work, certificate)
        if not known:
            raise CertificateValidationException(
                "The certificate's issuer is not a CA that is registered in this account and region"
            )
        if len(known) > 1:
            raise CertificateConflictException(
                f"{len(known)} registered CA certificates have the subject of the certificate's issuer; "
                "caCertificatePem must say which one is meant"
            )
        ca = known[0]
    if not signed_by(ca, certificate):
        raise CertificateValidationException(
            f"The certificate is not signed by CA certificate {ca['certificateId']}"
        )
    why_not = why_not_now(ca, now)
    if why_not is not None:
        raise CertificateStateException(f"Not allowed to register certificates under it: {why_not}")
    return ca


async def _named(work: Work, ca_pem: str) -> Document:
    try:
        id = certificate_id(parse_certificate(ca_pem))
    except BadCertificate as error:
        raise CertificateValidationException(f"caCertificatePem: {error}") from None
    ca = await work.get(CA, id)
    if ca is None:
        raise CertificateValidationException(
            f"caCertificatePem: CA certificate {id} is not registered in this account and region"
        )
    return ca
