"""Billing groups: create, describe, update, delete, list, and which things are in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.aws.errors import InvalidRequestException
from sekisho.services.billing import KIND, MEMBER, billing_group_of
from sekisho.services.call import Call
from sekisho.services.detaching import detach_all, detached
from sekisho.services.paging import before, key, links_to, page_of
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import same_or_taken
from sekisho.services.targets import named
from sekisho.services.unique import new_uuid
from sekisho.services.versions import expect_version
from sekisho.services.work import Document

PAGE = 250


async def create_billing_group(
    call: Call,
    billingGroupName: str,
    billingGroupProperties: Mapping[str, Any] | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    properties = dict(billingGroupProperties or {})
    existing = await call.work.get(KIND, billingGroupName)
    if existing is not None:
        same = existing["billingGroupProperties"] == properties
        words = f"Billing group {billingGroupName} already exists with different properties"
        return same_or_taken(existing, same, "billingGroup", billingGroupName, words)
    await detached(call, MEMBER, KIND, billingGroupName)
    arn = call.arn(KIND, billingGroupName)
    await put_tags(call, arn, tags)
    return await call.work.put(
        KIND,
        billingGroupName,
        {
            "billingGroupName": billingGroupName,
            "billingGroupArn": arn,
            "billingGroupId": new_uuid(),
            "billingGroupProperties": properties,
        },
    )


async def describe_billing_group(call: Call, billingGroupName: str) -> Document:
    group = await call.require(KIND, billingGroupName)
    return group | {"billingGroupMetadata": {"creationDate": group["creationDate"]}}


async def update_billing_group(
    call: Call,
    billingGroupName: str,
    billingGroupProperties: Mapping[str, Any],
    expectedVersion: int | None = None,
) -> Document:
    group = await call.require(KIND, billingGroupName)
    expect_version(group, f"Billing group {billingGroupName}", expectedVersion)
    properties = group["billingGroupProperties"] | billingGroupProperties
    group = await call.work.put(KIND, billingGroupName, group | {"billingGroupProperties": properties})
    return {"version": group["version"]}


async def delete_billing_group(call: Call, billingGroupName: str, expectedVersion: int | None = None) -> None:
    """The things that are in it stay, and are in none then."""
    group = await call.work.get(KIND, billingGroupName)
    if group is None:
        return  # as with things and thing groups; the model knows no ResourceNotFoundException here
    expect_version(group, f"Billing group {billingGroupName}", expectedVersion)
    await detach_all(call, MEMBER, KIND, billingGroupName, group)
    await drop_tags(call, group["billingGroupArn"])
    await call.work.delete(KIND, billingGroupName)


async def list_billing_groups(
    call: Call,
    nextToken: str | None = None,
    maxResults: int | None = None,
    namePrefixFilter: str | None = None,
) -> Document:
    prefix = namePrefixFilter or ""
    page, after = await call.work.page(KIND, max(key(nextToken), before(prefix)), maxResults or PAGE)
    found = [
        {"groupName": name, "groupArn": group["billingGroupArn"]}
        for name, group in page
        if name.startswith(prefix)
    ]
    return page_of(found, after if len(found) == len(page) else "", "billingGroups", "nextToken")


async def add_thing_to_billing_group(
    call: Call,
    billingGroupName: str | None = None,
    billingGroupArn: str | None = None,
    thingName: str | None = None,
    thingArn: str | None = None,
) -> None:
    group, thing = await _both(call, billingGroupName, billingGroupArn, thingName, thingArn)
    known = await billing_group_of(call.work, thing)
    if known not in (None, group):
        raise InvalidRequestException(
            f"Thing {thing} is in billing group {known}; remove it from there first"
        )
    if known is None:
        call.work.link(MEMBER, thing, group)


async def remove_thing_from_billing_group(
    call: Call,
    billingGroupName: str | None = None,
    billingGroupArn: str | None = None,
    thingName: str | None = None,
    thingArn: str | None = None,
) -> None:
    group, thing = await _both(call, billingGroupName, billingGroupArn, thingName, thingArn)
    if await billing_group_of(call.work, thing) == group:
        call.work.unlink(MEMBER, thing, group)


async def list_things_in_billing_group(
    call: Call, billingGroupName: str, nextToken: str | None = None, maxResults: int | None = None
) -> Document:
    await call.require(KIND, billingGroupName)
    links, following = await links_to(call.work, MEMBER, billingGroupName, nextToken, maxResults or PAGE)
    return {"things": [link.source for link in links], "nextToken": following}


async def _both(
    call: Call, group: str | None, group_arn: str | None, thing: str | None, thing_arn: str | None
) -> tuple[str, str]:
    """The names of the group and the thing, both of which are there."""
    group_name = named(call, KIND, "billingGroup", group, group_arn)
    thing_name = named(call, "thing", "thing", thing, thing_arn)
    await call.require(KIND, group_name)
    await call.require("thing", thing_name)
    return group_name, thing_name
