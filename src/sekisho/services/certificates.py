"""Certificates: issue for a CSR or with new keys, describe, list, change their state, delete."""

from __future__ import annotations

from sekisho.aws.errors import (
    CertificateStateException,
    DeleteConflictException,
    InvalidRequestException,
)
from sekisho.logic.certificates import BadCsr, parse_csr
from sekisho.logic.lifecycle import check_deletion, check_transition
from sekisho.services.call import Call
from sekisho.services.certificate_records import drop_certificate
from sekisho.services.issuing import issue_for_csr, issue_for_new_key
from sekisho.services.paging import by_age, page_of
from sekisho.services.revocations import record_revocation
from sekisho.services.work import Document


async def create_certificate_from_csr(
    call: Call, certificateSigningRequest: str, setAsActive: bool | None = None
) -> Document:
    try:
        csr = parse_csr(certificateSigningRequest)
    except BadCsr as error:
        raise InvalidRequestException(f"The certificate signing request is not usable: {error}") from None
    return await issue_for_csr(call, csr, "ACTIVE" if setAsActive else "INACTIVE")


async def create_keys_and_certificate(call: Call, setAsActive: bool | None = None) -> Document:
    certificate, private_pem, public_pem = await issue_for_new_key(
        call, "ACTIVE" if setAsActive else "INACTIVE"
    )
    return certificate | {"keyPair": {"PublicKey": public_pem, "PrivateKey": private_pem}}


async def describe_certificate(call: Call, certificateId: str) -> Document:
    return {"certificateDescription": await call.require("cert", certificateId)}


async def list_certificates(
    call: Call, pageSize: int | None = None, marker: str | None = None, ascendingOrder: bool | None = None
) -> Document:
    page, after = await by_age(call.work, "cert", marker, pageSize, ascendingOrder)
    return page_of([document for _, document in page], after, "certificates", "nextMarker")


async def update_certificate(call: Call, certificateId: str, newStatus: str) -> None:
    certificate = await call.require("cert", certificateId)
    why_not = check_transition(certificate["status"], newStatus)
    if why_not:
        raise CertificateStateException(f"{why_not}. Id: {certificateId}")
    if certificate["status"] != newStatus:  # idempotent (botocore, UpdateCertificate)
        changed = {"status": newStatus, "customerVersion": certificate["customerVersion"] + 1}
        await call.work.put("cert", certificateId, certificate | changed, what=newStatus)
        if newStatus == "REVOKED":
            await record_revocation(call, certificate)


async def delete_certificate(call: Call, certificateId: str, forceDelete: bool | None = None) -> None:
    certificate = await call.require("cert", certificateId)
    arn = certificate["certificateArn"]
    why_not = check_deletion(certificate["status"], certificateId)
    if why_not:
        raise CertificateStateException(why_not, resourceId=certificateId)
    if not await call.work.require_no_links_to("thing-principal", arn):
        raise DeleteConflictException(f"Things must be detached before deletion (arn: {arn})")
    if forceDelete:
        for link in await call.work.all_links_to("attached-policy", arn):
            call.work.unlink("attached-policy", link.source, arn)
    elif not await call.work.require_no_links_to("attached-policy", arn):
        raise DeleteConflictException(f"Certificate policies must be detached before deletion (arn: {arn})")
    await drop_certificate(call.work, certificate)
