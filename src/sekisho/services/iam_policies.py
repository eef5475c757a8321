"""Managed policies with their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sekisho.aws.errors import (
    DeleteConflictException,
    LimitExceededException,
    NoSuchEntityException,
)
from sekisho.logic.managed_policies import managed_arns
from sekisho.services.call import Call
from sekisho.services.iam import (
    ATTACHED,
    PAGE,
    POLICY,
    add_tags,
    check_document,
    create,
    cut,
    list_tags,
    listing,
    quoted,
    remove_tags,
    save,
    shown_tags,
    size_of,
    under,
)
from sekisho.services.iam_managed import find_policy, require_policy
from sekisho.services.paging import key
from sekisho.services.work import Document

SIZE = 6144
VERSIONS = 5
"""Characters of a managed policy, and how many versions it keeps (IAM User Guide, "IAM quotas")."""

AWS = "~"
"""How the keys of AWS's own policies begin in a listing; no name has it, and it is beyond all of them."""

ALL = 10_000
"""How many policies a listing of those that are attached looks through."""


async def create_policy(
    call: Call,
    PolicyName: str,
    PolicyDocument: str,
    Path: str | None = None,
    Description: str | None = None,
    Tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    _check(PolicyDocument)
    body = {
        "Description": Description,
        "DefaultVersionId": "v1",
        "lastVersion": 1,
        "versions": {"v1": {"Document": PolicyDocument, "CreateDate": call.now}},
    }
    return {"Policy": await _shown(call, await create(call, POLICY, PolicyName, Path, Tags, body))}


async def get_policy(call: Call, PolicyArn: str) -> Document:
    return {"Policy": await _shown(call, await find_policy(call, PolicyArn))}


async def list_policies(
    call: Call,
    Scope: str | None = None,
    OnlyAttached: bool | None = None,
    PathPrefix: str | None = None,
    Marker: str | None = None,
    MaxItems: int | None = None,
) -> Document:
    """The account's own by name, then those of AWS's that there are here."""
    after, wanted = key(Marker), under(PathPrefix)
    own: list[Document] = []
    if Scope != "AWS" and after < AWS:
        most = ALL if OnlyAttached else (MaxItems or PAGE) + 1
        found = await listing(call, POLICY, "Policies", Marker, most, wanted=wanted)
        own = found["Policies"]
    aws = [] if Scope == "Local" else [await find_policy(call, arn) for arn in managed_arns(call.region)]
    items = [(policy["PolicyName"].lower(), await _shown(call, policy)) for policy in own]
    items += [(AWS + policy["Arn"], await _shown(call, policy)) for policy in aws if wanted(policy)]
    # Tags and description are not in listings (IAM API Reference, ListPolicies).
    shown = [
        (id, policy | {"Tags": None, "Description": None})
        for id, policy in items
        if policy["AttachmentCount"] or not OnlyAttached
    ]
    return cut("Policies", shown, Marker, MaxItems)


async def delete_policy(call: Call, PolicyArn: str) -> None:
    policy = await require_policy(call, PolicyArn)
    if len(policy["versions"]) > 1:
        raise DeleteConflictException(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy."
        )
    if not await call.work.require_no_links_from(ATTACHED, PolicyArn):
        raise DeleteConflictException("Cannot delete a policy attached to entities.")
    await call.work.delete(POLICY, policy["PolicyName"].lower())


async def create_policy_version(
    call: Call, PolicyArn: str, PolicyDocument: str, SetAsDefault: bool | None = None
) -> Document:
    policy = await require_policy(call, PolicyArn)
    _check(PolicyDocument)
    if len(policy["versions"]) >= VERSIONS:
        raise LimitExceededException(
            f"A managed policy can have up to {VERSIONS} versions. Before you create a new version, you must "
            "delete an existing version."
        )
    number = policy["lastVersion"] + 1
    made = {f"v{number}": {"Document": PolicyDocument, "CreateDate": call.now}}
    policy = policy | {"lastVersion": number, "versions": policy["versions"] | made}
    if SetAsDefault:
        policy["DefaultVersionId"] = f"v{number}"
    await save(call, POLICY, policy)
    return {"PolicyVersion": _version(policy, f"v{number}") | {"Document": None}}


async def get_policy_version(call: Call, PolicyArn: str, VersionId: str) -> Document:
    return {"PolicyVersion": _version(await find_policy(call, PolicyArn), VersionId)}


async def list_policy_versions(
    call: Call, PolicyArn: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    policy = await find_policy(call, PolicyArn)
    newest = sorted(policy["versions"], key=lambda version: -int(version[1:]))
    items = [
        (f"{index:02}", _version(policy, version) | {"Document": None})
        for index, version in enumerate(newest)
    ]
    return cut("Versions", items, Marker, MaxItems)


async def delete_policy_version(call: Call, PolicyArn: str, VersionId: str) -> None:
    policy = await require_policy(call, PolicyArn)
    if _version(policy, VersionId)["IsDefaultVersion"]:
        raise DeleteConflictException("Cannot delete the default version of a policy.")
    kept = {version: found for version, found in policy["versions"].items() if version != VersionId}
    await save(call, POLICY, policy | {"versions": kept})


async def set_default_policy_version(call: Call, PolicyArn: str, VersionId: str) -> None:
    policy = await require_policy(call, PolicyArn)
    _version(policy, VersionId)
    await save(call, POLICY, policy | {"DefaultVersionId": VersionId})


async def list_entities_for_policy(
    call: Call,
    PolicyArn: str,
    EntityFilter: str | None = None,
    Marker: str | None = None,
    MaxItems: int | None = None,
) -> Document:
    await find_policy(call, PolicyArn)
    links = await call.work.links_from(ATTACHED, PolicyArn)
    items = []
    for link in links:
        kind, _, path = link.target.rpartition(":")[2].partition("/")
        if EntityFilter in (None, kind.capitalize()):
            items.append((link.target[-128:], (kind.capitalize(), path.rpartition("/")[2], link.body["id"])))
    found = cut("entities", sorted(items), Marker, MaxItems)
    entities = found.pop("entities")
    return found | {
        **{
            f"Policy{noun}s": [
                {f"{noun}Name": name, f"{noun}Id": id} for of, name, id in entities if of == noun
            ]
            for noun in ("Group", "Role", "User")
        },
    }


async def tag_policy(call: Call, PolicyArn: str, Tags: Sequence[Mapping[str, str]]) -> None:
    await add_tags(call, POLICY, await require_policy(call, PolicyArn), Tags)


async def untag_policy(call: Call, PolicyArn: str, TagKeys: Sequence[str]) -> None:
    await remove_tags(call, POLICY, await require_policy(call, PolicyArn), TagKeys)


async def list_policy_tags(
    call: Call, PolicyArn: str, Marker: str | None = None, MaxItems: int | None = None
) -> Document:
    return list_tags(await find_policy(call, PolicyArn), Marker, MaxItems)


def _check(document: str) -> None:
    check_document(document)
    if size_of([document]) > SIZE:
        raise LimitExceededException(f"Cannot exceed quota for PolicySize: {SIZE}")


def _version(policy: Document, version: str) -> Document:
    found = policy["versions"].get(version)
    if found is None:
        raise NoSuchEntityException(
            f"Policy {policy['Arn']} version {version} does not exist or is not attachable."
        )
    return {
        "Document": quoted(found["Document"]),
        "VersionId": version,
        "IsDefaultVersion": version == policy["DefaultVersionId"],
        "CreateDate": found["CreateDate"],
    }


async def _shown(call: Call, policy: Document) -> Document:
    return policy | {
        "AttachmentCount": len(await call.work.links_from(ATTACHED, policy["Arn"])),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": policy["creationDate"],
        "UpdateDate": policy["lastModifiedDate"],
        "Tags": shown_tags(policy) or None,
    }
