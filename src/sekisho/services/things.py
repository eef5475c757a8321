"""Things: CreateThing, DescribeThing, UpdateThing, DeleteThing, ListThings."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sekisho.aws.errors import (
    InvalidRequestException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
    VersionConflictException,
)
from sekisho.services.call import Call
from sekisho.services.paging import key, page_of
from sekisho.services.work import Document

ATTRIBUTES_WITHOUT_TYPE = 3
ATTRIBUTES_WITH_TYPE = 50
SCAN = 250


async def create_thing(
    call: Call,
    thingName: str,
    thingTypeName: str | None = None,
    attributePayload: Mapping[str, Any] | None = None,
) -> Document:
    attributes = dict((attributePayload or {}).get("attributes") or {})
    attributes = {name: value for name, value in attributes.items() if value != ""}
    existing = await call.work.get_unlikely("thing", thingName)
    if existing is not None:
        # Idempotent for identical input (botocore, CreateThing).
        if existing["attributes"] == attributes and existing.get("thingTypeName") == thingTypeName:
            return existing
        raise ResourceAlreadyExistsException(
            f"Thing {thingName} already exists in account with different attributes or thing type",
            resourceId=existing["thingId"],
            resourceArn=existing["thingArn"],
        )
    await _check_type(call, thingTypeName)
    _check_count(thingName, attributes, thingTypeName)
    return await call.work.put(
        "thing",
        thingName,
        {
            "thingName": thingName,
            "thingArn": call.arn("thing", thingName),
            "thingId": str(uuid.uuid4()),
            "defaultClientId": thingName,
            "attributes": attributes,
            "thingTypeName": thingTypeName,
        },
    )


async def describe_thing(call: Call, thingName: str) -> Document:
    return await call.require("thing", thingName)


async def update_thing(
    call: Call,
    thingName: str,
    thingTypeName: str | None = None,
    attributePayload: Mapping[str, Any] | None = None,
    expectedVersion: int | None = None,
    removeThingType: bool | None = None,
) -> None:
    thing = await call.require("thing", thingName)
    if expectedVersion is not None and expectedVersion != thing["version"]:
        raise VersionConflictException(
            f"Thing {thingName} is at version {thing['version']}, not {expectedVersion}"
        )
    if removeThingType and thingTypeName:
        raise InvalidRequestException("removeThingType and thingTypeName exclude each other")
    attributes = dict(thing["attributes"])
    if attributePayload is not None and "attributes" in attributePayload:
        given = attributePayload["attributes"]
        attributes = attributes | given if attributePayload.get("merge") else dict(given)
        # An empty value takes the attribute away (botocore, AttributePayload).
        attributes = {name: value for name, value in attributes.items() if value != ""}
    type_name = None if removeThingType else (thingTypeName or thing.get("thingTypeName"))
    if thingTypeName:
        await _check_type(call, thingTypeName)
    _check_count(thingName, attributes, type_name)
    await call.work.put("thing", thingName, thing | {"attributes": attributes, "thingTypeName": type_name})


async def delete_thing(call: Call, thingName: str, expectedVersion: int | None = None) -> None:
    thing = await call.work.get("thing", thingName)
    if thing is None:
        return  # deleting what is not there succeeds (botocore, DeleteThing)
    if expectedVersion is not None and expectedVersion != thing["version"]:
        raise VersionConflictException(
            f"Thing {thingName} is at version {thing['version']}, not {expectedVersion}"
        )
    if not await call.work.require_no_links_from("thing-principal", thingName):
        raise InvalidRequestException(
            f"Cannot delete. Thing {thingName} is still attached to one or more principals"
        )
    await call.work.delete("thing", thingName)


async def list_things(
    call: Call,
    nextToken: str | None = None,
    maxResults: int | None = None,
    attributeName: str | None = None,
    attributeValue: str | None = None,
    thingTypeName: str | None = None,
    usePrefixAttributeValue: bool | None = None,
) -> Document:
    if attributeValue is not None and attributeName is None:
        raise InvalidRequestException("attributeValue needs attributeName")
    limit = maxResults or SCAN

    def wanted(thing: Document) -> bool:
        if thingTypeName is not None and thing.get("thingTypeName") != thingTypeName:
            return False
        if attributeName is None:
            return True
        value = thing["attributes"].get(attributeName)
        if value is None or attributeValue is None:
            return value is not None
        return bool(value.startswith(attributeValue) if usePrefixAttributeValue else value == attributeValue)

    found: list[Document] = []
    after = key(nextToken)
    while True:
        page, after = await call.work.page("thing", after, SCAN)
        for index, (name, thing) in enumerate(page):
            if wanted(thing):
                found.append(thing)
            if len(found) == limit and (after or index + 1 < len(page)):
                return page_of(found, name, "things", "nextToken")
        if not after:
            return page_of(found, "", "things", "nextToken")


async def _check_type(call: Call, name: str | None) -> None:
    """A thing may take a type that exists and is not deprecated."""
    if name is None:
        return
    thing_type = await call.work.get("thingtype", name)
    if thing_type is None:
        raise ResourceNotFoundException(f"Thing type {name} does not exist")
    if thing_type["thingTypeMetadata"]["deprecated"]:
        raise InvalidRequestException(f"Can not use deprecated thing type: {name}")


def _check_count(thing: str, attributes: Mapping[str, str], type_name: str | None) -> None:
    """AWS General Reference, AWS IoT quotas: 3 attributes without a type, 50 with one."""
    most = ATTRIBUTES_WITH_TYPE if type_name else ATTRIBUTES_WITHOUT_TYPE
    if len(attributes) > most:
        kind = "with" if type_name else "without"
        raise InvalidRequestException(
            f"Thing {thing} {kind} a thing type can have at most {most} attributes, got {len(attributes)}"
        )
