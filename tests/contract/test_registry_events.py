"""Registry events of a unit of work, and the outbox that they are rows of, on both drivers."""

from __future__ import annotations

import json
from typing import Any

from contract.test_sessions_tables import A, R
from sekisho.services.event_configurations import KIND, THE_ONE
from sekisho.services.registry_events import RegistryEvents
from sekisho.services.work import Work
from sekisho.store import outbox
from sekisho.store.store import Store

EVERY = [
    "THING",
    "THING_GROUP",
    "THING_GROUP_HIERARCHY",
    "THING_GROUP_MEMBERSHIP",
    "THING_TYPE",
    "THING_TYPE_ASSOCIATION",
]
GROUPS = ("root", "middle", "leaf")


def group(name: str, description: str | None = None) -> dict[str, Any]:
    properties: dict[str, Any] = {"attributePayload": {"attributes": {"of": name}}}
    if description is not None:
        properties["thingGroupDescription"] = description
    return {
        "thingGroupName": name,
        "thingGroupArn": arn("thinggroup", name),
        "thingGroupId": f"id-of-{name}",
        "thingGroupProperties": properties,
    }


def thing(name: str, type_name: str | None = None) -> dict[str, Any]:
    return {
        "thingName": name,
        "thingArn": arn("thing", name),
        "thingId": f"id-of-{name}",
        "attributes": {},
        "thingTypeName": type_name,
    }


def arn(kind: str, name: str) -> str:
    return f"arn:aws:iot:{R}:{A}:{kind}/{name}"


class Registry:
    """Units of work one after the other, each told what it sends."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.events = RegistryEvents(store)

    async def enable(self, *names: str) -> None:
        work = Work(self.store, A, R, 1.0)
        await work.put(KIND, THE_ONE, {"enabled": list(names)})
        await work.commit()
        self.events.committed(work)

    def work(self) -> Work:
        return Work(self.store, A, R, 5.25)

    async def commit(self, work: Work) -> list[tuple[str, dict[str, Any]]]:
        """Topics without what all begin with, and payloads without what all have."""
        await self.events.add_to(work)
        await work.commit()
        rows = await self.store.fetch(*outbox.read_outgoing(0, 1 << 60, 99))
        assert [row["seq"] for row in rows] == [one.seq for one in work.posted]
        assert [row["payload"] for row in rows] == [one.message.payload for one in work.posted]
        assert all((row["account"], row["region"], row["at"]) == (A, R, 5.25) for row in rows)
        if rows:
            await self.store.commit(outbox.delete_outgoing([row["seq"] for row in rows]))
        return [(row["topic"].removeprefix("$aws/events/"), _own(json.loads(row["payload"]))) for row in rows]

    async def three_groups(self) -> None:
        work = self.work()
        for name in GROUPS:
            await work.put("thinggroup", name, group(name))
        work.link("group-parent", "middle", "root")
        work.link("group-parent", "leaf", "middle")
        await work.commit()


def _own(body: dict[str, Any]) -> dict[str, Any]:
    assert body.pop("timestamp") == 5250
    for member in ("eventId", "eventType", "operation"):
        assert body.pop(member)
    assert body.pop("accountId", A) == A
    return body


def test_the_lives_of_groups(run):
    async def body(store: Store) -> None:
        registry = Registry(store)
        await registry.three_groups()
        await registry.enable("THING_GROUP")
        work = registry.work()
        await work.put("thinggroup", "leaf", group("leaf", "the last one"))
        (told,) = await registry.commit(work)
        above = [{"groupArn": arn("thinggroup", name), "groupId": f"id-of-{name}"} for name in GROUPS[:2]]
        members = {
            "thingGroupId": "id-of-leaf",
            "thingGroupName": "leaf",
            "versionNumber": 2,
            "parentGroupName": "middle",
            "parentGroupId": "id-of-middle",
            "description": "the last one",
            "rootToParentThingGroups": above,
            "attributes": {"of": "leaf"},
            "dynamicGroupMappingId": None,
        }
        assert told == ("thingGroup/leaf/updated", members)
        work = registry.work()
        await work.delete("thinggroup", "leaf")
        work.unlink("group-parent", "leaf", "middle")
        assert await registry.commit(work) == [("thingGroup/leaf/deleted", members)]
        work = registry.work()
        await work.put("thinggroup", "alone", group("alone"))
        ((topic, alone),) = await registry.commit(work)
        assert topic == "thingGroup/alone/created"
        assert (alone["versionNumber"], alone["parentGroupName"], alone["parentGroupId"]) == (1, None, None)
        assert (alone["rootToParentThingGroups"], alone["description"]) == ([], None)

    run(body)


def test_a_hierarchy_is_told_once(run):
    async def body(store: Store) -> None:
        registry = Registry(store)
        await registry.three_groups()
        await registry.enable("THING_GROUP_HIERARCHY", "THING_GROUP")
        work = registry.work()
        await work.put("thinggroup", "new", group("new"))
        work.link("group-parent", "new", "leaf")
        created, added = await registry.commit(work)
        assert created[0] == "thingGroup/new/created"
        assert created[1]["parentGroupName"] == "leaf"
        members = {
            "thingGroupId": "id-of-leaf",
            "thingGroupName": "leaf",
            "childGroupId": "id-of-new",
            "childGroupName": "new",
        }
        assert added == ("thingGroupHierarchy/thingGroup/leaf/childThingGroup/new/added", members)
        work = registry.work()
        work.link("group-parent", "new", "leaf")
        assert await registry.commit(work) == []
        work = registry.work()
        work.unlink("group-parent", "new", "leaf")
        await work.delete("thinggroup", "new")
        removed, deleted = await registry.commit(work)
        assert removed == ("thingGroupHierarchy/thingGroup/leaf/childThingGroup/new/removed", members)
        assert deleted[0] == "thingGroup/new/deleted"

    run(body)


def test_memberships_are_told_once_and_in_order(run):
    async def body(store: Store) -> None:
        registry = Registry(store)
        await registry.three_groups()
        await registry.enable(*EVERY)
        work = registry.work()
        await work.put("thing", "lamp", thing("lamp"))
        work.link("thing-group", "lamp", "leaf")
        created, added = await registry.commit(work)
        assert created[0] == "thing/lamp/created"
        place = "thingGroupMembership/thingGroup/leaf/thing/lamp"
        membership = added[1].pop("membershipId")
        members = {
            "groupArn": arn("thinggroup", "leaf"),
            "groupId": "id-of-leaf",
            "thingArn": arn("thing", "lamp"),
            "thingId": "id-of-lamp",
        }
        assert added == (f"{place}/added", members)
        work = registry.work()
        work.link("thing-group", "lamp", "leaf")
        work.unlink("thing-group", "lamp", "root")
        assert await registry.commit(work) == []
        work = registry.work()
        work.unlink("thing-group", "lamp", "leaf")
        await work.delete("thing", "lamp")
        removed, deleted = await registry.commit(work)
        assert removed == (f"{place}/removed", members | {"membershipId": membership})
        assert deleted[0] == "thing/lamp/deleted"

    run(body)


def test_each_event_has_its_own_switch(run):
    async def body(store: Store) -> None:
        for number, name in enumerate(EVERY):
            registry = Registry(store)
            await registry.enable(name)
            root, child, lamp = (f"{what}-{number}" for what in ("root", "child", "lamp"))
            work = registry.work()
            await work.put("thinggroup", root, group(root))
            await work.put("thinggroup", child, group(child))
            work.link("group-parent", child, root)
            kind = {"thingTypeName": "t", "thingTypeId": "i", "thingTypeProperties": {}}
            await work.put("thingtype", lamp, kind | {"thingTypeMetadata": {"deprecated": False}})
            await work.put("thing", lamp, thing(lamp, "t"))
            work.link("thing-group", lamp, child)
            await registry.events.add_to(work)
            found = {json.loads(message.payload)["eventType"] for message in work.events}
            assert found == {f"{name}_EVENT"}

    run(body)


def test_nothing_is_told_of_another_place_or_while_nothing_is_enabled(run):
    async def body(store: Store) -> None:
        registry = Registry(store)
        work = registry.work()
        await work.put("thing", "lamp", thing("lamp"))
        assert await registry.commit(work) == []
        await registry.enable("THING")
        work = Work(store, A, "us-east-1", 5.25)
        await work.elsewhere(A, R).put("thing", "lamp", thing("lamp"))
        await work.put("thing", "other", thing("other"))
        await registry.events.add_to(work)
        assert [message.topic for message in work.events] == ["$aws/events/thing/lamp/updated"]
        assert work.events[0].region == R
        await registry.enable()
        work = registry.work()
        await work.delete("thing", "lamp")
        assert await registry.commit(work) == []

    run(body)


def test_the_configuration_is_read_at_the_start(run):
    async def body(store: Store) -> None:
        await Registry(store).enable("THING")
        registry = Registry(store)
        await registry.events.start([(A, "us-east-1"), (A, R)])
        work = registry.work()
        await work.put("thing", "lamp", thing("lamp"))
        assert [topic for topic, _ in await registry.commit(work)] == ["thing/lamp/created"]

    run(body)
