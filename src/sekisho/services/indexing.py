"""What is indexed: GetIndexingConfiguration, UpdateIndexingConfiguration, ListIndices, DescribeIndex."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.aws.errors import InvalidRequestException, NotImplementedException, ResourceNotFoundException
from sekisho.logic.index_terms import ATTRIBUTE, GROUPS, THINGS
from sekisho.services.call import Call
from sekisho.services.group_tree import QUERY
from sekisho.services.index_needs import require_kept
from sekisho.services.indexer import BUILDING, CONFIGURATION, DELETING, indexes
from sekisho.services.paging import key, token
from sekisho.services.work import Document
from sekisho.store.index import read_scope
from sekisho.store.tables import fetch_one

NUMBER, STRING, BOOLEAN = "Number", "String", "Boolean"
THING_MEMBER, GROUP_MEMBER = "thingIndexingConfiguration", "thingGroupIndexingConfiguration"

CUSTOM_FIELDS = 5
"""AWS General Reference, Fleet indexing quotas."""
LONGEST_NAME = 1024
_CUSTOM = re.compile(re.escape(ATTRIBUTE) + r"[a-zA-Z0-9_-]+")
"""AWS IoT Developer Guide, Managing fleet indexing, Custom field names."""

REGISTRY_FIELDS = {
    "thingId": STRING,
    "thingName": STRING,
    "registry.version": NUMBER,
    "registry.thingTypeName": STRING,
    "registry.thingGroupNames": STRING,
}
ALIASES = {f"registry.{name}": name for name in ("thingTypeName", "thingGroupNames")}
"""Managed fields that queries know by shorter names, by which they can be aggregated as well."""
CONNECTIVITY_FIELDS = {
    "connectivity.connected": BOOLEAN,
    "connectivity.timestamp": NUMBER,
    "connectivity.disconnectReason": STRING,
    "connectivity.clientId": STRING,
    "connectivity.keepAliveDuration": NUMBER,
    "connectivity.cleanSession": BOOLEAN,
    "connectivity.sessionExpiry": NUMBER,
}
GROUP_FIELDS = {
    "thingGroupName": STRING,
    "thingGroupId": STRING,
    "description": STRING,
    "parentGroupNames": STRING,
}
"""What is indexed in any case (botocore, managedFields)."""
ALL_MANAGED = {*REGISTRY_FIELDS, *ALIASES.values(), *CONNECTIVITY_FIELDS, *GROUP_FIELDS}

OFF: Mapping[str, Mapping[str, Any]] = {
    THING_MEMBER: {"thingIndexingMode": "OFF", "thingConnectivityIndexingMode": "OFF"},
    GROUP_MEMBER: {"thingGroupIndexingMode": "OFF"},
}
NOT_BUILT = (
    ("thingIndexingMode", "REGISTRY_AND_SHADOW"),
    ("deviceDefenderIndexingMode", "VIOLATIONS"),
    ("namedShadowIndexingMode", "ON"),
)
FILTERS_NOT_BUILT = ("namedShadowNames", "geoLocations")


def managed(configuration: Mapping[str, Any], index: str) -> dict[str, str]:
    """The fields of an index that are there whatever the configuration declares, and their types."""
    if index == GROUPS:
        return GROUP_FIELDS
    connectivity = indexes(configuration).get(THINGS)
    return REGISTRY_FIELDS | (CONNECTIVITY_FIELDS if connectivity else {})


def declared(configuration: Mapping[str, Any], index: str) -> dict[str, str]:
    """The fields of an index that can be aggregated, and their types."""
    member = configuration.get(THING_MEMBER if index == THINGS else GROUP_MEMBER) or {}
    custom = {field["name"]: field["type"] for field in member.get("customFields") or ()}
    fields = managed(configuration, index)
    return fields | {short: fields[name] for name, short in ALIASES.items() if name in fields} | custom


async def get_indexing_configuration(call: Call) -> Document:
    found = await call.work.get(CONFIGURATION, "") or {}
    answer: Document = {}
    for member, index in ((THING_MEMBER, THINGS), (GROUP_MEMBER, GROUPS)):
        stored = dict(found.get(member) or OFF[member])
        if index in indexes(found):
            fields = managed(found, index)
            stored["managedFields"] = [{"name": name, "type": type_} for name, type_ in fields.items()]
        answer[member] = stored
    return answer


async def update_indexing_configuration(
    call: Call,
    thingIndexingConfiguration: Mapping[str, Any] | None = None,
    thingGroupIndexingConfiguration: Mapping[str, Any] | None = None,
) -> None:
    """What is given replaces what was, with all of its custom fields; what is not given stays."""
    found = await call.work.get(CONFIGURATION, "") or {}
    if thingIndexingConfiguration is None and thingGroupIndexingConfiguration is None:
        raise InvalidRequestException(f"give {THING_MEMBER}, {GROUP_MEMBER} or both")
    body = dict(found)
    if thingIndexingConfiguration is not None:
        body[THING_MEMBER] = _things(thingIndexingConfiguration, found.get(THING_MEMBER) or {})
    if thingGroupIndexingConfiguration is not None:
        body[GROUP_MEMBER] = _groups(thingGroupIndexingConfiguration)
    ends = THINGS in indexes(found) and THINGS not in indexes(body)
    if ends and not await call.work.require_fewer(QUERY, 1):
        raise InvalidRequestException(
            "thingIndexingMode cannot be OFF while there are dynamic thing groups; delete them first"
        )
    await require_kept(call, _all_declared(found), _all_declared(body))
    await call.work.put(CONFIGURATION, "", body)


def _all_declared(configuration: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {index: declared(configuration, index) for index in indexes(configuration)}


def _things(given: Mapping[str, Any], before: Mapping[str, Any]) -> Document:
    for member, value in NOT_BUILT:
        if given.get(member) == value:
            raise NotImplementedException(f"{member} {value} is not implemented by this node")
    chosen = given.get("filter") or {}
    for member in FILTERS_NOT_BUILT:
        if chosen.get(member):
            raise NotImplementedException(f"filter.{member} is not implemented by this node")
    made: Document = {
        "thingIndexingMode": given["thingIndexingMode"],
        "thingConnectivityIndexingMode": given.get("thingConnectivityIndexingMode", "OFF"),
        "deviceDefenderIndexingMode": "OFF",
        "namedShadowIndexingMode": "OFF",
    }
    if made["thingIndexingMode"] == "OFF" and made["thingConnectivityIndexingMode"] != "OFF":
        raise InvalidRequestException("thingConnectivityIndexingMode STATUS needs a thingIndexingMode")
    fields = made_fields(given.get("customFields") or ())
    if made["thingIndexingMode"] == "OFF" and fields:
        raise InvalidRequestException("customFields need a thingIndexingMode other than OFF")
    _check_managed(given, managed({THING_MEMBER: made}, THINGS))
    if fields:
        made["customFields"] = fields
    known = (before.get("filter") or {}).get("connectivity")
    if known and made["thingConnectivityIndexingMode"] != "OFF" and _sockets(chosen) is None:
        # Unless it is given, what connections are asked for stays (AWS IoT Developer Guide, Indexing filter).
        chosen = {**chosen, "connectivity": known}
    if chosen:
        made["filter"] = chosen
    return made


def _sockets(filter: Mapping[str, Any]) -> Sequence[str] | None:
    return (filter.get("connectivity") or {}).get("includeSocketInformation")


def _groups(given: Mapping[str, Any]) -> Document:
    made: Document = {"thingGroupIndexingMode": given["thingGroupIndexingMode"]}
    fields = made_fields(given.get("customFields") or ())
    if made["thingGroupIndexingMode"] == "OFF" and fields:
        raise InvalidRequestException("customFields need thingGroupIndexingMode ON")
    _check_managed(given, GROUP_FIELDS)
    return made | ({"customFields": fields} if fields else {})


def made_fields(given: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Custom fields: of what is indexed that can only be attributes."""
    if len(given) > CUSTOM_FIELDS:
        raise InvalidRequestException(f"{len(given)} customFields; at most {CUSTOM_FIELDS}")
    found: list[Document] = []
    for field in given:
        name, type_ = field.get("name"), field.get("type")
        if not name or not type_:
            raise InvalidRequestException("a custom field has a name and a type")
        if len(name) > LONGEST_NAME:
            raise InvalidRequestException(f"the name of a custom field has at most {LONGEST_NAME} characters")
        if any(other["name"] == name for other in found):
            raise InvalidRequestException(f"the custom field {name} is there twice")
        if not name.startswith(ATTRIBUTE) or name == ATTRIBUTE:
            raise InvalidRequestException(
                f"the custom field {name} is not one that these indexing modes have; attributes are"
                f" {ATTRIBUTE}NAME"
            )
        if not _CUSTOM.fullmatch(name):
            raise InvalidRequestException(
                f"the custom field {name}: after {ATTRIBUTE} it has letters, digits, hyphens and underscores"
            )
        found.append({"name": name, "type": type_})
    return found


def _check_managed(given: Mapping[str, Any], fields: Mapping[str, str]) -> None:
    """Who gives back what GetIndexingConfiguration has told may do so; nobody can change it."""
    for field in given.get("managedFields") or ():
        name = field.get("name")
        if name not in fields and name not in ALL_MANAGED:
            raise InvalidRequestException(f"{name} is not a managed field")


async def list_indices(call: Call, nextToken: str | None = None, maxResults: int | None = None) -> Document:
    names = sorted(indexes(await call.work.get(CONFIGURATION, "") or {}))
    left = [name for name in names if name > key(nextToken)]
    shown = left[: maxResults or len(left)]
    return {"indexNames": shown, "nextToken": token(shown[-1]) if len(left) > len(shown) else None}


async def describe_index(call: Call, indexName: str) -> Document:
    configuration = await call.work.get(CONFIGURATION, "") or {}
    found = indexes(configuration)
    if indexName not in found:
        raise ResourceNotFoundException(f"Index {indexName} does not exist")
    row = await fetch_one(call.deps.store, read_scope(call.account, call.region, indexName))
    status = BUILDING if row is None or row["status"] == DELETING else row["status"]
    return {"indexName": indexName, "indexStatus": status, "schema": _schema(indexName, found[indexName])}


def _schema(index: str, connectivity: int) -> str:
    """What an index has (AWS IoT Developer Guide, Describing a thing index)."""
    if index == GROUPS:
        return "THING_GROUPS"
    return "REGISTRY_AND_CONNECTIVITY_STATUS" if connectivity else "REGISTRY"
