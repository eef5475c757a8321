"""Just-in-time registration and provisioning: what becomes of a certificate at its first connect.

Source: AWS IoT Developer Guide, "Automatic/Just-in-Time registration" and "Just-in-time provisioning".
"""

from __future__ import annotations

from typing import NamedTuple

import orjson
from cryptography import x509

from sekisho.aws.errors import (
    AwsError,
    CertificateStateException,
    CertificateValidationException,
    InvalidRequestException,
)
from sekisho.logic.certificates import BadCertificate, certificate_id, parse_certificate
from sekisho.logic.templates import TemplateError, expand, parse_template
from sekisho.logic.variables import subject_parameters
from sekisho.mqtt.message import Message
from sekisho.services.auto_registration import shown, why_not_register
from sekisho.services.ca_certificates import template_error
from sekisho.services.call import Call
from sekisho.services.certificate_records import put_new_certificate
from sekisho.services.issuers import CA, signed_by
from sekisho.services.provisioning import carry_out
from sekisho.services.revoked import RevokedSerials
from sekisho.services.roles import require_rights, role_at_work
from sekisho.services.work import Document

EVENT = "$aws/events/certificates/registered/{}"
PENDING = "PENDING_ACTIVATION"


async def register_certificate_on_connect(call: Call, certificatePem: str, caCertificateId: str) -> Document:
    """Register what has connected as PENDING_ACTIVATION, and say so or provision it: all of it or nothing.

    The node calls it by itself, at the first connect and at each later one while the certificate is pending.
    With a template on the CA no event is published: it is decided already what becomes of the certificate.
    """
    try:
        certificate = parse_certificate(certificatePem)
    except BadCertificate as error:
        raise CertificateValidationException(f"The certificate is not usable: {error}") from None
    id = certificate_id(certificate)
    ca = await call.require(CA, caCertificateId)
    if not signed_by(ca, certificate):
        raise CertificateValidationException(f"{shown(ca)} has not signed certificate {id}")
    why_not = why_not_register(ca, certificate, call.now)
    if why_not is not None:
        raise CertificateStateException(f"Certificate {id} is not registered: {why_not}")
    if await RevokedSerials(call.deps.store).lists(
        call.account, call.region, caCertificateId, certificatePem
    ):
        raise CertificateStateException(
            f"Certificate {id} is not registered: it is on the revocation list of {shown(ca)}"
        )
    pending = await call.work.get("cert", id)
    first = pending is None
    if pending is None:
        pending = await put_new_certificate(
            call, certificate, PENDING, ca["certificateMode"], caCertificateId
        )
    elif pending["status"] != PENDING or pending.get("caCertificateId") != caCertificateId:
        return pending  # somebody has decided in between
    template = await _template_of(call, ca)
    if template is None:
        call.work.events.append(_registered(call, pending, first))
        return pending
    thing_name = await _provision(call, certificate, id, template)
    return (await call.require("cert", id)) | {"thingName": thing_name}


def _registered(call: Call, certificate: Document, first: bool) -> Message:
    """The event, with times in epoch milliseconds. The time of registration is null in the first, as measured
    on AWS IoT."""
    now = int(call.now * 1000)
    body = {
        "certificateId": certificate["certificateId"],
        "caCertificateId": certificate["caCertificateId"],
        "timestamp": now,
        "certificateStatus": certificate["status"],
        "awsAccountId": call.account,
        "certificateRegistrationTimestamp": None if first else int(certificate["creationDate"] * 1000),
    }
    topic = EVENT.format(certificate["caCertificateId"])
    return Message(call.account, call.region, topic, orjson.dumps(body), qos=1, received_at=call.now)


class Template(NamedTuple):
    """A template's text, and the role that was passed with it (`sekisho.services.roles`)."""

    body: str
    role_arn: str
    role_id: str | None


async def _template_of(call: Call, ca: Document) -> Template | None:
    """The CA's template, if it has one."""
    config = ca.get("registrationConfig") or {}
    name = config.get("templateName")
    if name is None:
        body: str | None = config.get("templateBody")
        return Template(body, config["roleArn"], config.get("roleId")) if body is not None else None
    template = await call.work.get("provisioningtemplate", name)
    error = template_error(name, template)
    if error is not None or template is None:
        raise error or InvalidRequestException(name)
    if not template["enabled"]:
        raise InvalidRequestException(f"Provisioning template {name} is not enabled")
    text: str = template["versions"][str(template["defaultVersionId"])]["templateBody"]
    return Template(text, template["provisioningRoleArn"], template.get("roleId"))


async def _provision(call: Call, certificate: x509.Certificate, id: str, template: Template) -> str:
    """The thing's name, '' for a template without a thing. Parameters come from the subject alone."""
    try:
        plan = expand(parse_template(template.body, "JITP"), {}, subject_parameters(certificate, id))
    except TemplateError as error:
        raise InvalidRequestException(f"The template does not fit the certificate: {error}") from None
    planned = plan.certificate
    if planned is None:
        raise InvalidRequestException("The template has no AWS::IoT::Certificate that would become ACTIVE")
    if planned.certificate_id != id:
        raise InvalidRequestException(
            f"{planned.logical}: CertificateId is not that of the connecting client"
        )
    try:
        role = await role_at_work(
            call.deps, call.account, template.role_arn, template.role_id, "provisioning"
        )
        if role is not None:
            await require_rights(call, plan, role)
        return (await carry_out(call, plan)).thing_name
    except AwsError as error:
        raise InvalidRequestException(f"The template cannot be carried out: {error.message}") from None
