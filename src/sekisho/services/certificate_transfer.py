"""Certificates that go from one account to another of the same region.

While a transfer is under way both accounts have the certificate, PENDING_TRANSFER: the owner with
``transferredTo``, the other with ``transferredFrom``. Nobody is told of it; the other account finds it in its
list (botocore, TransferCertificate). Each step is one transaction over both accounts.
"""

from __future__ import annotations

from sekisho.aws.errors import (
    CertificateStateException,
    InvalidRequestException,
    ResourceNotFoundException,
    TransferAlreadyCompletedException,
    TransferConflictException,
)
from sekisho.logic.arns import arn
from sekisho.logic.certificates import parse_certificate
from sekisho.logic.lifecycle import check_transfer
from sekisho.services.call import Call
from sekisho.services.certificate_records import drop_attachments, drop_certificate, put_certificate
from sekisho.services.multi_account import check_new_owner
from sekisho.services.paging import by_age, page_of
from sekisho.services.places import ACCOUNT
from sekisho.services.work import Document

OUTGOING = "outgoing-cert"
"""The kind of the rows of what an account has given away and the other has not answered yet."""

GONE = "transferred-cert"
"""The kind of the rows by which an account knows of what it has given away for good."""

PENDING = "PENDING_TRANSFER"
UNDER_WAY = ("transferredTo", "transferredFrom")


async def transfer_certificate(
    call: Call, certificateId: str, targetAwsAccount: str, transferMessage: str | None = None
) -> Document:
    """Offer a certificate that is not ACTIVE and has no policy and no thing attached, to an account that
    may have it (`sekisho.services.multi_account`)."""
    certificate = await call.require("cert", certificateId)
    if targetAwsAccount == call.account:
        raise InvalidRequestException(f"Certificate {certificateId} is of account {targetAwsAccount} already")
    if await call.work.elsewhere("", "").get(ACCOUNT, targetAwsAccount) is None:
        raise InvalidRequestException(f"There is no account {targetAwsAccount}")
    why_not = check_transfer(certificate["status"])
    if why_not is not None:
        raise CertificateStateException(f"{why_not}. Id: {certificateId}")
    ours = certificate["certificateArn"]
    for kind, what in (("attached-policy", "policies"), ("thing-principal", "things")):
        if not await call.work.require_no_links_to(kind, ours):
            raise TransferConflictException(
                f"Certificate {what} must be detached before a transfer (arn: {ours})"
            )
    await check_new_owner(call, parse_certificate(certificate["certificatePem"]), targetAwsAccount)
    other = call.work.elsewhere(targetAwsAccount, call.region)
    if await other.get("cert", certificateId) is not None:
        raise TransferConflictException(
            f"Certificate {certificateId} is registered in account {targetAwsAccount} already"
        )
    data = {"transferMessage": transferMessage, "transferDate": call.now}
    offered = certificate | {"status": PENDING, "transferData": _plain(data)}
    await call.work.put("cert", certificateId, _next(offered | {"transferredTo": targetAwsAccount}), PENDING)
    theirs = arn(call.region, targetAwsAccount, "cert", certificateId)
    await put_certificate(other, offered | {"certificateArn": theirs, "transferredFrom": call.account})
    await call.work.put(
        OUTGOING,
        certificateId,
        {
            "certificateArn": ours,
            "certificateId": certificateId,
            "transferredTo": targetAwsAccount,
            "certificateDate": certificate["creationDate"],
            **_plain(data),
        },
    )
    return {"transferredCertificateArn": theirs}


async def accept_certificate_transfer(
    call: Call, certificateId: str, setAsActive: bool | None = None
) -> None:
    """The certificate is this account's from now on, INACTIVE unless it is wanted ACTIVE."""
    offered = await _under_way(call, certificateId, "transferredFrom")
    source = offered["transferredFrom"]
    status = "ACTIVE" if setAsActive else "INACTIVE"
    accepted = _ended(offered, status, acceptDate=call.now)
    changed = {"ownedBy": call.account, "previousOwnedBy": source}
    await call.work.put("cert", certificateId, accepted | changed, status)
    other = call.work.elsewhere(source, call.region)
    theirs = await other.get("cert", certificateId)
    if theirs is not None:
        await drop_attachments(other, theirs)
        await drop_certificate(other, theirs)
    await other.delete(OUTGOING, certificateId)
    await other.put(GONE, certificateId, {"transferredTo": call.account})


async def reject_certificate_transfer(
    call: Call, certificateId: str, rejectReason: str | None = None
) -> None:
    """The certificate stays its owner's, INACTIVE."""
    offered = await _under_way(call, certificateId, "transferredFrom")
    await drop_attachments(call.work, offered)
    await drop_certificate(call.work, offered)
    other = call.work.elsewhere(offered["transferredFrom"], call.region)
    theirs = await other.get("cert", certificateId)
    if theirs is not None:
        kept = _ended(theirs, "INACTIVE", rejectReason=rejectReason, rejectDate=call.now)
        await other.put("cert", certificateId, kept, "INACTIVE")
    await other.delete(OUTGOING, certificateId)


async def cancel_certificate_transfer(call: Call, certificateId: str) -> None:
    """The owner takes its offer back; the certificate is INACTIVE."""
    offered = await _under_way(call, certificateId, "transferredTo")
    other = call.work.elsewhere(offered["transferredTo"], call.region)
    theirs = await other.get("cert", certificateId)
    if theirs is not None:
        await drop_attachments(other, theirs)
        await drop_certificate(other, theirs)
    await call.work.put("cert", certificateId, _ended(offered, "INACTIVE"), "INACTIVE")
    await call.work.delete(OUTGOING, certificateId)


async def list_outgoing_certificates(
    call: Call, pageSize: int | None = None, marker: str | None = None, ascendingOrder: bool | None = None
) -> Document:
    """What has been offered and not answered, by the date of the transfer."""
    page, after = await by_age(call.work, OUTGOING, marker, pageSize, ascendingOrder)
    found = [one | {"creationDate": one["certificateDate"]} for _, one in page]
    return page_of(found, after, "outgoingCertificates", "nextMarker")


async def _under_way(call: Call, id: str, side: str) -> Document:
    """A certificate whose transfer this account may end; ``side`` says in which role."""
    certificate = await call.work.get("cert", id)
    if certificate is not None and certificate["status"] == PENDING and side in certificate:
        return certificate
    if certificate is None:
        if await call.work.get(GONE, id) is not None:
            raise TransferAlreadyCompletedException(f"The transfer of certificate {id} is completed already")
        raise ResourceNotFoundException(f"Certificate {id} does not exist")
    if certificate["status"] == PENDING:
        role = "receives" if side == "transferredFrom" else "offers"
        raise InvalidRequestException(f"Account {call.account} is not the one that {role} certificate {id}")
    if "transferData" in certificate:
        raise TransferAlreadyCompletedException(f"The transfer of certificate {id} is completed already")
    raise InvalidRequestException(f"Certificate {id} is not being transferred")


def _ended(certificate: Document, status: str, **dates: object) -> Document:
    kept = {member: value for member, value in certificate.items() if member not in UNDER_WAY}
    return _next(kept | {"status": status, "transferData": certificate["transferData"] | _plain(dates)})


def _next(certificate: Document) -> Document:
    return certificate | {"customerVersion": certificate["customerVersion"] + 1}


def _plain(members: Document) -> Document:
    return {member: value for member, value in members.items() if value is not None}
