"""Policies on certificates: attach, detach, and both directions of listing, today's and the older names."""

from __future__ import annotations

from sekisho.aws.errors import LimitExceededException, NotImplementedException
from sekisho.services.call import Call
from sekisho.services.paging import DEFAULT_PAGE, cut, key
from sekisho.services.targets import require_principal
from sekisho.services.work import Document, Link

MOST = 10
"""AWS General Reference, AWS IoT quotas: policies attached to one certificate."""

ATTACHED = "attached-policy"


async def attach_policy(call: Call, policyName: str, target: str) -> None:
    await call.require("policy", policyName)
    await require_principal(call, target)
    attached = await call.work.all_links_to(ATTACHED, target)
    if any(link.source == policyName for link in attached):
        return
    if len(attached) >= MOST:
        raise LimitExceededException(f"{target} already has {MOST} policies attached, the most it can have")
    call.work.link(ATTACHED, policyName, target)


async def detach_policy(call: Call, policyName: str, target: str) -> None:
    await call.require("policy", policyName)
    await require_principal(call, target)
    call.work.unlink(ATTACHED, policyName, target)


async def list_attached_policies(
    call: Call,
    target: str,
    recursive: bool | None = None,
    marker: str | None = None,
    pageSize: int | None = None,
) -> Document:
    # recursive adds the policies of a thing group's parents; above a certificate there is nothing.
    await require_principal(call, target)
    return await _policies_of(call, target, marker, pageSize)


async def list_targets_for_policy(
    call: Call, policyName: str, marker: str | None = None, pageSize: int | None = None
) -> Document:
    links, next_marker = await _targets_of(call, policyName, marker, pageSize)
    return {"targets": [link.target for link in links], "nextMarker": next_marker}


async def attach_principal_policy(call: Call, policyName: str, principal: str) -> None:
    await attach_policy(call, policyName, principal)


async def detach_principal_policy(call: Call, policyName: str, principal: str) -> None:
    await detach_policy(call, policyName, principal)


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
