"""CAs of the account's own: registration codes, register, describe, list, update, delete.

Source: the `iot` service model; AWS IoT Developer Guide, "Manage your CA certificates".
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence

from cryptography import x509

from sekisho.aws.errors import (
    AwsError,
    CertificateStateException,
    CertificateValidationException,
    InvalidRequestException,
    LimitExceededException,
    RegistrationCodeValidationException,
    ResourceNotFoundException,
)
from sekisho.logic.certificates import BadCertificate, certificate_id, parse_certificate
from sekisho.logic.issuers import (
    common_names,
    has_signed,
    parse_ca,
    parse_for_registration,
    subject_digest,
)
from sekisho.logic.templates import TemplateError, parse_template
from sekisho.services.call import Call
from sekisho.services.certificate_records import description, require_unregistered
from sekisho.services.issuers import BY_SUBJECT, CA, PER_SUBJECT
from sekisho.services.multi_account import check_ca, release_ca
from sekisho.services.paging import DEFAULT_PAGE, created_key, page_of
from sekisho.services.roles import pass_role
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.work import Document

CODE = "registrationcode"
THE_CODE = "code"
"""The id of the one registration code that an account has in a region."""


async def get_registration_code(call: Call) -> Document:
    """The account's code, made when it is first asked for; it stays until it is deleted."""
    existing = await call.work.get(CODE, THE_CODE)
    if existing is not None:
        return existing
    return await call.work.put(CODE, THE_CODE, {"registrationCode": secrets.token_hex(32)})


async def delete_registration_code(call: Call) -> None:
    if await call.work.get(CODE, THE_CODE) is None:
        raise ResourceNotFoundException("There is no registration code")
    await call.work.delete(CODE, THE_CODE)


async def register_ca_certificate(
    call: Call,
    caCertificate: str,
    verificationCertificate: str | None = None,
    setAsActive: bool | None = None,
    allowAutoRegistration: bool | None = None,
    registrationConfig: Mapping[str, str] | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
    certificateMode: str | None = None,
) -> Document:
    """In DEFAULT mode who registers proves to have the CA's key, in SNI_ONLY mode no one is asked to."""
    mode = certificateMode or "DEFAULT"
    if mode == "DEFAULT" and verificationCertificate is None:
        raise InvalidRequestException("verificationCertificate is needed when certificateMode is DEFAULT")
    if mode == "SNI_ONLY" and verificationCertificate is not None:
        raise InvalidRequestException(
            "verificationCertificate must be absent when certificateMode is SNI_ONLY"
        )
    try:
        ca = parse_ca(caCertificate, call.now)
    except BadCertificate as error:
        raise CertificateValidationException(f"The CA certificate is not usable: {error}") from None
    if verificationCertificate is not None:
        await _check_proof(call, ca, verificationCertificate)
    await require_unregistered(call, certificate_id(ca), CA)
    await check_ca(call, ca, mode)
    config = await _checked_config(call, registrationConfig)
    subject = subject_digest(ca)
    if len(await call.work.all_links_to(BY_SUBJECT, subject)) >= PER_SUBJECT:
        raise LimitExceededException(
            f"there are already {PER_SUBJECT} CA certificates with this subject, the most there can be"
        )
    body = description(call, CA, ca, "ACTIVE" if setAsActive else "INACTIVE", mode)
    call.work.link(BY_SUBJECT, body["certificateId"], subject)
    await put_tags(call, body["certificateArn"], tags)
    return await call.work.put(
        CA,
        body["certificateId"],
        body
        | {
            "autoRegistrationStatus": "ENABLE" if allowAutoRegistration else "DISABLE",
            "registrationConfig": config,
            "subject": subject,
        },
    )


async def _check_proof(call: Call, ca: x509.Certificate, pem: str) -> None:
    """The verification certificate: the registration code as its common name, signed with the CA's key."""
    try:
        proof = parse_for_registration(pem, call.now)
    except BadCertificate as error:
        raise CertificateValidationException(f"The verification certificate is not usable: {error}") from None
    code = await call.work.get(CODE, THE_CODE)
    names = common_names(proof)
    if code is None or not any(
        hmac.compare_digest(name.encode(), code["registrationCode"].encode()) for name in names
    ):
        raise RegistrationCodeValidationException(
            "The common name of the verification certificate is not the registration code of this account "
            "and region (GetRegistrationCode)"
        )
    if not has_signed(ca, proof):
        raise CertificateValidationException(
            "The verification certificate is not signed with the key of the CA certificate"
        )


async def describe_ca_certificate(call: Call, certificateId: str) -> Document:
    ca = await call.require(CA, certificateId)
    return {"certificateDescription": ca, "registrationConfig": ca.get("registrationConfig")}


async def list_ca_certificates(
    call: Call,
    pageSize: int | None = None,
    marker: str | None = None,
    ascendingOrder: bool | None = None,
    templateName: str | None = None,
) -> Document:
    """``templateName``: only those that provision by that template."""
    limit = pageSize or DEFAULT_PAGE
    after = created_key(marker)
    found: list[Document] = []
    while True:
        page, after = await call.work.page(
            CA, after, limit - len(found), by_created=True, ascending=bool(ascendingOrder)
        )
        found += [ca for _, ca in page if templateName is None or _template_name(ca) == templateName]
        if not after or len(found) == limit:
            return page_of(found, after, "certificates", "nextMarker")


def _template_name(ca: Document) -> str | None:
    name: str | None = (ca.get("registrationConfig") or {}).get("templateName")
    return name


async def update_ca_certificate(
    call: Call,
    certificateId: str,
    newStatus: str | None = None,
    newAutoRegistrationStatus: str | None = None,
    registrationConfig: Mapping[str, str] | None = None,
    removeAutoRegistration: bool | None = None,
) -> None:
    """Whatever is not given stays. ``removeAutoRegistration`` takes the template away and switches off."""
    ca = await call.require(CA, certificateId)
    if removeAutoRegistration and (registrationConfig or newAutoRegistrationStatus == "ENABLE"):
        raise InvalidRequestException(
            "removeAutoRegistration excludes registrationConfig and newAutoRegistrationStatus ENABLE"
        )
    changed = {member: value for member, value in ca.items() if value is not None}
    if newStatus is not None:
        changed["status"] = newStatus
    if newAutoRegistrationStatus is not None:
        changed["autoRegistrationStatus"] = newAutoRegistrationStatus
    if registrationConfig is not None:
        changed["registrationConfig"] = await _checked_config(call, registrationConfig)
    if removeAutoRegistration:
        changed["autoRegistrationStatus"] = "DISABLE"
        changed.pop("registrationConfig", None)
    if changed != ca:
        changed["customerVersion"] = ca["customerVersion"] + 1
        await call.work.put(CA, certificateId, changed)


async def delete_ca_certificate(call: Call, certificateId: str) -> None:
    """What it has signed and is registered stays."""
    ca = await call.require(CA, certificateId)
    if ca["status"] == "ACTIVE":
        raise CertificateStateException(
            f"CA certificate must be deactivated (not ACTIVE) before deletion. Id: {certificateId}"
        )
    await release_ca(call, parse_certificate(ca["certificatePem"]))
    call.work.unlink(BY_SUBJECT, certificateId, ca["subject"])
    await drop_tags(call, ca["certificateArn"])
    await call.work.delete(CA, certificateId)


async def _checked_config(call: Call, config: Mapping[str, str] | None) -> Document | None:
    """What a CA provisions by: a template's text with a role, or the name of a template of type JITP."""
    if not config:
        return None
    body, name, role = config.get("templateBody"), config.get("templateName"), config.get("roleArn")
    if (body is None) == (name is None):
        raise InvalidRequestException("registrationConfig needs either templateBody or templateName")
    if body is not None:
        if role is None:
            raise InvalidRequestException("registrationConfig needs roleArn beside templateBody")
        role_id = await pass_role(call, role, "registrationConfig.roleArn")
        try:
            parse_template(body, "JITP")
        except TemplateError as error:
            raise InvalidRequestException(f"Invalid provisioning template: {error}") from None
        return {**config, "roleId": role_id}
    if name is not None:
        why_not = template_error(name, await call.work.get("provisioningtemplate", name))
        if why_not is not None:
            raise why_not
    return dict(config)


def template_error(name: str, template: Document | None) -> AwsError | None:
    """What is wrong with a named template for just-in-time provisioning, apart from being disabled."""
    if template is None:
        return ResourceNotFoundException(f"Provisioning template {name} does not exist")
    if template["type"] != "JITP":
        return InvalidRequestException(f"Provisioning template {name} is not of type JITP")
    return None
