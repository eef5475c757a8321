"""Static thing groups: create, describe, update, delete, list. Dynamic ones are described here, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.aws.errors import InvalidRequestException
from sekisho.services.attributes import changed_attributes
from sekisho.services.call import Call
from sekisho.services.group_tree import (
    DEPTH,
    KIND,
    PARENT,
    Path,
    ancestors,
    below,
    make_group,
    refuse_dynamic,
    remove_group,
    same_group,
    status_of,
)
from sekisho.services.paging import before, key, page_of, path_key, token
from sekisho.services.policy_attachments import ATTACHED
from sekisho.services.versions import expect_version
from sekisho.services.work import Document

CHILDREN = 100
ATTRIBUTES = 50
"""AWS General Reference, AWS IoT quotas: direct children and attributes of one group."""

PAGE = 250
VISITS = 250
"""Groups that one page looks at; one that finds less than it may goes on in the next."""


async def create_thing_group(
    call: Call,
    thingGroupName: str,
    parentGroupName: str | None = None,
    thingGroupProperties: Mapping[str, Any] | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    asked = {
        "thingGroupProperties": properties_of(thingGroupName, {}, thingGroupProperties),
        "parentGroupName": parentGroupName,
        "queryString": None,
    }
    existing = await same_group(call, thingGroupName, asked)
    if existing is not None:
        return existing
    above: list[str] = []
    if parentGroupName is not None:
        above = await _place_below(call, thingGroupName, parentGroupName)
    return await make_group(call, thingGroupName, asked | {"rootToParent": above}, tags)


async def _place_below(call: Call, name: str, parent_name: str) -> list[str]:
    """The ancestors of a new group, once its parent has taken it."""
    parent = await call.work.get(KIND, parent_name)
    if parent is None:  # the model knows no other error for it
        raise InvalidRequestException(f"Parent group {parent_name} does not exist")
    refuse_dynamic(parent)
    above = [*ancestors(parent), parent_name]
    if len(above) >= DEPTH:
        raise InvalidRequestException(
            f"Thing group {name} would be on level {len(above) + 1}; a hierarchy has at most {DEPTH}"
        )
    if not await call.work.has_room_for_links_to(PARENT, parent_name, CHILDREN):
        raise InvalidRequestException(
            f"Thing group {parent_name} has {CHILDREN} direct child groups, the most it can have"
        )
    call.work.link(PARENT, name, parent_name)
    return above


async def describe_thing_group(call: Call, thingGroupName: str) -> Document:
    group = await call.require(KIND, thingGroupName)
    above = [_named(call, name) for name in ancestors(group)]
    return group | {
        "status": await status_of(call, group),
        "thingGroupMetadata": {
            "parentGroupName": group.get("parentGroupName"),
            "rootToParentThingGroups": above or None,
            "creationDate": group["creationDate"],
        },
    }


async def update_thing_group(
    call: Call,
    thingGroupName: str,
    thingGroupProperties: Mapping[str, Any],
    expectedVersion: int | None = None,
) -> Document:
    group = await call.require(KIND, thingGroupName)
    refuse_dynamic(group)
    expect_version(group, f"Thing group {thingGroupName}", expectedVersion)
    properties = properties_of(thingGroupName, group["thingGroupProperties"], thingGroupProperties)
    group = await call.work.put(KIND, thingGroupName, group | {"thingGroupProperties": properties})
    return {"version": group["version"]}


async def delete_thing_group(call: Call, thingGroupName: str, expectedVersion: int | None = None) -> None:
    group = await call.work.get(KIND, thingGroupName)
    if group is None:
        return  # deleting what is not there succeeds (the model knows no ResourceNotFoundException here)
    refuse_dynamic(group)
    expect_version(group, f"Thing group {thingGroupName}", expectedVersion)
    if not await call.work.require_no_links_to(PARENT, thingGroupName):
        raise InvalidRequestException(
            f"Cannot delete thing group : {thingGroupName} when there are still child groups attached to it."
        )
    for link in await call.work.all_links_to(ATTACHED, group["thingGroupArn"]):
        call.work.unlink(ATTACHED, link.source, link.target)
    if "parentGroupName" in group:
        call.work.unlink(PARENT, thingGroupName, group["parentGroupName"])
    await remove_group(call, group)


async def list_thing_groups(
    call: Call,
    nextToken: str | None = None,
    maxResults: int | None = None,
    parentGroup: str | None = None,
    namePrefixFilter: str | None = None,
    recursive: bool | None = None,
) -> Document:
    prefix, limit = namePrefixFilter or "", maxResults or PAGE
    if parentGroup is None:
        return await _all(call, key(nextToken), prefix, limit, roots=recursive is False)
    await call.require(KIND, parentGroup)
    if recursive is False:
        return await _children(call, parentGroup, key(nextToken), prefix, limit)
    return await _descendants(call, parentGroup, path_key(nextToken, DEPTH)[0], prefix, limit)


async def _all(call: Call, after: str, prefix: str, limit: int, roots: bool) -> Document:
    found: list[Document] = []
    after = max(after, before(prefix))
    while True:
        page, after = await call.work.page(KIND, after, PAGE)
        for index, (name, group) in enumerate(page):
            if not name.startswith(prefix):
                return page_of(found, "", "thingGroups", "nextToken")
            if not roots or "parentGroupName" not in group:
                found.append(_named(call, name))
            if len(found) == limit and (after or index + 1 < len(page)):
                return page_of(found, name, "thingGroups", "nextToken")
        if not after:
            return page_of(found, "", "thingGroups", "nextToken")


async def _children(call: Call, parent: str, after: str, prefix: str, limit: int) -> Document:
    links = await call.work.links_to(PARENT, parent, after=max(after, before(prefix)), limit=CHILDREN)
    names = [link.source for link in links if link.source.startswith(prefix)]
    groups = [_named(call, name) for name in names[:limit]]
    return page_of(groups, names[limit - 1] if len(names) > limit else "", "thingGroups", "nextToken")


async def _descendants(call: Call, parent: str, after: Path, prefix: str, limit: int) -> Document:
    found: list[Document] = []
    visited, last = 0, after
    async for path in below(call.work, parent, after):
        if len(found) == limit or visited == VISITS:
            return {"thingGroups": found, "nextToken": token("/".join(last))}
        visited, last = visited + 1, path
        if path[-1].startswith(prefix):
            found.append(_named(call, path[-1]))
    return {"thingGroups": found}


def _named(call: Call, name: str) -> Document:
    return {"groupName": name, "groupArn": call.arn(KIND, name)}


def properties_of(name: str, known: Mapping[str, Any], given: Mapping[str, Any] | None) -> Document:
    """A group's properties after those that are given; what is empty is left out."""
    given = given or {}
    description = given.get("thingGroupDescription", known.get("thingGroupDescription"))
    attributes = known.get("attributePayload", {}).get("attributes", {})
    attributes = changed_attributes(attributes, given.get("attributePayload"))
    if len(attributes) > ATTRIBUTES:
        raise InvalidRequestException(
            f"Thing group {name} can have at most {ATTRIBUTES} attributes, got {len(attributes)}"
        )
    properties: Document = {}
    if description is not None:
        properties["thingGroupDescription"] = description
    if attributes:
        properties["attributePayload"] = {"attributes": attributes}
    return properties
