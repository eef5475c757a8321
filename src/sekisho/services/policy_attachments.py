"""Policies on certificates and thing groups: attach, detach and list, by today's and the older names."""

from __future__ import annotations

from sekisho.aws.errors import (
    InvalidRequestException,
    LimitExceededException,
    NotImplementedException,
    ResourceNotFoundException,
)
from sekisho.services.call import Call
from sekisho.services.group_tree import ancestors, refuse_dynamic
from sekisho.services.paging import DEFAULT_PAGE, cut, key, page_of
from sekisho.services.targets import require_principal, require_target
from sekisho.services.work import Document, Link

MOST = 10
MOST_OF_GROUP = 2
"""AWS General Reference, AWS IoT quotas: policies attached to one certificate, and to one thing group."""

ATTACHED = "attached-policy"


async def attach_policy(call: Call, policyName: str, target: str) -> None:
    await call.require("policy", policyName)
    most = await _most(call, target)
    attached = await call.work.all_links_to(ATTACHED, target)
    if any(link.source == policyName for link in attached):
        return
    if len(attached) >= most:
        raise LimitExceededException(f"{target} already has {most} policies attached, the most it can have")
    call.work.link(ATTACHED, policyName, target)


async def _most(call: Call, target: str) -> int:
    """How many policies a target can have; dynamic groups take none."""
    found = await require_target(call, target)
    if "thingGroupName" not in found:
        return MOST
    refuse_dynamic(found)
    return MOST_OF_GROUP


async def detach_policy(call: Call, policyName: str, target: str) -> None:
    """A policy that does not exist is none that is attached, as AWS was seen to; of a target the model has no
    ResourceNotFoundException (of the older operation it has one)."""
    try:
        await require_target(call, target)
    except ResourceNotFoundException as error:
        raise InvalidRequestException(f"Invalid Target: {error.message}") from None
    call.work.unlink(ATTACHED, policyName, target)


async def list_attached_policies(
    call: Call,
    target: str,
    recursive: bool | None = None,
    marker: str | None = None,
    pageSize: int | None = None,
) -> Document:
    found = await require_target(call, target)
    if recursive and "thingGroupName" in found:
        return await _policies_above(call, found, marker, pageSize)
    return await _policies_of(call, target, marker, pageSize)


async def list_targets_for_policy(
    call: Call, policyName: str, marker: str | None = None, pageSize: int | None = None
) -> Document:
    links, next_marker = await _targets_of(call, policyName, marker, pageSize)
    return {"targets": [link.target for link in links], "nextMarker": next_marker}


async def attach_principal_policy(call: Call, policyName: str, principal: str) -> None:
    """The older operations know no thing groups (botocore, AttachPrincipalPolicy)."""
    await require_principal(call, principal)
    await attach_policy(call, policyName, principal)


async def detach_principal_policy(call: Call, policyName: str, principal: str) -> None:
    await call.require("policy", policyName)
    await require_principal(call, principal)
    call.work.unlink(ATTACHED, policyName, principal)


async def list_principal_policies(
    call: Call,
    principal: str,
    marker: str | None = None,
    pageSize: int | None = None,
    ascendingOrder: bool | None = None,
) -> Document:
    _ascending_only(ascendingOrder)
    await require_principal(call, principal)
    return await _policies_of(call, principal, marker, pageSize)


async def list_policy_principals(
    call: Call,
    policyName: str,
    marker: str | None = None,
    pageSize: int | None = None,
    ascendingOrder: bool | None = None,
) -> Document:
    _ascending_only(ascendingOrder)
    links, next_marker = await _targets_of(call, policyName, marker, pageSize)
    return {"principals": [link.target for link in links], "nextMarker": next_marker}


async def _policies_above(call: Call, group: Document, marker: str | None, size: int | None) -> Document:
    """The policies of a thing group and of its ancestors, each once."""
    names: set[str] = set()
    for name in [*ancestors(group), group["thingGroupName"]]:
        links = await call.work.links_to(ATTACHED, call.arn("thinggroup", name))
        names.update(link.source for link in links)
    after, limit = key(marker), size or DEFAULT_PAGE
    left = sorted(name for name in names if name > after)
    policies = [{"policyName": name, "policyArn": call.arn("policy", name)} for name in left[:limit]]
    return page_of(policies, left[limit - 1] if len(left) > limit else "", "policies", "nextMarker")


async def _policies_of(call: Call, target: str, marker: str | None, size: int | None) -> Document:
    limit = size or DEFAULT_PAGE
    links = await call.work.links_to(ATTACHED, target, after=key(marker), limit=limit + 1)
    links, next_marker = cut(links, limit, "source")
    policies = [{"policyName": link.source, "policyArn": call.arn("policy", link.source)} for link in links]
    return {"policies": policies, "nextMarker": next_marker}


async def _targets_of(
    call: Call, policy: str, marker: str | None, size: int | None
) -> tuple[list[Link], str | None]:
    await call.require("policy", policy)
    limit = size or DEFAULT_PAGE
    links = await call.work.links_from(ATTACHED, policy, after=key(marker), limit=limit + 1)
    return cut(links, limit, "target")


def _ascending_only(ascending: bool | None) -> None:
    if ascending is False:
        raise NotImplementedException("descending order is not implemented by this node for this listing")
