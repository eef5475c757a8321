"""Dynamic thing groups: create, update, delete. Their things are put in them by `memberships.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.aws.errors import InvalidRequestException, LimitExceededException, ResourceNotFoundException
from sekisho.logic.index_terms import THINGS
from sekisho.services.call import Call
from sekisho.services.group_tree import (
    KIND,
    QUERY,
    is_dynamic,
    make_group,
    remove_group,
    same_group,
    to_build,
)
from sekisho.services.index_reads import VERSION, parsed
from sekisho.services.indexer import BUILDING, CONFIGURATION, DELETING, REBUILDING, indexes
from sekisho.services.thing_groups import properties_of
from sekisho.services.versions import expect_version
from sekisho.services.work import Document
from sekisho.store.index import read_scope
from sekisho.store.tables import fetch_one

MOST = 100
"""AWS General Reference, AWS IoT quotas: dynamic groups of an account and region."""


async def create_dynamic_thing_group(
    call: Call,
    thingGroupName: str,
    queryString: str,
    thingGroupProperties: Mapping[str, Any] | None = None,
    indexName: str | None = None,
    queryVersion: str | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Document:
    properties = properties_of(thingGroupName, {}, thingGroupProperties)
    asked = {"thingGroupProperties": properties, **_asked(queryString, indexName, queryVersion)}
    existing = await same_group(call, thingGroupName, asked)
    if existing is not None:
        return existing
    await _require_index(call)
    if not await call.work.require_fewer(QUERY, MOST):
        raise LimitExceededException(f"there are {MOST} dynamic thing groups, the most there can be")
    await call.work.put(QUERY, thingGroupName, to_build(queryString, BUILDING))
    return await make_group(call, thingGroupName, asked, tags)


async def update_dynamic_thing_group(
    call: Call,
    thingGroupName: str,
    thingGroupProperties: Mapping[str, Any],
    expectedVersion: int | None = None,
    indexName: str | None = None,
    queryString: str | None = None,
    queryVersion: str | None = None,
) -> Document:
    group = await call.require(KIND, thingGroupName)
    _require_dynamic(group)
    expect_version(group, f"Thing group {thingGroupName}", expectedVersion)
    properties = properties_of(thingGroupName, group["thingGroupProperties"], thingGroupProperties)
    asked = _asked(queryString or group["queryString"], indexName, queryVersion)
    if asked["queryString"] != group["queryString"]:
        known = await call.require(QUERY, thingGroupName)
        status = BUILDING if known["status"] == BUILDING else REBUILDING
        await call.work.put(QUERY, thingGroupName, to_build(asked["queryString"], status, anew=True))
    changed = group | asked | {"thingGroupProperties": properties}
    return {"version": (await call.work.put(KIND, thingGroupName, changed))["version"]}


async def delete_dynamic_thing_group(
    call: Call, thingGroupName: str, expectedVersion: int | None = None
) -> None:
    group = await call.work.get(KIND, thingGroupName)
    if group is None:
        return  # as with static groups
    _require_dynamic(group)
    expect_version(group, f"Thing group {thingGroupName}", expectedVersion)
    await call.work.delete(QUERY, thingGroupName)
    await remove_group(call, group)


def _asked(query: str, index: str | None, version: str | None) -> Document:
    """What a group is made by; :raises InvalidQueryException: saying what is wrong, and where"""
    if index not in (None, THINGS):
        raise InvalidRequestException(f"indexName {index}: dynamic thing groups are of {THINGS}")
    parsed(query, version)
    return {"indexName": THINGS, "queryString": query, "queryVersion": VERSION}


def _require_dynamic(group: Document) -> None:
    if not is_dynamic(group):
        arn = group["thingGroupArn"]
        raise InvalidRequestException(
            f"This operation only supports dynamic thing groups. Thing group arn: {arn}"
        )


async def _require_index(call: Call) -> None:
    """Indexing is on, and has been built (AWS IoT Developer Guide, Dynamic thing groups)."""
    if THINGS not in indexes(await call.work.get(CONFIGURATION, "") or {}):
        raise ResourceNotFoundException(
            f"Index {THINGS} does not exist: dynamic thing groups need a thingIndexingMode other than OFF"
        )
    row = await fetch_one(call.deps.store, read_scope(call.account, call.region, THINGS))
    if row is None or row["status"] in (BUILDING, DELETING):
        raise InvalidRequestException(f"Index {THINGS} is being built")
