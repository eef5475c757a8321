"""Groups with more things than a deletion takes along: gone at once for everybody, soon for the database."""

from __future__ import annotations

import pytest

from contract.registry import THING, A, R, Registry, on
from sekisho.aws.errors import ResourceNotFoundException
from sekisho.services import billing_groups, thing_group_members, thing_groups, things
from sekisho.services.detaching import AT_ONCE, sweep_left
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
        await sweep_left(registry.store, A, R, 2.0)
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
        await sweep_left(registry.store, A, R, 2.0)
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
