"""Policies on certificates and thing groups: attach, detach and list, by today's and the older names."""

from __future__ import annotations

from typing import Literal

from sekisho.aws.errors import (
    InvalidRequestException,
    LimitExceededException,
    ResourceNotFoundException,
)
from sekisho.services.call import Call
from sekisho.services.group_tree import ancestors, refuse_dynamic
from sekisho.services.paging import DEFAULT_PAGE, created_key, key, links_from, links_to, page_of, token
from sekisho.services.targets import require_principal, require_target
from sekisho.services.work import Document
from sekisho.store import tables

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
    await call.require("policy", policyName)
    links, next_marker = await links_from(call.work, ATTACHED, policyName, marker, pageSize or DEFAULT_PAGE)
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
    await require_principal(call, principal)
    names, next_marker = await _by_age(call, "target", principal, marker, pageSize, ascendingOrder)
    policies = [{"policyName": name, "policyArn": call.arn("policy", name)} for name in names]
    return {"policies": policies, "nextMarker": next_marker}


async def list_policy_principals(
    call: Call,
    policyName: str,
    marker: str | None = None,
    pageSize: int | None = None,
    ascendingOrder: bool | None = None,
) -> Document:
    await call.require("policy", policyName)
    found, next_marker = await _by_age(call, "source", policyName, marker, pageSize, ascendingOrder)
    return {"principals": found, "nextMarker": next_marker}


async def _by_age(
    call: Call,
    end: Literal["source", "target"],
    id: str,
    marker: str | None,
    size: int | None,
    ascending: bool | None,
) -> tuple[list[str], str | None]:
    """What is at the other end, in the order in which it was attached: newest first unless told (botocore,
    ascendingOrder)."""
    at, _, name = created_key(marker).partition(" ")
    after = (float(at), name) if at else None
    limit = size or DEFAULT_PAGE
    rows = await call.deps.store.fetch(
        *tables.page_attached(call.account, call.region, end, id, after, limit + 1, bool(ascending))
    )
    other = "target" if end == "source" else "source"
    found = [str(row[other]) for row in rows[:limit]]
    return found, token(f"{rows[limit - 1]['created']!r} {found[-1]}") if len(rows) > limit else None


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
    links, next_marker = await links_to(call.work, ATTACHED, target, marker, size or DEFAULT_PAGE)
    policies = [{"policyName": link.source, "policyArn": call.arn("policy", link.source)} for link in links]
    return {"policies": policies, "nextMarker": next_marker}
