"""The thing of a provisioning template: made as planned, or changed as far as the template lets it be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sekisho.aws.errors import (
    ConflictingResourceUpdateException,
    NotImplementedException,
    ResourceRegistrationFailureException,
)
from sekisho.logic.templates import PlannedThing
from sekisho.services import billing_groups, thing_group_members, things
from sekisho.services.billing import billing_group_of
from sekisho.services.call import Call
from sekisho.services.group_tree import direct_groups, is_dynamic
from sekisho.services.work import Document

FAIL, REPLACE, MERGE = "FAIL", "REPLACE", "MERGE"


async def provisioned_thing(call: Call, planned: PlannedThing) -> Document:
    """The thing that a template plans, made or found and brought to it.

    What an OverrideSetting does not mention is a conflict if it differs from a thing that is there.
    """
    if planned.package_versions:
        raise NotImplementedException(f"{planned.logical}: PackageVersions is not implemented by this node")
    groups = tuple(dict.fromkeys(planned.groups))
    members: dict[str, Any] = {
        "thingName": planned.name,
        "thingTypeName": planned.type_name,
        "attributePayload": {"attributes": planned.attributes},
        "billingGroupName": planned.billing_group,
    }
    # The values came through a template, past the door's own check.
    call.check("iot", "CreateThing", members)
    call.check("iot", "UpdateThingGroupsForThing", {"thingName": planned.name, "thingGroupsToAdd": groups})
    await _require(call, planned, "thing group", groups)
    await _require(call, planned, "billing group", [planned.billing_group])
    await _require(call, planned, "thing type", [planned.type_name])
    existing = await call.work.get("thing", planned.name)
    if existing is not None:
        await _change(call, planned, existing)
        await _bill(call, planned)
        await _regroup(call, planned, groups)
        return existing
    made = await things.create_thing(call, **members)
    await _update_groups(call, planned.name, groups, ())
    return made


async def _require(call: Call, planned: PlannedThing, noun: str, names: Iterable[str | None]) -> None:
    """What a thing belongs to must be there already (AWS IoT Developer Guide, Provisioning templates)."""
    for name in names:
        if name is not None and await call.work.get(noun.replace(" ", ""), name) is None:
            raise ResourceRegistrationFailureException(f"{planned.logical}: {noun} {name} does not exist")


async def _change(call: Call, planned: PlannedThing, existing: Document) -> None:
    change: dict[str, Any] = {}
    differs = planned.type_name is not None and planned.type_name != existing.get("thingTypeName")
    if differs and _override(planned, "ThingTypeName") == REPLACE:
        change["thingTypeName"] = planned.type_name
    if planned.attributes != existing["attributes"]:
        match _override(planned, "AttributePayload") if planned.attributes else "DO_NOTHING":
            case "REPLACE":
                change["attributePayload"] = {"attributes": planned.attributes}
            case "MERGE":
                change["attributePayload"] = {"attributes": planned.attributes, "merge": True}
    if change:
        await things.update_thing(call, thingName=planned.name, **change)


async def _bill(call: Call, planned: PlannedThing) -> None:
    known = await billing_group_of(call.work, planned.name)
    if planned.billing_group in (None, known) or _override(planned, "BillingGroup") != REPLACE:
        return
    if known is not None:
        await billing_groups.remove_thing_from_billing_group(
            call, billingGroupName=known, thingName=planned.name
        )
    await billing_groups.add_thing_to_billing_group(
        call, billingGroupName=planned.billing_group, thingName=planned.name
    )


async def _regroup(call: Call, planned: PlannedThing, groups: tuple[str, ...]) -> None:
    """Static groups alone: who is in a dynamic one follows from its query."""
    if not groups:
        return
    found = await direct_groups(call.work, planned.name)
    known = [group["thingGroupName"] for group in found if not is_dynamic(group)]
    if set(groups) == set(known):
        return
    setting = _override(planned, "ThingGroups")
    if setting in (REPLACE, MERGE):
        remove = [name for name in known if name not in groups] if setting == REPLACE else ()
        await _update_groups(call, planned.name, groups, remove)


async def _update_groups(call: Call, thing: str, add: Iterable[str], remove: Iterable[str]) -> None:
    await thing_group_members.update_thing_groups_for_thing(
        call, thingName=thing, thingGroupsToAdd=tuple(add), thingGroupsToRemove=tuple(remove)
    )


def _override(planned: PlannedThing, member: str) -> str:
    """What the template says of a thing that exists and differs; by default that is a conflict."""
    setting = str(planned.override_settings.get(member, FAIL))
    if setting == FAIL:
        raise ConflictingResourceUpdateException(
            f"Thing {planned.name} exists with another {member}, "
            f"and {planned.logical} has no OverrideSettings that would change it"
        )
    return setting
