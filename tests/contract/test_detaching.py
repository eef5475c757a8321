"""Groups with more things than a deletion takes along: gone at once for everybody, soon for the database."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from contract.registry import THING, A, R, Registry, on
from sekisho.aws.errors import ResourceNotFoundException, ThrottlingException
from sekisho.services import billing_groups, detaching, thing_group_members, thing_groups, things
from sekisho.services.detaching import AT_ONCE, TOLD_AT_ONCE, sweep_left
from sekisho.services.identity import Identities
from sekisho.store.changes import Change

MANY = AT_ONCE + 300


@pytest.mark.parametrize("count, left", [(AT_ONCE - 1, 0), (AT_ONCE, AT_ONCE)])
def test_what_a_deletion_takes_along(database_url: str, count: int, left: int) -> None:
    async def body(registry: Registry) -> None:
        await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        await registry.fill("thing-group", "g", count)
        await registry.do(thing_groups.delete_thing_group, thingGroupName="g")
        assert await registry.count("thing-group") == left
        assert await registry.notes() == bool(left)

    on(database_url, body)


def test_nobody_sees_what_is_left_of_a_thing_group(database_url: str) -> None:
    async def body(registry: Registry) -> None:
        await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        await registry.fill("thing-group", "g", MANY)
        await registry.do(thing_groups.delete_thing_group, thingGroupName="g")
        listed = await registry.do(thing_group_members.list_thing_groups_for_thing, thingName=THING)
        assert listed["thingGroups"] == []
        with pytest.raises(ResourceNotFoundException):
            await registry.do(thing_group_members.list_things_in_thing_group, thingGroupName="g")
        await registry.do(things.delete_thing, thingName=THING)
        await sweep_left(registry.deps, A, R, 2.0)
        assert (await registry.count("thing-group"), await registry.notes()) == (0, 0)

    on(database_url, body)


def test_a_group_of_the_same_name_begins_empty(database_url: str) -> None:
    async def body(registry: Registry) -> None:
        await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        await registry.fill("thing-group", "g", MANY)
        await registry.do(thing_groups.delete_thing_group, thingGroupName="g")
        await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        assert (await registry.count("thing-group"), await registry.notes()) == (0, 0)
        input = {"thingGroupName": "g", "thingName": THING}
        await registry.do(thing_group_members.add_thing_to_thing_group, **input)
        await sweep_left(registry.deps, A, R, 2.0)
        assert await registry.count("thing-group") == 1

    on(database_url, body)


def test_a_connection_does_not_keep_what_is_left(database_url: str) -> None:
    """Who was read while a link was left is in no group of that name that is made later."""

    async def body(registry: Registry) -> None:
        await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        await registry.fill("thing-group", "g", MANY)
        identities = Identities(registry.store)

        async def groups() -> frozenset[str]:
            view = await identities.views.load(A, R, THING, False, THING)
            assert view is not None
            return view.groups

        async def told(what: str) -> None:
            identities.forget(Change(1, A, R, "thinggroup", "g", what, 1.0))

        assert await groups() == {"g"}
        await registry.do(thing_groups.delete_thing_group, thingGroupName="g")
        await told("deleted")
        assert await groups() == frozenset()
        await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        await told("created")
        assert await groups() == frozenset()

    on(database_url, body)


def test_nobody_sees_what_is_left_of_a_billing_group(database_url: str) -> None:
    async def body(registry: Registry) -> None:
        for name in ("g", "h"):
            await registry.do(billing_groups.create_billing_group, billingGroupName=name)
        await registry.fill("thing-billing", "g", MANY)
        await registry.do(billing_groups.delete_billing_group, billingGroupName="g")
        found = await registry.do(things.describe_thing, thingName=THING)
        assert found["billingGroupName"] is None
        await registry.do(things.create_thing, thingName=THING)  # the same as there is
        await registry.do(billing_groups.add_thing_to_billing_group, thingName=THING, billingGroupName="h")
        found = await registry.do(things.describe_thing, thingName=THING)
        assert found["billingGroupName"] == "h"
        await registry.do(billing_groups.create_billing_group, billingGroupName="g")
        listed = await registry.do(billing_groups.list_things_in_billing_group, billingGroupName="g")
        assert listed["things"] == []
        assert (await registry.count("thing-billing"), await registry.notes()) == (1, 0)

    on(database_url, body)


# --- each is told of ----------------------------------------------------------------------------------------


async def fill(registry: Registry, group: str, count: int) -> None:
    for number in range(count):
        await registry.do(things.create_thing, thingName=f"thing-{number}")
    await registry.fill("thing-group", group, count)


def told(registry: Registry) -> list[tuple[str, dict[str, Any]]]:
    """Topics, without what all begin with, and payloads; and forget them."""
    found = [
        (one.message.topic.removeprefix("$aws/events/"), json.loads(one.message.payload))
        for one in registry.posted
    ]
    registry.posted.clear()
    return found


def removed(group: str, count: int) -> list[str]:
    each = (f"thingGroupMembership/thingGroup/{group}/thing/thing-{n}/removed" for n in range(count))
    return sorted(each)


async def rows(registry: Registry, table: str) -> int:
    (row,) = await registry.store.fetch(f"SELECT COUNT(*) AS n FROM {table}")
    return int(row["n"])


@pytest.mark.parametrize("count", [1, TOLD_AT_ONCE - 1, TOLD_AT_ONCE, 3 * TOLD_AT_ONCE + 7])
def test_of_each_thing_is_told_that_it_is_in_the_group_no_more(database_url: str, count: int) -> None:
    async def body(registry: Registry) -> None:
        made = await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        await fill(registry, "g", count)
        await registry.enable("THING_GROUP_MEMBERSHIP", "THING_GROUP")
        await registry.do(thing_groups.delete_thing_group, thingGroupName="g")
        await sweep_left(registry.deps, A, R, 2.0)
        found = told(registry)
        assert sorted(topic for topic, _ in found) == sorted(["thingGroup/g/deleted", *removed("g", count)])
        of_groups = [body for topic, body in found if topic.startswith("thingGroupMembership")]
        assert {body["groupArn"] for body in of_groups} == {made["thingGroupArn"]}
        assert {body["groupId"] for body in of_groups} == {made["thingGroupId"]}
        assert len({body["thingId"] for body in of_groups}) == count
        assert len({body["membershipId"] for body in of_groups}) == count
        assert (await registry.count("thing-group"), await registry.notes()) == (0, 0)
        assert await rows(registry, "outbox") == 0

    on(database_url, body)


def test_what_is_told_of_a_few_is_told_once_whatever_comes_between(database_url: str, monkeypatch) -> None:
    """A thing that is deleted meanwhile, another node that does the same, and an end in the middle."""
    monkeypatch.setattr(detaching, "BATCHES", 1)
    count = 3 * TOLD_AT_ONCE

    async def body(registry: Registry) -> None:
        await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        await fill(registry, "g", count)
        await registry.enable("THING_GROUP_MEMBERSHIP")
        await registry.do(thing_groups.delete_thing_group, thingGroupName="g")
        assert told(registry) == []
        await registry.do(things.delete_thing, thingName="thing-7")
        assert [topic for topic, _ in told(registry)] == [removed("g", 8)[-1]]
        await asyncio.gather(*(sweep_left(registry.deps, A, R, 2.0) for _ in range(2)))
        some = [topic for topic, _ in told(registry)]
        assert 0 < len(some) < count and len(some) == len(set(some))
        while await registry.notes():
            await sweep_left(registry.deps, A, R, 2.0)
        some += [topic for topic, _ in told(registry)]
        assert sorted([*some, removed("g", 8)[-1]]) == removed("g", count)

    on(database_url, body)


def test_nothing_is_told_of_what_was_deleted_before_that_was_asked_for(database_url: str) -> None:
    async def body(registry: Registry) -> None:
        await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        await registry.fill("thing-group", "g", MANY)
        await registry.do(thing_groups.delete_thing_group, thingGroupName="g")
        await registry.enable("THING_GROUP_MEMBERSHIP")
        await sweep_left(registry.deps, A, R, 2.0)
        assert told(registry) == []
        assert (await registry.count("thing-group"), await registry.notes()) == (0, 0)

    on(database_url, body)


def test_a_group_of_a_name_that_is_still_being_detached_can_be_made_soon(
    database_url: str, monkeypatch
) -> None:
    monkeypatch.setattr(detaching, "BATCHES", 2)

    async def body(registry: Registry) -> None:
        await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        await registry.fill("thing-group", "g", MANY)
        await registry.do(thing_groups.delete_thing_group, thingGroupName="g")
        with pytest.raises(ThrottlingException, match="g has been deleted"):
            await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        made = await registry.do(thing_groups.create_thing_group, thingGroupName="g")
        assert made["thingGroupName"] == "g"
        assert (await registry.count("thing-group"), await registry.notes()) == (0, 0)

    on(database_url, body)
