"""Groups with more things than a deletion takes along: gone at once for everybody, soon for the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sekisho.aws.errors import ResourceNotFoundException
from sekisho.services import billing_groups, thing_group_members, thing_groups, things
from sekisho.services.call import ALLOW_ALL, Call, Caller, Principal
from sekisho.services.detaching import AT_ONCE, LEFT, sweep_left
from sekisho.services.identity import Identities
from sekisho.services.work import Document, Work
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.store import Store, open_store

A, R = "000000000000", "us-east-1"
CALLER = Caller(Principal(f"arn:aws:iam::{A}:root", A, ALLOW_ALL), A, R)
MANY = AT_ONCE + 300
THING = "thing-0"


class Registry:
    """Operations on a database, without a door."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def do(self, function: Callable[..., Awaitable[Document | None]], **members: Any) -> Document:
        work = Work(self.store, A, R, 1.0)
        deps: Any = SimpleNamespace(store=self.store)
        call = Call(deps, CALLER, "iot", function.__name__, 1.0, work, lambda *_: None)
        result = await function(call, **members)
        await work.commit()
        return result or {}

    async def fill(self, link: str, group: str, count: int = MANY) -> None:
        await self.do(things.create_thing, thingName=THING)
        rows = [tables.insert_link(A, R, link, f"thing-{n}", group, "{}", 1.0) for n in range(count)]
        await self.store.commit(rows)

    async def count(self, kind: str) -> int:
        rows = await self.store.fetch("SELECT COUNT(*) AS n FROM link WHERE kind = :kind", {"kind": kind})
        return int(rows[0]["n"])

    async def notes(self) -> int:
        return len(await self.store.fetch(*tables.page_resources(A, R, LEFT, None, 9)))


def on(url: str, body: Callable[[Registry], Awaitable[None]]) -> None:
    async def run() -> None:
        store = await open_store(url)
        try:
            await body(Registry(store))
        finally:
            await store.close()

    asyncio.run(run())


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
        await registry.fill("thing-group", "g")
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
        await registry.fill("thing-group", "g")
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
        await registry.fill("thing-group", "g")
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
        await registry.fill("thing-billing", "g")
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
