"""The MQTT API of fleet provisioning: a certificate with an ownership token, then a thing for the token.

A certificate is PENDING_ACTIVATION until its owner registers; the token lives an hour and is used once. Only
its SHA-256 is stored, so that no copy of the database is worth anything to a thief (AWS IoT Developer Guide,
Device provisioning MQTT API).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from cryptography import x509

from sekisho.aws.errors import (
    AccessDenied,
    AwsError,
    InternalError,
    InvalidCertificateOwnershipToken,
    InvalidCertificateSigningRequest,
    InvalidParameters,
    ResourceNotFound,
)
from sekisho.functions.interface import FunctionError
from sekisho.logic.certificates import BadCsr, certificate_id, parse_csr
from sekisho.logic.hooks import HookRefusal, overrides_of, provided_certificate
from sekisho.logic.templates import TemplateError, expand, parse_template
from sekisho.services.call import Call
from sekisho.services.certificate_ends import claim_validity
from sekisho.services.certificate_records import put_new_certificate
from sekisho.services.default_provider import default_provider
from sekisho.services.issuing import issue_for_csr, issue_for_new_key
from sekisho.services.provisioning import carry_out
from sekisho.services.roles import require_rights, role_at_work
from sekisho.services.work import Document

TOKEN = "ownershiptoken"  # noqa: S105 - the kind of a row
LIFETIME = 3600.0
"""Seconds until an unused token and its certificate are deleted."""


async def create_certificate_from_csr(call: Call, certificateSigningRequest: str) -> Document:
    try:
        csr = parse_csr(certificateSigningRequest)
    except BadCsr as error:
        raise InvalidCertificateSigningRequest(
            f"The certificate signing request is not usable: {error}"
        ) from None
    call.use_hints()
    provider = await default_provider(call)
    if provider is None:
        certificate = await issue_for_csr(call, csr, "PENDING_ACTIVATION", await claim_validity(call))
    else:
        certificate = await _ask_provider(call, provider, certificateSigningRequest, csr)
    return certificate | {"certificateOwnershipToken": await _token(call, certificate)}


async def _ask_provider(
    call: Call, provider: Document, request: str, csr: x509.CertificateSigningRequest
) -> Document:
    """The certificate that the account's certificate provider signs; InternalError when it signs none."""
    event = {
        "certificateSigningRequest": request,
        "principalId": call.caller.certificate_id or call.caller.principal.user_id,
        "clientId": call.caller.client_id,
    }
    try:
        signed = provided_certificate(await call.invoke(provider["lambdaFunctionArn"], event), csr)
        if await call.work.get("cert", certificate_id(signed)) is not None:
            raise HookRefusal("the certificate is registered already")
    except (FunctionError, HookRefusal) as error:
        raise InternalError(
            f"The certificate provider {provider['certificateProviderName']} gave no certificate: {error}"
        ) from None
    return await put_new_certificate(call, signed, "PENDING_ACTIVATION")


async def create_keys_and_certificate(call: Call) -> Document:
    call.use_hints()
    validity = await claim_validity(call)
    certificate, private_pem, _ = await issue_for_new_key(call, "PENDING_ACTIVATION", validity)
    return certificate | {
        "privateKey": private_pem,
        "certificateOwnershipToken": await _token(call, certificate),
    }


async def register_thing(
    call: Call,
    templateName: str,
    certificateOwnershipToken: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Document:
    if not certificateOwnershipToken:
        raise InvalidCertificateOwnershipToken("Certificate ownership token cannot be empty.")
    template = await call.work.get("provisioningtemplate", templateName)
    if template is None:
        raise ResourceNotFound(f"Provisioning template {templateName} does not exist")
    if not template["enabled"]:
        raise AccessDenied(f"Provisioning template {templateName} is not enabled")
    if template["type"] != "FLEET_PROVISIONING":
        raise InvalidParameters(f"Provisioning template {templateName} is not one for fleet provisioning")
    id = _digest(certificateOwnershipToken)
    owned = await call.work.get(TOKEN, id)
    if owned is None or call.now >= owned["expires"]:
        raise InvalidCertificateOwnershipToken(
            "The certificate ownership token is unknown, was used already, or has expired."
        )
    owned_id = owned["certificateId"]
    parameters = await _ask_hook(call, template, owned_id, parameters or {})
    body = template["versions"][str(template["defaultVersionId"])]["templateBody"]
    try:
        plan = expand(
            parse_template(body, "FLEET_PROVISIONING"),
            parameters,
            {"AWS::IoT::Certificate::Id": owned_id},
        )
    except TemplateError as error:
        raise InvalidParameters(str(error)) from None
    planned = plan.certificate
    if planned is not None and planned.certificate_id not in (None, owned_id):
        raise AccessDenied(f"{planned.logical}: the token belongs to another certificate")
    try:
        role = await role_at_work(
            call.deps, call.account, template["provisioningRoleArn"], template.get("roleId"), "provisioning"
        )
        if role is not None:
            await require_rights(call, plan, role)
        if not call.again:
            call.work.is_bare(call.arn("cert", owned_id))  # nobody else has its certificate yet
        outcome = await carry_out(call, plan)
    except AwsError as error:
        raise InvalidParameters(error.message) from None
    await call.work.delete(TOKEN, id)
    return {"thingName": outcome.thing_name, "deviceConfiguration": plan.device_configuration}


async def _ask_hook(
    call: Call, template: Document, owned_id: str, parameters: Mapping[str, str]
) -> Mapping[str, str]:
    """The device's parameters with what the template's hook overrides; AccessDenied unless it allows them."""
    hook = template.get("preProvisioningHook")
    if hook is None:
        return parameters
    certificate = await call.work.get("cert", owned_id) or {}
    event = {
        "claimCertificateId": call.caller.certificate_id,
        "certificateId": owned_id,
        "certificatePem": certificate.get("certificatePem"),
        "templateArn": template["templateArn"],
        "clientId": call.caller.client_id,
        "parameters": dict(parameters),
    }
    try:
        return {**parameters, **overrides_of(await call.invoke(hook["targetArn"], event))}
    except (FunctionError, HookRefusal) as error:
        raise AccessDenied(
            f"ACCESS_DENIED: the pre-provisioning hook of template {template['templateName']}"
            f" refused the device: {error}"
        ) from None


async def _token(call: Call, certificate: Document) -> str:
    """A new ownership token; only its digest is kept. Its row is found by age when its hour is over."""
    token = secrets.token_urlsafe(64)
    body = {"certificateId": certificate["certificateId"], "expires": call.now + LIFETIME}
    digest = _digest(token)
    call.work.is_new(TOKEN, digest, digest)
    await call.work.put(TOKEN, digest, body)
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
