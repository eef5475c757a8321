"""Registry events: what is said of things, types and groups that have changed.

Topics and members as the AWS IoT Developer Guide, "Registry events", lists them; times are epoch
milliseconds. A function is given documents as the registry keeps them and gives an :class:`Event`; who sends
it adds what all events have (:func:`payload`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

Document = Mapping[str, Any]

THING = "THING"
THING_TYPE = "THING_TYPE"
THING_TYPE_ASSOCIATION = "THING_TYPE_ASSOCIATION"
THING_GROUP = "THING_GROUP"
THING_GROUP_MEMBERSHIP = "THING_GROUP_MEMBERSHIP"
THING_GROUP_HIERARCHY = "THING_GROUP_HIERARCHY"

CREATED, UPDATED, DELETED = "CREATED", "UPDATED", "DELETED"
ADDED, REMOVED = "ADDED", "REMOVED"


class Event(NamedTuple):
    """``members`` beside those that every event has. Of an event of ``without_account`` the guide does not
    list ``accountId``."""

    type: str
    operation: str
    topic: str
    members: Mapping[str, Any]
    without_account: bool = False


def payload(event: Event, id: str, at: float, account: str) -> bytes:
    """``at``: civil epoch seconds."""
    body: dict[str, Any] = {
        "eventType": f"{event.type}_EVENT",
        "eventId": id,
        "timestamp": _milliseconds(at),
        "operation": event.operation,
    }
    if not event.without_account:
        body["accountId"] = account
    return orjson.dumps({**body, **event.members})


def operation_of(before: Document | None, after: Document | None) -> str:
    if before is None:
        return CREATED
    return UPDATED if after is not None else DELETED


def thing_event(operation: str, thing: Document) -> Event:
    """``thing`` as it is now, or as it last was."""
    name = thing["thingName"]
    return Event(
        THING,
        operation,
        f"$aws/events/thing/{name}/{operation.lower()}",
        {
            "thingId": thing["thingId"],
            "thingName": name,
            "versionNumber": thing["version"],
            "thingTypeName": thing.get("thingTypeName"),
            "attributes": thing["attributes"],
        },
    )


def type_event(operation: str, thing_type: Document) -> Event:
    name = thing_type["thingTypeName"]
    properties, metadata = thing_type["thingTypeProperties"], thing_type["thingTypeMetadata"]
    members = {
        "thingTypeId": thing_type["thingTypeId"],
        "thingTypeName": name,
        "isDeprecated": metadata["deprecated"],
        "deprecationDate": _milliseconds(metadata.get("deprecationDate")),
        "searchableAttributes": properties.get("searchableAttributes") or [],
        "description": properties.get("thingTypeDescription"),
    }
    propagating = (properties.get("mqtt5Configuration") or {}).get("propagatingAttributes")
    if propagating:
        members["propagatingAttributes"] = propagating
    return Event(THING_TYPE, operation, f"$aws/events/thingType/{name}/{operation.lower()}", members)


def association_event(operation: str, thing: Document, type_name: str) -> Event:
    name = thing["thingName"]
    topic = f"$aws/events/thingTypeAssociation/thing/{name}/thingType/{type_name}/{operation.lower()}"
    members = {"thingId": thing["thingId"], "thingName": name, "thingTypeName": type_name}
    return Event(THING_TYPE_ASSOCIATION, operation, topic, members, without_account=True)


def group_event(operation: str, group: Document, above: Sequence[Document]) -> Event:
    """``above``: the groups from the root to the parent."""
    name = group["thingGroupName"]
    properties = group.get("thingGroupProperties") or {}
    parent: Document = above[-1] if above else {}
    return Event(
        THING_GROUP,
        operation,
        f"$aws/events/thingGroup/{name}/{operation.lower()}",
        {
            "thingGroupId": group["thingGroupId"],
            "thingGroupName": name,
            "versionNumber": group["version"],
            "parentGroupName": parent.get("thingGroupName"),
            "parentGroupId": parent.get("thingGroupId"),
            "description": properties.get("thingGroupDescription"),
            "rootToParentThingGroups": [
                {"groupArn": one["thingGroupArn"], "groupId": one["thingGroupId"]} for one in above
            ],
            "attributes": (properties.get("attributePayload") or {}).get("attributes") or {},
            "dynamicGroupMappingId": None,
        },
    )


def membership_event(operation: str, group: Document, thing: Document, membership: str) -> Event:
    group_name, name = group["thingGroupName"], thing["thingName"]
    topic = f"$aws/events/thingGroupMembership/thingGroup/{group_name}/thing/{name}/{operation.lower()}"
    members = {
        "groupArn": group["thingGroupArn"],
        "groupId": group["thingGroupId"],
        "thingArn": thing["thingArn"],
        "thingId": thing["thingId"],
        "membershipId": membership,
    }
    return Event(THING_GROUP_MEMBERSHIP, operation, topic, members)


def hierarchy_event(operation: str, parent: Document, child: Document) -> Event:
    parent_name, name = parent["thingGroupName"], child["thingGroupName"]
    topic = (
        f"$aws/events/thingGroupHierarchy/thingGroup/{parent_name}/childThingGroup/{name}/{operation.lower()}"
    )
    members = {
        "thingGroupId": parent["thingGroupId"],
        "thingGroupName": parent_name,
        "childGroupId": child["thingGroupId"],
        "childGroupName": name,
    }
    return Event(THING_GROUP_HIERARCHY, operation, topic, members)


def _milliseconds(at: float | None) -> int | None:
    return None if at is None else int(at * 1000)
