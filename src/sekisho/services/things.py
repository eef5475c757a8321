"""Things: CreateThing, DescribeThing, UpdateThing, DeleteThing, ListThings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.aws.errors import InvalidRequestException, ResourceNotFoundException
from sekisho.services.attributes import changed_attributes
from sekisho.services.billing import MEMBER as BILLING
from sekisho.services.billing import billing_group_of
from sekisho.services.call import Call
from sekisho.services.group_tree import MEMBER as GROUP
from sekisho.services.index_reads import IndexReads
from sekisho.services.paging import key, page_of
from sekisho.services.taken import agrees, same_or_taken
from sekisho.services.unique import new_uuid
from sekisho.services.versions import expect_version
from sekisho.services.work import Document

ATTRIBUTES_WITHOUT_TYPE = 3
ATTRIBUTES_WITH_TYPE = 50
"""These bound a thing's size, too: 50 attributes of the longest form are 46,400 bytes, within the quota of 47
KB."""
SCAN = 250

TYPE = "thing-type"
"""Links: thing → its thing type."""


async def create_thing(
    call: Call,
    thingName: str,
    thingTypeName: str | None = None,
    attributePayload: Mapping[str, Any] | None = None,
    billingGroupName: str | None = None,
) -> Document:
    attributes = changed_attributes({}, attributePayload)
    existing = await call.work.get_unlikely("thing", thingName)
    if existing is not None:
        # That a thing has joined a group since, of whatever kind, is no input of this operation.
        asked = {"thingTypeName": thingTypeName, "attributes": attributes}
        same = agrees(existing, asked) and (
            billingGroupName in (None, await billing_group_of(call.work, thingName))
        )
        words = "already exists in account with different attributes, thing type or billing group"
        return same_or_taken(existing, same, "thing", thingName, f"Thing {thingName} {words}")
    await _check_type(call, thingTypeName)
    _check_count(thingName, attributes, thingTypeName)
    if billingGroupName is not None:
        await call.require("billinggroup", billingGroupName)
        call.work.link(BILLING, thingName, billingGroupName)
    if thingTypeName is not None:
        call.work.link(TYPE, thingName, thingTypeName, told=False)
    return await call.work.put(
        "thing",
        thingName,
        {
            "thingName": thingName,
            "thingArn": call.arn("thing", thingName),
            "thingId": new_uuid(),
            "defaultClientId": thingName,
            "attributes": attributes,
            "thingTypeName": thingTypeName,
        },
    )


async def describe_thing(call: Call, thingName: str) -> Document:
    thing, billing = await call.work.get_linked("thing", thingName, BILLING)
    if thing is None:
        thing = await call.require("thing", thingName)  # says that it is not there
    # Reading alone writes nothing, so a link that a deleted group has left stays.
    is_there = billing and await call.work.get("billinggroup", billing[0]) is not None
    return thing | {"billingGroupName": billing[0] if is_there else None}


async def update_thing(
    call: Call,
    thingName: str,
    thingTypeName: str | None = None,
    attributePayload: Mapping[str, Any] | None = None,
    expectedVersion: int | None = None,
    removeThingType: bool | None = None,
) -> None:
    thing = await call.require("thing", thingName)
    expect_version(thing, f"Thing {thingName}", expectedVersion)
    if removeThingType and thingTypeName:
        raise InvalidRequestException("removeThingType and thingTypeName exclude each other")
    attributes = changed_attributes(thing["attributes"], attributePayload)
    type_name = None if removeThingType else (thingTypeName or thing.get("thingTypeName"))
    if thingTypeName:
        await _check_type(call, thingTypeName)
    _check_count(thingName, attributes, type_name)
    _retype(call, thing, type_name)
    await call.work.put("thing", thingName, thing | {"attributes": attributes, "thingTypeName": type_name})


async def delete_thing(call: Call, thingName: str, expectedVersion: int | None = None) -> None:
    thing = await call.work.get("thing", thingName)
    if thing is None:
        return  # deleting what is not there succeeds (botocore, DeleteThing)
    expect_version(thing, f"Thing {thingName}", expectedVersion)
    if not await call.work.require_no_links_from("thing-principal", thingName):
        raise InvalidRequestException(
            f"Cannot delete. Thing {thingName} is still attached to one or more principals"
        )
    for kind in (GROUP, BILLING):
        for link in await call.work.all_links_from(kind, thingName):
            call.work.unlink(kind, thingName, link.target)
    _retype(call, thing, None)
    await call.work.delete("thing", thingName)


def _retype(call: Call, thing: Document, type_name: str | None) -> None:
    """Have a type's things know of a change; the thing's own change tells the rest."""
    name, known = thing["thingName"], thing.get("thingTypeName")
    if known == type_name:
        return
    if known is not None:
        call.work.unlink(TYPE, name, known, told=False)
    if type_name is not None:
        call.work.link(TYPE, name, type_name, told=False)


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
    if attributeName is not None and thingTypeName is not None:
        # As AWS was seen to answer.
        raise InvalidRequestException(
            "Listing things by the combination of attribute and thing type is not supported"
        )
    limit = maxResults or SCAN
    reads: IndexReads = call.deps.index

    def wanted(thing: Document) -> bool:
        if attributeName is None:
            return thingTypeName is None or thing.get("thingTypeName") == thingTypeName
        value = thing["attributes"].get(attributeName)
        if value is None or attributeValue is None:
            return value is not None
        return bool(value.startswith(attributeValue) if usePrefixAttributeValue else value == attributeValue)

    async def page(after: str) -> tuple[list[tuple[str, Document]], str]:
        if thingTypeName is not None:
            return await call.work.page_linked(TYPE, thingTypeName, "thing", after, SCAN)
        if attributeName is not None:
            text = _as_json(attributeName, attributeValue, bool(usePrefixAttributeValue))
            async with reads.long(call.account):
                return await call.work.page_containing("thing", "attributes", text, after, SCAN)
        return await call.work.page("thing", after, limit)

    found: list[Document] = []
    after = key(nextToken)
    while True:
        things, after = await page(after)
        for index, (name, thing) in enumerate(things):
            if wanted(thing):
                found.append(thing)
            if len(found) == limit and (after or index + 1 < len(things)):
                return page_of(found, name, "things", "nextToken")
        if not after:
            return page_of(found, "", "things", "nextToken")


def _as_json(name: str, value: str | None, is_prefix: bool) -> str:
    """What is in the JSON of a thing's attributes if it has this one: neither names nor values have quotes or
    backslashes."""
    if value is None:
        return f'"{name}":'
    return f'"{name}":"{value}' + ("" if is_prefix else '"')


async def _check_type(call: Call, name: str | None) -> None:
    """A thing may take a type that exists and is not deprecated."""
    if name is None:
        return
    thing_type = await call.work.get_likely("thingtype", name, call.deps.hints)
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
