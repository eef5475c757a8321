"""Thing types: create, describe, update, deprecate, delete, list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.enrichment import why_not
from sekisho.services.call import Call
from sekisho.services.paging import key, page_of
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import same_or_taken
from sekisho.services.things import SCAN, TYPE
from sekisho.services.unique import new_uuid
from sekisho.services.work import Document

DELETE_AFTER = 300.0
"""Seconds from deprecation until a type may be deleted (AWS IoT Developer Guide, Thing types)."""

SEARCHABLE = 3
"""AWS General Reference, AWS IoT quotas: searchable attributes of one type."""


def _properties(given: Mapping[str, Any] | None) -> Document:
    given = dict(given or {})
    searchable = given.get("searchableAttributes") or []
    if len(searchable) > SEARCHABLE:
        raise InvalidRequestException(
            f"a thing type can have at most {SEARCHABLE} searchable attributes, got {len(searchable)}"
        )
    propagating = (given.get("mqtt5Configuration") or {}).get("propagatingAttributes") or []
    wrong = why_not(propagating)
    if wrong:
        raise InvalidRequestException(wrong)
    if "mqtt5Configuration" in given:
        given["mqtt5Configuration"] = {"propagatingAttributes": propagating} if propagating else None
    return given


def _present(properties: Document) -> Document:
    return {name: value for name, value in properties.items() if value is not None}


async def create_thing_type(
    call: Call,
    thingTypeName: str,
    thingTypeProperties: Mapping[str, Any] | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    properties = _present({"searchableAttributes": [], **_properties(thingTypeProperties)})
    existing = await call.work.get("thingtype", thingTypeName)
    if existing is not None:
        same = existing["thingTypeProperties"] == properties
        words = f"Thing type {thingTypeName} already exists with different properties"
        return same_or_taken(existing, same, "thingType", thingTypeName, words)
    arn = call.arn("thingtype", thingTypeName)
    await put_tags(call, arn, tags)
    return await call.work.put(
        "thingtype",
        thingTypeName,
        {
            "thingTypeName": thingTypeName,
            "thingTypeArn": arn,
            "thingTypeId": new_uuid(),
            "thingTypeProperties": properties,
            "thingTypeMetadata": {"deprecated": False, "creationDate": call.now},
        },
    )


async def describe_thing_type(call: Call, thingTypeName: str) -> Document:
    return await call.require("thingtype", thingTypeName)


async def update_thing_type(
    call: Call, thingTypeName: str, thingTypeProperties: Mapping[str, Any] | None = None
) -> None:
    """What else is given must be as it is: only propagating attributes can change, as AWS was seen to answer
    and its guide says (Adding propagating attributes for message enrichment)."""
    existing = await call.require("thingtype", thingTypeName)
    known, given = existing["thingTypeProperties"], _properties(thingTypeProperties)
    for member in ("thingTypeDescription", "searchableAttributes"):
        if member in given and given[member] != known.get(member):
            raise InvalidRequestException("Can only update mqtt5Configuration.")
    properties = _present(known | given)
    await call.work.put("thingtype", thingTypeName, existing | {"thingTypeProperties": properties})


async def deprecate_thing_type(call: Call, thingTypeName: str, undoDeprecate: bool | None = None) -> None:
    """What is so already stays as it is: the five minutes before a deletion do not begin anew."""
    existing = await call.require("thingtype", thingTypeName)
    if existing["thingTypeMetadata"]["deprecated"] == (not undoDeprecate):
        return
    metadata = {"deprecated": not undoDeprecate, "creationDate": existing["creationDate"]}
    if not undoDeprecate:
        metadata["deprecationDate"] = call.now
    await call.work.put("thingtype", thingTypeName, existing | {"thingTypeMetadata": metadata})


async def delete_thing_type(call: Call, thingTypeName: str) -> None:
    existing = await call.require("thingtype", thingTypeName)
    metadata = existing["thingTypeMetadata"]
    if not metadata["deprecated"]:
        raise InvalidRequestException(f"Thing type {thingTypeName} must be deprecated before it is deleted")
    if call.now < metadata["deprecationDate"] + DELETE_AFTER:
        raise InvalidRequestException(
            f"Cannot delete thing type : {thingTypeName}. "
            "Please wait for 5 minutes after deprecation and then retry"
        )
    if not await call.work.require_no_links_to(TYPE, thingTypeName):
        links = await call.work.links_to(TYPE, thingTypeName, limit=1)
        thing = f"thing {links[0].source}" if links else "a thing"  # which is gone meanwhile
        raise InvalidRequestException(f"Thing type {thingTypeName} is still used by {thing}")
    await drop_tags(call, existing["thingTypeArn"])
    await call.work.delete("thingtype", thingTypeName)


async def list_thing_types(
    call: Call,
    nextToken: str | None = None,
    maxResults: int | None = None,
    thingTypeName: str | None = None,
) -> Document:
    if thingTypeName is not None:
        found = await call.work.get("thingtype", thingTypeName)
        return {"thingTypes": [found] if found else []}
    page, after = await call.work.page("thingtype", key(nextToken), maxResults or SCAN)
    return page_of([document for _, document in page], after, "thingTypes", "nextToken")
