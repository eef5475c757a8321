"""Provisioning templates and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.aws.errors import (
    DeleteConflictException,
    InvalidRequestException,
    ResourceNotFoundException,
    VersionsLimitExceededException,
)
from sekisho.logic.function_names import why_not_callable
from sekisho.logic.templates import TemplateError, TemplateKind, parse_template
from sekisho.services.call import Call
from sekisho.services.certificate_ends import TEMPLATE
from sekisho.services.paging import key, page_of, token
from sekisho.services.roles import pass_role
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import require_free
from sekisho.services.work import Document

KIND = "provisioningtemplate"
VERSIONS = 5
PAGE = 250
PAYLOAD_VERSION = "2020-04-01"
"""Of the event that a hook is given (AWS IoT Developer Guide, Pre-provisioning hooks)."""


async def create_provisioning_template(
    call: Call,
    templateName: str,
    templateBody: str,
    provisioningRoleArn: str,
    description: str | None = None,
    enabled: bool | None = None,
    type: str | None = None,
    preProvisioningHook: Mapping[str, str] | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    kind: TemplateKind = "JITP" if type == "JITP" else "FLEET_PROVISIONING"
    _check_body(templateBody, kind)
    hook = _hook(call, preProvisioningHook, kind) if preProvisioningHook is not None else None
    role_id = await pass_role(call, provisioningRoleArn, "provisioningRoleArn")
    words = f"Provisioning template {templateName} already exists"
    await require_free(call, KIND, templateName, "template", words)
    arn = call.arn(KIND, templateName)
    await put_tags(call, arn, tags)
    return await call.work.put(
        KIND,
        templateName,
        {
            "templateName": templateName,
            "templateArn": arn,
            "description": description,
            "enabled": bool(enabled),
            "provisioningRoleArn": provisioningRoleArn,
            "roleId": role_id,
            "type": kind,
            "preProvisioningHook": hook,
            "defaultVersionId": 1,
            "lastVersion": 1,
            "versions": {"1": {"templateBody": templateBody, "creationDate": call.now}},
        },
    )


async def describe_provisioning_template(call: Call, templateName: str) -> Document:
    template = await call.require(KIND, templateName)
    body = template["versions"][str(template["defaultVersionId"])]["templateBody"]
    return template | {"templateBody": body}


async def update_provisioning_template(
    call: Call,
    templateName: str,
    description: str | None = None,
    enabled: bool | None = None,
    defaultVersionId: int | None = None,
    provisioningRoleArn: str | None = None,
    preProvisioningHook: Mapping[str, str] | None = None,
    removePreProvisioningHook: bool | None = None,
) -> None:
    template = await call.require(KIND, templateName)
    if defaultVersionId is not None:
        _version(template, defaultVersionId)
    hook = preProvisioningHook
    if hook is not None and removePreProvisioningHook:
        raise InvalidRequestException("preProvisioningHook and removePreProvisioningHook exclude each other")
    if removePreProvisioningHook:
        template.pop("preProvisioningHook", None)
    if provisioningRoleArn is not None:
        template["roleId"] = await pass_role(call, provisioningRoleArn, "provisioningRoleArn")
    given = {
        "preProvisioningHook": _hook(call, hook, template["type"]) if hook is not None else None,
        "description": description,
        "enabled": enabled,
        "defaultVersionId": defaultVersionId,
        "provisioningRoleArn": provisioningRoleArn,
    }
    changes = {member: value for member, value in given.items() if value is not None}
    await call.work.put(KIND, templateName, template | changes)


async def delete_provisioning_template(call: Call, templateName: str) -> None:
    """With all of its versions: infrastructure tools delete it so."""
    template = await call.require(KIND, templateName)
    await drop_tags(call, template["templateArn"])
    await call.work.delete(TEMPLATE, templateName)
    await call.work.delete(KIND, templateName)


async def list_provisioning_templates(
    call: Call, maxResults: int | None = None, nextToken: str | None = None
) -> Document:
    page, after = await call.work.page(KIND, key(nextToken), maxResults or PAGE)
    return page_of([document for _, document in page], after, "templates", "nextToken")


async def create_provisioning_template_version(
    call: Call, templateName: str, templateBody: str, setAsDefault: bool | None = None
) -> Document:
    template = await call.require(KIND, templateName)
    _check_body(templateBody, template["type"])
    if len(template["versions"]) >= VERSIONS:
        raise VersionsLimitExceededException(
            f"Provisioning template {templateName} already has {VERSIONS} versions, the most it can have"
        )
    version = template["lastVersion"] + 1
    template["versions"][str(version)] = {"templateBody": templateBody, "creationDate": call.now}
    template["lastVersion"] = version
    if setAsDefault:
        template["defaultVersionId"] = version
    return _version(await call.work.put(KIND, templateName, template), version)


async def describe_provisioning_template_version(call: Call, templateName: str, versionId: int) -> Document:
    return _version(await call.require(KIND, templateName), versionId)


async def list_provisioning_template_versions(
    call: Call, templateName: str, maxResults: int | None = None, nextToken: str | None = None
) -> Document:
    template = await call.require(KIND, templateName)
    numbers = sorted((int(version) for version in template["versions"]), reverse=True)
    before = key(nextToken)
    if before:
        if not (before.isascii() and before.isdigit() and len(before) < 19):
            raise InvalidRequestException("nextToken is not one that this operation gave")
        numbers = [number for number in numbers if number < int(before)]
    limit = maxResults or PAGE
    more = str(numbers[limit - 1]) if len(numbers) > limit else ""
    return {"versions": [_version(template, n) for n in numbers[:limit]], "nextToken": token(more)}


async def delete_provisioning_template_version(call: Call, templateName: str, versionId: int) -> None:
    template = await call.require(KIND, templateName)
    _version(template, versionId)
    if versionId == template["defaultVersionId"]:
        raise DeleteConflictException(
            f"Version {versionId} of provisioning template {templateName} is its default one"
        )
    del template["versions"][str(versionId)]
    await call.work.put(KIND, templateName, template)


def _hook(call: Call, given: Mapping[str, str], kind: TemplateKind) -> Document:
    """A hook as it is kept; there need be no such function yet."""
    if kind != "FLEET_PROVISIONING":
        raise InvalidRequestException("preProvisioningHook: only fleet provisioning templates have one")
    why_not = why_not_callable(given["targetArn"], call.region, call.account)
    if why_not is not None:
        raise InvalidRequestException(f"preProvisioningHook: {why_not}")
    return {"payloadVersion": given.get("payloadVersion", PAYLOAD_VERSION), "targetArn": given["targetArn"]}


def _check_body(body: str, kind: TemplateKind) -> None:
    try:
        parse_template(body, kind)
    except TemplateError as error:
        raise InvalidRequestException(f"Invalid provisioning template: {error}") from None


def _version(template: Document, version: int) -> Document:
    """One version of a template, as the operations about versions answer it."""
    found: Document | None = template["versions"].get(str(version))
    if found is None:
        raise ResourceNotFoundException(
            f"Provisioning template {template['templateName']} has no version {version}"
        )
    return found | {
        "templateName": template["templateName"],
        "templateArn": template["templateArn"],
        "versionId": version,
        "isDefaultVersion": version == template["defaultVersionId"],
    }
