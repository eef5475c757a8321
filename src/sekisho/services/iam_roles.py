"""Roles: who may become one, and how long its sessions may last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.aws.errors import (
    DeleteConflictException,
    LimitExceededException,
    MalformedPolicyDocumentException,
)
from sekisho.logic.policy import MalformedPolicy
from sekisho.logic.trust import parse_trust
from sekisho.services.call import Call
from sekisho.services.iam import (
    IN_PROFILE,
    ROLE,
    add_tags,
    create,
    delete_inline,
    get_inline,
    list_inline,
    list_tags,
    listing,
    put_inline,
    quoted,
    remove_tags,
    require,
    require_bare,
    save,
    shown_tags,
    size_of,
    under,
)
from sekisho.services.work import Document

HOUR = 3600
TRUST_SIZE = 2048
INLINE_SIZE = 10_240
"""Characters of a trust policy, and of all inline policies of a role (IAM User Guide, "IAM quotas")."""


async def create_role(
    call: Call,
    RoleName: str,
    AssumeRolePolicyDocument: str,
    Path: str | None = None,
    Description: str | None = None,
    MaxSessionDuration: int | None = None,
    Tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    _check_trust(AssumeRolePolicyDocument)
    body: Document = {
        "AssumeRolePolicyDocument": AssumeRolePolicyDocument,
        "Description": Description,
        "MaxSessionDuration": MaxSessionDuration or HOUR,
        "Policies": {},
    }
    return {"Role": shown_role(await create(call, ROLE, RoleName, Path, Tags, body))}


async def get_role(call: Call, RoleName: str) -> Document:
    return {"Role": shown_role(await require(call, ROLE, RoleName))}


async def list_roles(
    call: Call, PathPrefix: str | None = None, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    found = await listing(call, ROLE, "Roles", Marker, MaxItems, wanted=under(PathPrefix))
    # Tags are not in listings (IAM API Reference, ListRoles).
    return found | {"Roles": [shown_role(role) | {"Tags": None} for role in found["Roles"]]}


async def update_role(
    call: Call, RoleName: str, Description: str | None = None, MaxSessionDuration: int | None = None
) -> None:
    role = await require(call, ROLE, RoleName)
    given = {"Description": Description, "MaxSessionDuration": MaxSessionDuration}
    await save(call, ROLE, role | {name: value for name, value in given.items() if value is not None})


async def update_role_description(call: Call, RoleName: str, Description: str) -> Document:
    role = await require(call, ROLE, RoleName)
    return {"Role": shown_role(await save(call, ROLE, role | {"Description": Description}))}


async def update_assume_role_policy(call: Call, RoleName: str, PolicyDocument: str) -> None:
    role = await require(call, ROLE, RoleName)
    _check_trust(PolicyDocument)
    await save(call, ROLE, role | {"AssumeRolePolicyDocument": PolicyDocument})


async def delete_role(call: Call, RoleName: str) -> None:
    role = await require(call, ROLE, RoleName)
    await require_bare(call, role)
    if not await call.work.require_no_links_to(IN_PROFILE, role["Arn"]):
        raise DeleteConflictException("Cannot delete entity, must remove roles from instance profile first.")
    await call.work.delete(ROLE, RoleName.lower())


async def put_role_policy(call: Call, RoleName: str, PolicyName: str, PolicyDocument: str) -> None:
    await put_inline(call, ROLE, RoleName, PolicyName, PolicyDocument, INLINE_SIZE)


async def get_role_policy(call: Call, RoleName: str, PolicyName: str) -> Document:
    return await get_inline(call, ROLE, RoleName, PolicyName)


async def delete_role_policy(call: Call, RoleName: str, PolicyName: str) -> None:
    await delete_inline(call, ROLE, RoleName, PolicyName)


async def list_role_policies(
    call: Call, RoleName: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return await list_inline(call, ROLE, RoleName, Marker, MaxItems)


async def tag_role(call: Call, RoleName: str, Tags: Sequence[Mapping[str, str]]) -> None:
    await add_tags(call, ROLE, await require(call, ROLE, RoleName), Tags)


async def untag_role(call: Call, RoleName: str, TagKeys: Sequence[str]) -> None:
    await remove_tags(call, ROLE, await require(call, ROLE, RoleName), TagKeys)


async def list_role_tags(
    call: Call, RoleName: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return list_tags(await require(call, ROLE, RoleName), Marker, MaxItems)


def _check_trust(document: str) -> None:
    try:
        parse_trust(document)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(str(error)) from None
    if size_of([document]) > TRUST_SIZE:
        raise LimitExceededException(f"Cannot exceed quota for ACLSizePerRole: {TRUST_SIZE}")


def shown_role(role: Document) -> Document:
    return role | {
        "AssumeRolePolicyDocument": quoted(role["AssumeRolePolicyDocument"]),
        "CreateDate": role["creationDate"],
        "Tags": shown_tags(role) or None,
    }
