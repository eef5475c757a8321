"""Beyond AWS: the renewal of certificates on live devices, with both valid for a while, or rolled back."""

from __future__ import annotations

import secrets
from typing import Any

from cryptography import x509

from sekisho.aws.errors import (
    AccessDeniedException,
    ConflictException,
    InvalidRequestException,
    ResourceNotFoundException,
)
from sekisho.logic.certificates import BadCsr, parse_csr
from sekisho.logic.renewal import OPEN, WORDS, due_id, is_due, next_status
from sekisho.logic.validity import BadValidity, Validity, end_of, validity_of
from sekisho.services.call import Call
from sekisho.services.certificate_ends import account_validity
from sekisho.services.certificate_records import drop_attachments, drop_certificate
from sekisho.services.issuing import issue_for_csr
from sekisho.services.paging import key, page_of
from sekisho.services.renewing import (
    DUE,
    RENEWAL,
    RETIRED,
    WAIT,
    copy_attachments,
    end,
    find_pair,
    has_connected,
    tell,
)
from sekisho.services.work import Document

TIMEOUT = 7 * 86400.0
"""Seconds that a device has unless said otherwise."""

CERTIFICATES = 5
"""Certificates that one renewal may be given: a device may lose one before it has stored it."""

PAGE = 25


async def start_certificate_renewal(
    call: Call,
    thingName: str | None = None,
    certificateId: str | None = None,
    deadline: float | None = None,
    timeoutSeconds: int | None = None,
    days: int | None = None,
    notAfter: float | None = None,
    deleteAfterSeconds: int | None = None,
) -> Document:
    if deadline is not None and timeoutSeconds is not None:
        raise InvalidRequestException("deadline and timeoutSeconds exclude each other")
    thing, certificate = await find_pair(call, thingName, certificateId)
    asked = {
        "deadline": deadline,
        "timeoutSeconds": timeoutSeconds,
        "days": days,
        "notAfter": notAfter,
        "deleteAfterSeconds": deleteAfterSeconds,
    }
    asked = {member: value for member, value in asked.items() if value is not None}
    existing = await call.work.get(RENEWAL, thing)
    if existing is not None and existing["status"] in OPEN:
        if (existing["asked"], existing["certificateId"]) != (asked, certificate["certificateId"]):
            raise ConflictException(
                f"another renewal of thing {thing} is under way, with other members: cancel it first"
            )
        tell(call, existing, "request")
        return existing
    until = deadline if deadline is not None else call.now + (timeoutSeconds or TIMEOUT)
    if until <= call.now:
        raise InvalidRequestException("the deadline is over")
    try:
        end_of(await _validity(call, days, notAfter), call.now, call.deps.keyring.ca.not_valid_after_utc)
    except BadValidity as error:
        raise InvalidRequestException(str(error)) from None
    renewal = {
        "renewalId": secrets.token_hex(16),
        "thingName": thing,
        "status": "REQUESTED",
        "certificateId": certificate["certificateId"],
        "requestedAt": call.now,
        "deadline": until,
        "days": days,
        "notAfter": notAfter,
        "deleteAfterSeconds": deleteAfterSeconds,
        "asked": asked,
        "certificates": 0,
        "reason": WORDS["REQUESTED"],
    }
    await call.work.put(DUE, due_id(until, thing), {"thingName": thing})
    tell(call, renewal, "request")
    return await call.work.put(RENEWAL, thing, renewal, what="REQUESTED")


async def describe_certificate_renewal(call: Call, thingName: str) -> Document:
    """A device is told of renewals of its own certificate only."""
    renewal = await _require(call, thingName)
    _check_device(call, renewal, "certificateId", "newCertificateId")
    return renewal


async def list_certificate_renewals(
    call: Call, status: str | None = None, maxResults: int | None = None, nextToken: str | None = None
) -> Document:
    page, after = await call.work.page(RENEWAL, key(nextToken), maxResults or PAGE)
    found = [renewal for _, renewal in page if status is None or renewal["status"] == status]
    return page_of(found, after, "renewals", "nextToken")


async def cancel_certificate_renewal(call: Call, thingName: str) -> Document:
    renewal = await _require(call, thingName)
    if renewal["status"] not in OPEN:
        raise ConflictException(f"the renewal of thing {thingName} is {renewal['status']}")
    if await _connected(call, renewal):
        return await end(call, renewal, "SUCCEEDED")  # too late: the device has changed over
    return await end(call, renewal, "CANCELED")


async def renew_certificate(
    call: Call, thingName: str, renewalId: str, certificateSigningRequest: str
) -> Document:
    """The device's own call, with the certificate that it is to renew.

    The same key gets the same certificate again, so that a device that has lost the answer may ask once more;
    another key gets another certificate in place of the one before, which nobody has connected with.
    """
    if not call.caller.certificate_id:
        raise AccessDeniedException(
            f"only the device itself renews its certificate: over MQTT, on $sekisho/renewals/{thingName}/csr"
        )
    renewal = await _require(call, thingName)
    _check_device(call, renewal, "certificateId")
    if renewal["renewalId"] != renewalId or renewal["status"] not in OPEN:
        raise ConflictException(f"renewal {renewalId} of thing {thingName} is not under way")
    if call.now >= renewal["deadline"]:
        raise ConflictException(f"the time of renewal {renewalId} is over")
    try:
        csr = parse_csr(certificateSigningRequest)
    except BadCsr as error:
        raise InvalidRequestException(f"The certificate signing request is not usable: {error}") from None
    earlier = renewal.get("newCertificateId")
    if earlier is not None:
        certificate = await call.require("cert", earlier)
        if _same_key(certificate, csr):
            return _issued(renewal, certificate)
        await _replace(call, renewal, certificate)
    if renewal["certificates"] >= CERTIFICATES:
        raise ConflictException(
            f"renewal {renewalId} has had {CERTIFICATES} certificates, the most that it can have"
        )
    old = await call.require("cert", renewal["certificateId"])
    validity = await _validity(call, renewal.get("days"), renewal.get("notAfter"))
    new = await issue_for_csr(call, csr, "ACTIVE", validity)
    await copy_attachments(call, old, new)
    await call.work.put(WAIT, new["certificateId"], {"thingName": thingName})
    changed: dict[str, Any] = {
        "status": "ISSUED",
        "newCertificateId": new["certificateId"],
        "issuedAt": call.now,
        "certificates": renewal["certificates"] + 1,
        "reason": WORDS["ISSUED"],
    }
    renewal = await call.work.put(RENEWAL, thingName, renewal | changed, what="ISSUED")
    return _issued(renewal, new)


async def advance_certificate_renewal(call: Call, thingName: str) -> Document:
    """The node calls it when a device has connected with its new certificate, and when a deadline is over."""
    renewal = await _require(call, thingName)
    status = renewal["status"]
    connected = status in OPEN and await _connected(call, renewal)
    then = next_status(status, connected, call.now, renewal["deadline"])
    return renewal if then == status else await end(call, renewal, then)


async def delete_retired_certificate(call: Call, retirementId: str) -> Document:
    """The node calls it; a certificate that somebody has taken into use again is left alone."""
    row = await call.work.get(RETIRED, retirementId)
    if row is None:
        raise ResourceNotFoundException(f"Retired certificate {retirementId} does not exist")
    if not is_due(retirementId, call.now):
        return {"deleted": False}
    await call.work.delete(RETIRED, retirementId)
    certificate = await call.work.get("cert", row["certificateId"])
    if certificate is None or certificate["status"] != "INACTIVE":
        return {"deleted": False}
    arn = certificate["certificateArn"]
    for kind in ("attached-policy", "thing-principal"):
        if not await call.work.require_no_links_to(kind, arn):
            return {"deleted": False}
    await drop_certificate(call.work, certificate)
    return {"deleted": True}


async def _require(call: Call, thing: str) -> Document:
    renewal = await call.work.get(RENEWAL, thing)
    if renewal is None:
        raise ResourceNotFoundException(f"No certificate of thing {thing} has been renewed")
    return renewal


def _check_device(call: Call, renewal: Document, *members: str) -> None:
    """What a device may do with a renewal depends on which of its certificates it shows."""
    mine = call.caller.certificate_id
    if mine and mine not in [renewal.get(member) for member in members]:
        raise AccessDeniedException(
            f"certificate {mine} is not the one of thing {renewal['thingName']} that is renewed"
        )


async def _validity(call: Call, days: int | None, not_after: float | None) -> Validity:
    if days is None and not_after is None:
        return await account_validity(call)
    return validity_of(days, not_after)


async def _connected(call: Call, renewal: Document) -> bool:
    new = renewal.get("newCertificateId")
    return new is not None and await has_connected(call, new)


async def _replace(call: Call, renewal: Document, certificate: Document) -> None:
    """Drop a new certificate for another; one that is in use already is kept."""
    if await _connected(call, renewal):
        raise ConflictException(f"certificate {certificate['certificateId']} is in use already")
    await drop_attachments(call.work, certificate)
    await call.work.delete(WAIT, certificate["certificateId"])
    await drop_certificate(call.work, certificate)


def _same_key(certificate: Document, csr: x509.CertificateSigningRequest) -> bool:
    made = x509.load_pem_x509_certificate(certificate["certificatePem"].encode())
    return made.public_key() == csr.public_key()


def _issued(renewal: Document, certificate: Document) -> Document:
    return {
        "renewalId": renewal["renewalId"],
        "certificateId": certificate["certificateId"],
        "certificatePem": certificate["certificatePem"],
        "deadline": renewal["deadline"],
    }
