"""Carrying out an expanded provisioning template: thing, certificate and policies in one unit of work.

Every way of provisioning ends here, so that they differ in nothing but who may ask and how.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sekisho.aws.errors import (
    CertificateConflictException,
    CertificateStateException,
    CertificateValidationException,
    ConflictingResourceUpdateException,
    InvalidRequestException,
    LimitExceededException,
    MalformedPolicyException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
    ResourceRegistrationFailureException,
    VersionConflictException,
)
from sekisho.logic.certificates import BadCertificate, certificate_id, parse_certificate
from sekisho.logic.lifecycle import check_transition
from sekisho.logic.templates import Plan, PlannedCertificate, PlannedPolicy, unnamed_policy_name
from sekisho.services import (
    certificate_registration,
    certificates,
    policies,
    policy_attachments,
    thing_principals,
)
from sekisho.services.call import Call
from sekisho.services.issuers import with_issuers_name
from sekisho.services.provisioned_things import provisioned_thing
from sekisho.services.work import Document


class Outcome(NamedTuple):
    thing_name: str
    certificate: Document | None
    arns: dict[str, str]


OF_OTHERS = (
    CertificateConflictException,
    CertificateStateException,
    CertificateValidationException,
    LimitExceededException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
    VersionConflictException,
)
"""Errors of the operations that provisioning is made of, which RegisterThing has not (botocore)."""


async def carry_out(call: Call, plan: Plan) -> Outcome:
    """Make or find what the plan names, and attach it. Nothing of it exists if any of it fails."""
    try:
        return await _carry_out(call, plan)
    except OF_OTHERS as error:
        raise ResourceRegistrationFailureException(error.message) from None


async def _carry_out(call: Call, plan: Plan) -> Outcome:
    call.use_hints()
    arns: dict[str, str] = {}
    thing = certificate = None
    if plan.thing is not None:
        thing = await provisioned_thing(call, plan.thing)
        arns[plan.thing.logical] = thing["thingArn"]
    if plan.certificate is not None:
        certificate = await _certificate(call, plan.certificate)
        arns[plan.certificate.logical] = certificate["certificateArn"]
    for planned in plan.policies:
        policy = await _policy(call, planned)
        arns[planned.logical] = policy["policyArn"]
        if certificate is not None:
            await policy_attachments.attach_policy(
                call, policyName=policy["policyName"], target=certificate["certificateArn"]
            )
    if thing is not None and certificate is not None and plan.certificate is not None:
        await thing_principals.attach_thing_principal(
            call,
            thingName=thing["thingName"],
            principal=certificate["certificateArn"],
            thingPrincipalType=plan.certificate.principal_type,
        )
    return Outcome(thing["thingName"] if thing is not None else "", certificate, arns)


async def _certificate(call: Call, planned: PlannedCertificate) -> Document:
    if planned.csr is not None:
        return await certificates.create_certificate_from_csr(
            call, certificateSigningRequest=planned.csr, setAsActive=planned.status == "ACTIVE"
        )
    if planned.pem is not None:
        return await _registered(call, planned, planned.pem)
    existing = await call.work.get("cert", planned.certificate_id or "")
    if existing is None:
        raise ResourceRegistrationFailureException(
            f"{planned.logical}: certificate {planned.certificate_id} does not exist"
        )
    return await _in_state(call, existing, planned)


async def _in_state(call: Call, existing: Document, planned: PlannedCertificate) -> Document:
    id, status = existing["certificateId"], planned.status
    why_not = check_transition(existing["status"], status)
    if why_not:
        raise CertificateStateException(f"{why_not}. Id: {id}")
    if existing["status"] == status:
        return existing
    # One that waits for its activation gets it; of others the guide leaves open what holds without a setting.
    setting = planned.override_settings.get("Status", "REPLACE")
    if existing["status"] != "PENDING_ACTIVATION" and setting != "REPLACE":
        if setting == "DO_NOTHING":
            return existing
        raise ConflictingResourceUpdateException(
            f"Certificate {id} is {existing['status']}, and the OverrideSettings of "
            f"{planned.logical} do not let it become {status}"
        )
    changed = {"status": status, "customerVersion": existing["customerVersion"] + 1}
    return await call.work.put("cert", id, existing | changed, what=status)


async def _registered(call: Call, planned: PlannedCertificate, pem: str) -> Document:
    """Somebody else's certificate, registered unless it is already: under its CA, if the template names that
    or one with its issuer's name is registered, else without a CA."""
    try:
        certificate = parse_certificate(pem)
        existing = await call.work.get("cert", certificate_id(certificate))
        if existing is not None:
            return await _in_state(call, existing, planned)
        members: dict[str, Any] = {"certificatePem": pem, "status": planned.status}
        if planned.ca_pem is not None or await with_issuers_name(call.work, certificate):
            members["caCertificatePem"] = planned.ca_pem
            return await certificate_registration.register_certificate(call, **members)
        return await certificate_registration.register_certificate_without_ca(call, **members)
    except BadCertificate as error:
        raise ResourceRegistrationFailureException(f"{planned.logical}: {error}") from None
    except (
        CertificateConflictException,
        CertificateStateException,
        CertificateValidationException,
    ) as error:
        raise ResourceRegistrationFailureException(f"{planned.logical}: {error.message}") from None


async def _policy(call: Call, planned: PlannedPolicy) -> Document:
    if planned.document is None:
        existing = await call.work.get("policy", planned.name or "")
        if existing is None:
            raise ResourceRegistrationFailureException(
                f"{planned.logical}: policy {planned.name} does not exist"
            )
        return existing
    name = planned.name or unnamed_policy_name(planned.document)
    existing = await call.work.get("policy", name)
    if existing is not None:
        return existing
    try:
        return await policies.create_policy(call, policyName=name, policyDocument=planned.document)
    except MalformedPolicyException as error:
        raise InvalidRequestException(f"{planned.logical}: {error.message}") from None
