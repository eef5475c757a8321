"""Which things are in which groups: add, remove, and both directions of listing."""

from __future__ import annotations

from collections.abc import Sequence

from sekisho.aws.errors import InvalidRequestException
from sekisho.services.call import Call
from sekisho.services.group_tree import (
    DEPTH,
    KIND,
    MEMBER,
    Path,
    below,
    direct_groups,
    is_dynamic,
    refuse_dynamic,
    root_of,
)
from sekisho.services.paging import key, links_to, page_of, path_key, token
from sekisho.services.targets import named
from sekisho.services.work import Document

MOST = 10
"""AWS General Reference, AWS IoT quotas: groups that one thing can be in."""
LISTED = 100
"""Groups in one list of UpdateThingGroupsForThing, a bound of ours."""

PAGE = 250
VISITS = 250
"""Groups that one page looks at; one that finds less than it may goes on in the next."""
END = "~"
"""Greater than every name: nothing of the group is left."""


async def add_thing_to_thing_group(
    call: Call,
    thingGroupName: str | None = None,
    thingGroupArn: str | None = None,
    thingName: str | None = None,
    thingArn: str | None = None,
    overrideDynamicGroups: bool | None = None,
) -> None:
    group, thing = await _both(call, thingGroupName, thingGroupArn, thingName, thingArn)
    await _join(call, thing, group, bool(overrideDynamicGroups))


async def remove_thing_from_thing_group(
    call: Call,
    thingGroupName: str | None = None,
    thingGroupArn: str | None = None,
    thingName: str | None = None,
    thingArn: str | None = None,
) -> None:
    group, thing = await _both(call, thingGroupName, thingGroupArn, thingName, thingArn)
    await _part(call, thing, group)


async def update_thing_groups_for_thing(
    call: Call,
    thingName: str | None = None,
    thingGroupsToAdd: Sequence[str] | None = None,
    thingGroupsToRemove: Sequence[str] | None = None,
    overrideDynamicGroups: bool | None = None,
) -> None:
    if thingName is None:
        raise InvalidRequestException("thingName is missing")
    add, remove = dict.fromkeys(thingGroupsToAdd or ()), dict.fromkeys(thingGroupsToRemove or ())
    for member, names in (("thingGroupsToAdd", add), ("thingGroupsToRemove", remove)):
        if len(names) > LISTED:
            raise InvalidRequestException(f"{member} has {len(names)} groups, more than {LISTED}")
    if twice := [name for name in add if name in remove]:
        raise InvalidRequestException(f"Thing group {twice[0]} is both to be added and to be removed")
    await call.require("thing", thingName)
    for name in remove:
        await _part(call, thingName, await call.require(KIND, name))
    for name in add:
        await _join(call, thingName, await call.require(KIND, name), bool(overrideDynamicGroups))


async def list_things_in_thing_group(
    call: Call,
    thingGroupName: str,
    recursive: bool | None = None,
    nextToken: str | None = None,
    maxResults: int | None = None,
) -> Document:
    await call.require(KIND, thingGroupName)
    limit = maxResults or PAGE
    if recursive:
        return await _things_below(call, thingGroupName, nextToken, limit)
    links, following = await links_to(call.work, MEMBER, thingGroupName, nextToken, limit)
    return {"things": [link.source for link in links], "nextToken": following}


async def list_thing_groups_for_thing(
    call: Call, thingName: str, nextToken: str | None = None, maxResults: int | None = None
) -> Document:
    """Those that it is itself in (AWS IoT Developer Guide, List groups for a thing)."""
    await call.require("thing", thingName)
    after, limit = key(nextToken), maxResults or PAGE
    found = [group["thingGroupName"] for group in await direct_groups(call.work, thingName)]
    names = sorted(name for name in found if name > after)
    groups = [{"groupName": name, "groupArn": call.arn(KIND, name)} for name in names[:limit]]
    return page_of(groups, names[limit - 1] if len(names) > limit else "", "thingGroups", "nextToken")


async def _both(
    call: Call, group: str | None, group_arn: str | None, thing: str | None, thing_arn: str | None
) -> tuple[Document, str]:
    """The group's document and the thing's name; both are there."""
    group_name = named(call, KIND, "thingGroup", group, group_arn)
    thing_name = named(call, "thing", "thing", thing, thing_arn)
    found = await call.require(KIND, group_name)
    await call.require("thing", thing_name)
    return found, thing_name


async def _join(call: Call, thing: str, group: Document, override: bool) -> None:
    refuse_dynamic(group)
    name = group["thingGroupName"]
    others = await direct_groups(call.work, thing)
    if any(other["thingGroupName"] == name for other in others):
        return
    for other in others:
        if not is_dynamic(other) and root_of(other) == root_of(group):
            raise InvalidRequestException(
                f"Thing {thing} is in group {other['thingGroupName']}, which has the root {root_of(group)} "
                f"in common with {name}; a thing can be in one group of a hierarchy"
            )
    if len(others) >= MOST:
        dynamic = [other for other in others if is_dynamic(other)]
        if not (override and dynamic):
            raise InvalidRequestException(f"Thing {thing} is in {MOST} groups, the most it can be in")
        newest = max(dynamic, key=lambda other: (other["creationDate"], other["thingGroupName"]))
        call.work.unlink(MEMBER, thing, newest["thingGroupName"])
    call.work.link(MEMBER, thing, name)


async def _part(call: Call, thing: str, group: Document) -> None:
    refuse_dynamic(group)
    links = await call.work.all_links_from(MEMBER, thing)
    if any(link.target == group["thingGroupName"] for link in links):
        call.work.unlink(MEMBER, thing, group["thingGroupName"])


async def _things_below(call: Call, group: str, given: str | None, limit: int) -> Document:
    """Group by group, and within each by name. A token has the path to a group and the last thing of it."""
    after, last = path_key(given, DEPTH)
    if not await _is_below(call, group, after):
        last = END  # what the token names has gone, and everything in it
    found: list[str] = []
    visited, path = 0, after

    async def take(name: str) -> bool:
        """The group's things from ``last`` on; whether there is room for more."""
        nonlocal last, visited
        visited += 1
        room = limit - len(found)
        links = await call.work.links_to(MEMBER, name, after=last, limit=room + 1)
        found.extend(link.source for link in links[:room])
        if len(links) <= room:
            last = END
        elif room:
            last = found[-1]
        return last == END and visited < VISITS

    def page() -> Document:
        return {"things": found, "nextToken": token("/".join(path) + " " + last)}

    if last != END and not await take((group, *path)[-1]):
        return page()
    async for path in below(call.work, group, after):
        last = ""
        if not await take(path[-1]):
            return page()
    return {"things": found}


async def _is_below(call: Call, group: str, path: Path) -> bool:
    """Whether a path leads from a group to its descendant."""
    if not path:
        return True
    found = await call.work.get(KIND, path[-1])
    return found is not None and [*found.get("rootToParent", []), path[-1]][-len(path) - 1 :] == [
        group,
        *path,
    ]
