"""Policies and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from sekisho.aws.errors import (
    DeleteConflictException,
    InvalidRequestException,
    MalformedPolicyException,
    ResourceNotFoundException,
    VersionsLimitExceededException,
)
from sekisho.logic.json_text import shown
from sekisho.logic.lint import Place, lint
from sekisho.logic.policy import MalformedPolicy, parse_policy
from sekisho.services.call import Call
from sekisho.services.paging import by_age, page_of
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import require_free
from sekisho.services.work import Document

log = structlog.get_logger("sekisho.policies")

LINTED = frozenset({"CreatePolicy", "CreatePolicyVersion"})
"""Operations of somebody who writes a policy; of those that templates make by the thousand the log says
nothing."""
TOLD = 5
"""Findings of one policy that the log has."""

VERSIONS = 5
"""AWS General Reference, AWS IoT quotas: versions of one policy; nothing is pruned by itself."""


async def create_policy(
    call: Call, policyName: str, policyDocument: str, tags: Sequence[Mapping[str, str]] | None = None
) -> Document:
    _check_document(call, policyName, policyDocument)
    words = f"Policy cannot be created - name already exists (name={policyName})"
    await require_free(call, "policy", policyName, "policy", words)
    arn = call.arn("policy", policyName)
    await put_tags(call, arn, tags)
    policy = await call.work.put(
        "policy",
        policyName,
        {
            "policyName": policyName,
            "policyArn": arn,
            "defaultVersionId": "1",
            "lastVersion": 1,
            "versions": {"1": {"policyDocument": policyDocument, "createDate": call.now}},
        },
    )
    return version_of(policy, "1") | {"policyVersionId": "1"}


async def get_policy(call: Call, policyName: str) -> Document:
    policy = await call.require("policy", policyName)
    return policy | version_of(policy, policy["defaultVersionId"])


async def list_policies(
    call: Call, marker: str | None = None, pageSize: int | None = None, ascendingOrder: bool | None = None
) -> Document:
    page, after = await by_age(call.work, "policy", marker, pageSize, ascendingOrder)
    return page_of([document for _, document in page], after, "policies", "nextMarker")


async def delete_policy(call: Call, policyName: str) -> None:
    policy = await call.require("policy", policyName)
    if not await call.work.require_no_links_from("attached-policy", policyName):
        raise DeleteConflictException(
            "The policy cannot be deleted as the policy is attached to one or more principals "
            f"(name={policyName})"
        )
    if len(policy["versions"]) > 1:
        raise DeleteConflictException(
            f"Cannot delete the policy because it has one or more policy versions attached to it "
            f"(name={policyName})"
        )
    await drop_tags(call, policy["policyArn"])
    await call.work.delete("policy", policyName)


async def create_policy_version(
    call: Call, policyName: str, policyDocument: str, setAsDefault: bool | None = None
) -> Document:
    _check_document(call, policyName, policyDocument)
    policy = await call.require("policy", policyName)
    if len(policy["versions"]) >= VERSIONS:
        raise VersionsLimitExceededException(
            f"The policy {policyName} already has the maximum number of versions ({VERSIONS})"
        )
    version = str(policy["lastVersion"] + 1)
    policy["versions"][version] = {"policyDocument": policyDocument, "createDate": call.now}
    policy["lastVersion"] += 1
    if setAsDefault:
        policy["defaultVersionId"] = version
    policy = await call.work.put("policy", policyName, policy)
    return version_of(policy, version)


async def get_policy_version(call: Call, policyName: str, policyVersionId: str) -> Document:
    policy = await call.require("policy", policyName)
    return version_of(policy, policyVersionId) | {
        "creationDate": policy["creationDate"],
        "lastModifiedDate": policy["lastModifiedDate"],
    }


async def list_policy_versions(call: Call, policyName: str) -> Document:
    policy = await call.require("policy", policyName)
    return {"policyVersions": [version_of(policy, version) for version in reversed(policy["versions"])]}


async def delete_policy_version(call: Call, policyName: str, policyVersionId: str) -> None:
    policy = await call.require("policy", policyName)
    version_of(policy, policyVersionId)
    if policyVersionId == policy["defaultVersionId"]:
        raise DeleteConflictException(
            f"Cannot delete the default version of a policy (name={policyName}, version={policyVersionId})"
        )
    del policy["versions"][policyVersionId]
    await call.work.put("policy", policyName, policy)


async def set_default_policy_version(call: Call, policyName: str, policyVersionId: str) -> None:
    policy = await call.require("policy", policyName)
    version_of(policy, policyVersionId)
    await call.work.put("policy", policyName, policy | {"defaultVersionId": policyVersionId})


def _check_document(call: Call, name: str, document: str) -> None:
    try:
        policy = parse_policy(document)
    except MalformedPolicy as error:
        raise MalformedPolicyException(str(error)) from None
    if call.again or call.operation not in LINTED:
        return
    found = lint(policy, Place(call.region, call.account), TOLD)
    if found:
        words = [
            f"statement {one.statement}, {one.element} {shown(one.value)}: {one.message}" for one in found
        ]
        log.warning(
            "a policy says what nobody asks for, or nothing meets",
            policy=name,
            account=call.account,
            region=call.region,
            found=words,
        )


def version_of(policy: Document, version: str) -> Document:
    """One version of a policy, as the operations about versions answer it."""
    if not version.isdigit():
        raise InvalidRequestException(f"{version} is not a policy version id")
    found = policy["versions"].get(version)
    if found is None:
        raise ResourceNotFoundException(f"Policy {policy['policyName']} has no version {version}")
    return {
        "policyName": policy["policyName"],
        "policyArn": policy["policyArn"],
        "policyDocument": found["policyDocument"],
        "policyVersionId": version,
        "versionId": version,
        "createDate": found["createDate"],
        "isDefaultVersion": version == policy["defaultVersionId"],
        "generationId": policy["policyArn"] + ":" + version,
    }
