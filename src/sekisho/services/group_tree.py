"""Thing groups as documents that stand in a tree, and what things have to do with them.

A group's body has the names of its ancestors, root first: its parent is given once and for all, and no group
with children can be deleted. A dynamic group has a ``queryString``, no ancestors and no children.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sekisho.aws.errors import InvalidRequestException
from sekisho.services.call import Call
from sekisho.services.detaching import detach_all, detached
from sekisho.services.indexer import ACTIVE
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import agrees, same_or_taken
from sekisho.services.unique import new_uuid
from sekisho.services.work import Document, Work

KIND = "thinggroup"
MEMBER = "thing-group"
"""Links: thing → group, static and dynamic alike."""
PARENT = "group-parent"
"""Links: child → parent."""
QUERY = "dynamicgroup"
"""The kind of what a dynamic group's things are found by: ``queryString``, ``status``, and while that is not
ACTIVE how far the group is built (``phase``, ``place``). It is as old as the group."""
MATCHES, MEMBERS = "MATCHES", "MEMBERS"
"""Phases of building: what matches joins; then who is there and no longer matches leaves."""

DEPTH = 7
"""AWS General Reference, AWS IoT quotas: levels of a hierarchy, the root being the first."""
PAGE = 250

Path = tuple[str, ...]
"""Names of groups, each the parent of the next."""


def is_dynamic(group: Document) -> bool:
    return "queryString" in group


async def status_of(call: Call, group: Document) -> str | None:
    """Of a dynamic group; None of a static one."""
    if not is_dynamic(group):
        return None
    found = await call.work.get(QUERY, group["thingGroupName"])
    return str(found["status"]) if found is not None else ACTIVE


def to_build(query: str, status: str, *, anew: bool = False) -> Document:
    """A document of the kind QUERY; ``anew``: there may be things in the group already."""
    return {"queryString": query, "status": status, "phase": MATCHES, "place": "", "anew": anew}


def ancestors(group: Document) -> list[str]:
    """Root first; none of a root."""
    return list(group.get("rootToParent", []))


def root_of(group: Document) -> str:
    return str((ancestors(group) or [group["thingGroupName"]])[0])


def refuse_dynamic(group: Document) -> None:
    """What is for static groups alone (InvalidRequestException, in AWS's words)."""
    if is_dynamic(group):
        arn = group["thingGroupArn"]
        raise InvalidRequestException(
            f"This operation does not support dynamic thing groups. Thing group arn: {arn}"
        )


async def same_group(call: Call, name: str, asked: Mapping[str, Any]) -> Document | None:
    """The group of that name, if there is one and it is as asked for; ResourceAlreadyExistsException if it is
    another."""
    existing = await call.work.get(KIND, name)
    if existing is None:
        return None
    words = f"Thing Group {name} already exists in current account with different properties"
    return same_or_taken(existing, agrees(existing, asked), "thingGroup", name, words)


async def make_group(
    call: Call, name: str, asked: Mapping[str, Any], tags: Sequence[Mapping[str, str]] | None
) -> Document:
    await detached(call, MEMBER, KIND, name)
    arn = call.arn(KIND, name)
    await put_tags(call, arn, tags)
    identity = {"thingGroupName": name, "thingGroupArn": arn, "thingGroupId": new_uuid()}
    return await call.work.put(KIND, name, {**identity, **asked})


async def remove_group(call: Call, group: Document) -> None:
    """A group goes with its tags; the things that are in it stay."""
    name = group["thingGroupName"]
    await detach_all(call, MEMBER, KIND, name, group)
    await drop_tags(call, group["thingGroupArn"])
    await call.work.delete(KIND, name)


async def direct_groups(work: Work, thing: str) -> list[Document]:
    """The groups that a thing is itself in; the commit proves that they are still these."""
    links = await work.all_links_from(MEMBER, thing)
    found = [await work.get(KIND, link.target) for link in links]
    return [group for group in found if group is not None]


async def below(work: Work, group: str, after: Path = ()) -> AsyncIterator[Path]:
    """The paths from a group to its descendants, each group before its children and siblings by name, beyond
    the path ``after``. Whatever comes or goes meanwhile, no path is told twice and none that stays is missed.
    """
    key = after[0] if after else ""
    if after:
        child = await work.get(KIND, key)
        if child is not None and child.get("parentGroupName") == group:
            async for path in below(work, key, after[1:]):
                yield (key, *path)
    more = True
    while more:
        children = await work.links_to(PARENT, group, after=key, limit=PAGE)
        for link in children:
            yield (link.source,)
            async for path in below(work, link.source):
                yield (link.source, *path)
        more = len(children) == PAGE
        key = children[-1].source if children else key
