"""Certificates that others have issued: registered under a registered CA, or without one."""

from __future__ import annotations

from cryptography import x509

from sekisho.aws.errors import (
    CertificateStateException,
    CertificateValidationException,
    InvalidRequestException,
)
from sekisho.logic.certificates import BadCertificate, certificate_id
from sekisho.logic.issuers import parse_for_registration
from sekisho.logic.lifecycle import check_registration
from sekisho.services.call import Call
from sekisho.services.certificate_records import (
    issued_kind,
    put_new_certificate,
    require_unregistered,
)
from sekisho.services.issuers import issuer_of
from sekisho.services.multi_account import check_certificate
from sekisho.services.paging import by_age, page_of
from sekisho.services.work import Document


async def register_certificate(
    call: Call,
    certificatePem: str,
    caCertificatePem: str | None = None,
    setAsActive: bool | None = None,
    status: str | None = None,
) -> Document:
    """``setAsActive`` is the older way to say ``status``; the certificate has its CA's mode."""
    if setAsActive is not None and status is not None and setAsActive != (status == "ACTIVE"):
        raise InvalidRequestException(f"setAsActive and status {status} contradict each other")
    wanted = _initial(status or ("ACTIVE" if setAsActive else None))
    certificate = await _unregistered(call, certificatePem)
    ca = await issuer_of(call.work, certificate, caCertificatePem, call.now)
    return await put_new_certificate(call, certificate, wanted, ca["certificateMode"], ca["certificateId"])


async def register_certificate_without_ca(
    call: Call, certificatePem: str, status: str | None = None
) -> Document:
    """No CA of this account is asked, and whether one has signed it does not matter (mode SNI_ONLY)."""
    wanted = _initial(status)
    certificate = await _unregistered(call, certificatePem)
    await check_certificate(call, certificate)
    return await put_new_certificate(call, certificate, wanted, "SNI_ONLY")


async def list_certificates_by_ca(
    call: Call,
    caCertificateId: str,
    pageSize: int | None = None,
    marker: str | None = None,
    ascendingOrder: bool | None = None,
) -> Document:
    """Those that are registered under a CA, also after that has gone; newest first."""
    page, after = await by_age(call.work, issued_kind(caCertificateId), marker, pageSize, ascendingOrder)
    found = [await call.work.get("cert", id) for id, _ in page]
    return page_of([one for one in found if one is not None], after, "certificates", "nextMarker")


def _initial(status: str | None) -> str:
    why_not = check_registration(status or "INACTIVE")
    if why_not is not None:
        raise CertificateStateException(why_not)
    return status or "INACTIVE"


async def _unregistered(call: Call, pem: str) -> x509.Certificate:
    """A certificate that may be registered and is not yet."""
    try:
        certificate = parse_for_registration(pem, call.now)
    except BadCertificate as error:
        raise CertificateValidationException(f"The certificate is not usable: {error}") from None
    await require_unregistered(call, certificate_id(certificate), "cert")
    return certificate
