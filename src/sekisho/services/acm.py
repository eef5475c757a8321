"""Server certificates by AWS Certificate Manager's API: imported, described, listed, deleted.

Source: AWS Certificate Manager API Reference and User Guide. The private key comes in and never goes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from sekisho.aws.errors import (
    InvalidArgsException,
    InvalidParameterException,
    InvalidRequestException,
    ResourceInUseException,
    ValidationException,
)
from sekisho.logic.domains import domain_arn
from sekisho.logic.server_certificates import BadServerCertificate, read_server_certificate
from sekisho.services import served_certificates
from sekisho.services.call import Call
from sekisho.services.paging import created_key, token
from sekisho.services.server_certificates import (
    IMPORTED,
    ISSUED,
    KIND,
    USE,
    certificate_arn,
    certificate_document,
    leaf_of,
    put_certificate_tags,
    require_certificate,
    require_room,
    sealed_for,
    users_of,
)
from sekisho.services.tagging import drop_tags
from sekisho.services.unique import new_uuid
from sekisho.services.work import Document

PAGE = 100
SHOWN_NAMES = 100

BY_DEFAULT = ("RSA_1024", "RSA_2048")
"""What ListCertificates gives unless keyTypes says otherwise (botocore, Filters)."""

KEY_USAGES = {
    "digital_signature": "DIGITAL_SIGNATURE",
    "content_commitment": "NON_REPUDIATION",
    "key_encipherment": "KEY_ENCIPHERMENT",
    "data_encipherment": "DATA_ENCIPHERMENT",
    "key_agreement": "KEY_AGREEMENT",
    "key_cert_sign": "CERTIFICATE_SIGNING",
    "crl_sign": "CRL_SIGNING",
}
EXTENDED_USAGES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "TLS_WEB_SERVER_AUTHENTICATION",
    ExtendedKeyUsageOID.CLIENT_AUTH: "TLS_WEB_CLIENT_AUTHENTICATION",
    ExtendedKeyUsageOID.CODE_SIGNING: "CODE_SIGNING",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "EMAIL_PROTECTION",
    ExtendedKeyUsageOID.TIME_STAMPING: "TIME_STAMPING",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSP_SIGNING",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "ANY",
}


async def import_certificate(
    call: Call,
    Certificate: bytes,
    PrivateKey: bytes,
    CertificateChain: bytes | None = None,
    CertificateArn: str | None = None,
    Tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    """With an ARN it takes the place of what was imported under it, and is served in its place."""
    if CertificateArn is not None:
        existing = await require_certificate(call, CertificateArn)
        if existing["type"] != IMPORTED:
            raise ValidationException(f"{CertificateArn} was not imported, and cannot be imported again")
        if Tags:
            raise InvalidParameterException("Tags cannot be given when a certificate is imported again")
        id = CertificateArn.rpartition("/")[2]
    else:
        await require_room(call)
        id = new_uuid()
    try:
        papers = read_server_certificate(Certificate, CertificateChain or b"", PrivateKey, call.now)
    except BadServerCertificate as error:
        raise ValidationException(str(error)) from None
    arn = certificate_arn(call.region, call.account, id)
    context = sealed_for(call.account, call.region, id)
    made = certificate_document(arn, papers, IMPORTED, call.deps.keyring, context, call.now)
    await put_certificate_tags(call, arn, Tags)
    await call.work.put(KIND, id, made)
    await served_certificates.renew(call.work, made)
    return {"CertificateArn": arn}


async def describe_certificate(call: Call, CertificateArn: str) -> Document:
    return {"Certificate": await _detail(call, await require_certificate(call, CertificateArn))}


async def get_certificate(call: Call, CertificateArn: str) -> Document:
    found = await require_certificate(call, CertificateArn)
    return {"Certificate": found["certificatePem"], "CertificateChain": found["chainPem"] or None}


async def delete_certificate(call: Call, CertificateArn: str) -> None:
    found = await require_certificate(call, CertificateArn)
    if not await call.work.require_no_links_to(USE, CertificateArn):
        users = ", ".join(await users_of(call.work, CertificateArn))
        raise ResourceInUseException(f"{CertificateArn} is in use by the domain configuration {users}")
    await drop_tags(call, CertificateArn)
    await call.work.delete(KIND, found["certificateArn"].rpartition("/")[2])


async def list_certificates(
    call: Call,
    CertificateStatuses: Sequence[str] | None = None,
    Includes: Mapping[str, Any] | None = None,
    NextToken: str | None = None,
    MaxItems: int | None = None,
    SortBy: str | None = None,
    SortOrder: str | None = None,
) -> Document:
    """A page may have fewer than MaxItems where some are left out, and is the last only without a token."""
    if (SortBy is None) != (SortOrder is None):
        raise InvalidArgsException("SortBy and SortOrder are given together or not at all")
    by_created = SortBy is not None
    page, after = await call.work.page(
        KIND,
        _key(NextToken),
        MaxItems or PAGE,
        by_created=True,
        ascending=not by_created or SortOrder == "ASCENDING",
    )
    includes = {"keyTypes": BY_DEFAULT, **(Includes or {})}
    found = []
    for _, document in page:
        summary = await _summary(call, document)
        wanted = not CertificateStatuses or summary["Status"] in CertificateStatuses
        if wanted and _is_included(summary, includes):
            found.append(summary)
    return {"CertificateSummaryList": found, "NextToken": token(after)}


def _key(token: str | None) -> str:
    try:
        return created_key(token)
    except InvalidRequestException as error:  # as `iot` spells it
        raise InvalidArgsException(f"NextToken: {error.message}") from None


def _is_included(summary: Document, includes: Mapping[str, Any]) -> bool:
    usages = includes.get("keyUsage"), includes.get("extendedKeyUsage")
    for wanted, has in zip(usages, (summary["KeyUsages"], summary["ExtendedKeyUsages"]), strict=True):
        if wanted and not set(wanted) & set(has):
            return False
    if includes.get("exportOption") == "ENABLED" or includes.get("managedBy"):
        return False  # nothing here can be exported, or is CloudFront's
    return summary["KeyAlgorithm"] in includes["keyTypes"]


def status_of(document: Document, now: float) -> str:
    return "EXPIRED" if now > document["notAfter"] else "ISSUED"


async def _common(call: Call, document: Document) -> Document:
    leaf = leaf_of(document)
    at = {"ImportedAt": document["madeAt"]}
    if document["type"] == ISSUED:
        at = {"IssuedAt": document["madeAt"]}
    return {
        "CertificateArn": document["certificateArn"],
        "DomainName": document["domainName"],
        "Status": status_of(document, call.now),
        "Type": document["type"],
        "KeyAlgorithm": document["keyAlgorithm"],
        "KeyUsages": _key_usages(leaf),
        "ExtendedKeyUsages": [name for name, _ in _extended_usages(leaf)],
        "RenewalEligibility": "INELIGIBLE",
        "NotBefore": document["notBefore"],
        "NotAfter": document["notAfter"],
        "CreatedAt": document["creationDate"],
        "CertificateKeyPairOrigin": "AWS_MANAGED" if document["type"] == ISSUED else "CUSTOMER_PROVIDED",
        **at,
    }


async def _summary(call: Call, document: Document) -> Document:
    names = document["names"]
    return await _common(call, document) | {
        "SubjectAlternativeNameSummaries": names[:SHOWN_NAMES],
        "HasAdditionalSubjectAlternativeNames": len(names) > SHOWN_NAMES,
        "ExportOption": "DISABLED",
        "Exported": False,
        "InUse": bool(await users_of(call.work, document["certificateArn"])),
    }


async def _detail(call: Call, document: Document) -> Document:
    leaf = leaf_of(document)
    users = await users_of(call.work, document["certificateArn"])
    validated = None
    if document.get("validationMethod"):
        how = {"ValidationMethod": document["validationMethod"], "ValidationStatus": "SUCCESS"}
        validated = [{"DomainName": name, **how} for name in document["names"]]
    algorithm = leaf.signature_hash_algorithm
    kind = "ECDSA" if "ecdsa" in leaf.signature_algorithm_oid._name.lower() else "RSA"
    return await _common(call, document) | {
        "SubjectAlternativeNames": document["names"],
        "DomainValidationOptions": validated,
        "Serial": ":".join(f"{byte:02x}" for byte in _serial(leaf)),
        "Subject": leaf.subject.rfc4514_string(),
        "Issuer": leaf.issuer.rfc4514_string(),
        "SignatureAlgorithm": f"{algorithm.name.upper() if algorithm else ''}WITH{kind}",
        "InUseBy": [domain_arn(call.region, call.account, name) for name in users],
        "KeyUsages": [{"Name": name} for name in _key_usages(leaf)],
        "ExtendedKeyUsages": [{"Name": name, "OID": oid} for name, oid in _extended_usages(leaf)],
        "Options": {"CertificateTransparencyLoggingPreference": "DISABLED", "Export": "DISABLED"},
    }


def _serial(leaf: x509.Certificate) -> bytes:
    number = leaf.serial_number
    return number.to_bytes((number.bit_length() + 7) // 8)


def _key_usages(leaf: x509.Certificate) -> list[str]:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ["ANY"]
    return [name for attribute, name in KEY_USAGES.items() if getattr(usage, attribute)]


def _extended_usages(leaf: x509.Certificate) -> list[tuple[str, str]]:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return [("NONE", "")]
    return [(EXTENDED_USAGES.get(oid, "CUSTOM"), oid.dotted_string) for oid in usage]
