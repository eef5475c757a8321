"""Things, thing groups and billing groups as a model: what operations must answer, and what there is then."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MISSING, INVALID = "ResourceNotFoundException", "InvalidRequestException"
EXISTS, CONFLICT = "ResourceAlreadyExistsException", "VersionConflictException"

Step = tuple[str, dict[str, Any]]
"""An operation of boto3 and its input."""


@dataclass
class Group:
    parent: str | None
    description: str | None = None
    version: int = 1


@dataclass
class Thing:
    billing: str | None
    groups: set[str] = field(default_factory=set)


class World:
    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.things: dict[str, Thing] = {}
        self.billing: set[str] = set()

    def after(self, steps: Sequence[Step]) -> tuple[World, list[str]]:
        """The world after some steps, and what each was answered: '' or the error's code."""
        world = copy.deepcopy(self)
        return world, [getattr(world, name)(**input) for name, input in steps]

    def root(self, name: str) -> str:
        parent = self.groups[name].parent
        return name if parent is None else self.root(parent)

    def above(self, name: str) -> list[str]:
        parent = self.groups[name].parent
        return [] if parent is None else [*self.above(parent), parent]

    def below(self, name: str) -> list[str]:
        """As ListThingGroups tells them: each before its children, siblings by name."""
        found = []
        for child in sorted(one for one, group in self.groups.items() if group.parent == name):
            found += [child, *self.below(child)]
        return found

    def members(self, name: str) -> list[str]:
        return sorted(one for one, thing in self.things.items() if name in thing.groups)

    # --- operations ----------------------------------------------------------------------------------------

    def create_thing_group(self, thingGroupName: str, parentGroupName: str | None = None) -> str:
        known = self.groups.get(thingGroupName)
        if known is not None:
            same = (known.parent, known.description) == (parentGroupName, None)
            return "" if same else EXISTS
        if parentGroupName is not None and parentGroupName not in self.groups:
            return INVALID
        self.groups[thingGroupName] = Group(parentGroupName)
        return ""

    def update_thing_group(
        self, thingGroupName: str, thingGroupProperties: Any, expectedVersion: int | None = None
    ) -> str:
        group = self.groups.get(thingGroupName)
        if group is None:
            return MISSING
        if expectedVersion not in (None, group.version):
            return CONFLICT
        group.description = thingGroupProperties["thingGroupDescription"]
        group.version += 1
        return ""

    def delete_thing_group(self, thingGroupName: str, expectedVersion: int | None = None) -> str:
        group = self.groups.get(thingGroupName)
        if group is None:
            return ""
        if expectedVersion not in (None, group.version):
            return CONFLICT
        if self.below(thingGroupName):
            return INVALID
        del self.groups[thingGroupName]
        for thing in self.things.values():
            thing.groups.discard(thingGroupName)
        return ""

    def create_thing(self, thingName: str, billingGroupName: str | None = None) -> str:
        known = self.things.get(thingName)
        if known is not None:
            return "" if billingGroupName in (None, known.billing) else EXISTS
        if billingGroupName is not None and billingGroupName not in self.billing:
            return MISSING
        self.things[thingName] = Thing(billingGroupName)
        return ""

    def delete_thing(self, thingName: str) -> str:
        self.things.pop(thingName, None)
        return ""

    def add_thing_to_thing_group(self, thingName: str, thingGroupName: str) -> str:
        if thingName not in self.things or thingGroupName not in self.groups:
            return MISSING
        groups = self.things[thingName].groups
        roots = {self.root(one) for one in groups if one != thingGroupName}
        if thingGroupName not in groups and self.root(thingGroupName) in roots:
            return INVALID
        groups.add(thingGroupName)
        return ""

    def remove_thing_from_thing_group(self, thingName: str, thingGroupName: str) -> str:
        if thingName not in self.things or thingGroupName not in self.groups:
            return MISSING
        self.things[thingName].groups.discard(thingGroupName)
        return ""

    def update_thing_groups_for_thing(
        self, thingName: str, thingGroupsToAdd: list[str], thingGroupsToRemove: list[str]
    ) -> str:
        if set(thingGroupsToAdd) & set(thingGroupsToRemove):
            return INVALID
        if thingName not in self.things:
            return MISSING
        before = set(self.things[thingName].groups)
        steps = [("remove_thing_from_thing_group", one) for one in thingGroupsToRemove]
        steps += [("add_thing_to_thing_group", one) for one in thingGroupsToAdd]
        for name, group in steps:
            answer: str = getattr(self, name)(thingName, group)
            if answer:
                self.things[thingName].groups = before
                return answer
        return ""

    def create_billing_group(self, billingGroupName: str) -> str:
        self.billing.add(billingGroupName)
        return ""

    def delete_billing_group(self, billingGroupName: str) -> str:
        self.billing.discard(billingGroupName)
        for thing in self.things.values():
            if thing.billing == billingGroupName:
                thing.billing = None
        return ""

    def add_thing_to_billing_group(self, thingName: str, billingGroupName: str) -> str:
        if thingName not in self.things or billingGroupName not in self.billing:
            return MISSING
        thing = self.things[thingName]
        if thing.billing not in (None, billingGroupName):
            return INVALID
        thing.billing = billingGroupName
        return ""

    def remove_thing_from_billing_group(self, thingName: str, billingGroupName: str) -> str:
        if thingName not in self.things or billingGroupName not in self.billing:
            return MISSING
        if self.things[thingName].billing == billingGroupName:
            self.things[thingName].billing = None
        return ""

    # --- what reads must tell ------------------------------------------------------------------------------

    def shown(self) -> dict[str, Any]:
        """In the form of `read`."""
        return {
            "groups": {
                name: (group.parent, self.above(name), group.description, group.version)
                for name, group in sorted(self.groups.items())
            },
            "below": {name: self.below(name) for name in self.groups},
            "members": {name: self.members(name) for name in self.groups},
            "members below": {
                name: [thing for one in [name, *self.below(name)] for thing in self.members(one)]
                for name in self.groups
            },
            "things": {name: (thing.billing, sorted(thing.groups)) for name, thing in self.things.items()},
            "billing": {
                name: sorted(one for one, thing in self.things.items() if thing.billing == name)
                for name in sorted(self.billing)
            },
        }


def read(iot: Any, prefix: str, things: Sequence[str], size: int) -> dict[str, Any]:
    """What boto3 reads of the resources with a prefix, in pages of a size."""

    def listed(method: str, member: str, **members: Any) -> list[Any]:
        pages = iot.get_paginator(method).paginate(**members, PaginationConfig={"PageSize": size})
        found = [page[member] for page in pages]
        assert all(len(page) <= size for page in found)
        return [one["groupName"] if isinstance(one, dict) else one for page in found for one in page]

    shown: dict[str, Any] = {"groups": {}, "below": {}, "members": {}, "members below": {}, "things": {}}
    for name in listed("list_thing_groups", "thingGroups", namePrefixFilter=prefix):
        group = iot.describe_thing_group(thingGroupName=name)
        metadata = group["thingGroupMetadata"]
        above = [one["groupName"] for one in metadata.get("rootToParentThingGroups", [])]
        description = group["thingGroupProperties"].get("thingGroupDescription")
        shown["groups"][name] = (metadata.get("parentGroupName"), above, description, group["version"])
        shown["below"][name] = listed("list_thing_groups", "thingGroups", parentGroup=name)
        of = {"thingGroupName": name}
        shown["members"][name] = listed("list_things_in_thing_group", "things", **of)
        shown["members below"][name] = listed("list_things_in_thing_group", "things", recursive=True, **of)
    for name in things:
        try:
            billing = iot.describe_thing(thingName=name).get("billingGroupName")
        except iot.exceptions.ResourceNotFoundException:
            continue
        groups = listed("list_thing_groups_for_thing", "thingGroups", thingName=name)
        shown["things"][name] = (billing, groups)
    shown["billing"] = {
        name: listed("list_things_in_billing_group", "things", billingGroupName=name)
        for name in listed("list_billing_groups", "billingGroups", namePrefixFilter=prefix)
    }
    return shown
