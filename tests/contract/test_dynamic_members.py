"""What the operations of static groups do about dynamic ones, and about things that are in both."""

from __future__ import annotations

import pytest

from contract.registry import THING, A, R, Registry, on
from sekisho.aws.errors import InvalidRequestException
from sekisho.services import policies, policy_attachments, thing_group_members, thing_groups, things
from sekisho.store import tables

ARN = f"arn:aws:iot:{R}:{A}:thinggroup/"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


async def dynamic(registry: Registry, name: str, created: float) -> None:
    """A dynamic group with the thing in it, as its query would have it."""
    body = (
        f'{{"thingGroupName":"{name}","thingGroupArn":"{ARN}{name}","thingGroupId":"i",'
        '"thingGroupProperties":{},"queryString":"thingName:*"}'
    )
    await registry.store.commit(
        [
            tables.insert_resource(A, R, "thinggroup", name, body, created),
            tables.insert_link(A, R, "thing-group", THING, name, "{}", created),
        ]
    )


async def groups(registry: Registry) -> list[str]:
    found = await registry.do(thing_group_members.list_thing_groups_for_thing, thingName=THING)
    return [group["groupName"] for group in found["thingGroups"]]


def test_a_dynamic_group_is_described_and_nothing_else(database_url: str) -> None:
    async def body(registry: Registry) -> None:
        await registry.do(things.create_thing, thingName=THING)
        await dynamic(registry, "d", 1.0)
        await registry.do(policies.create_policy, policyName="p", policyDocument=POLICY)
        found = await registry.do(thing_groups.describe_thing_group, thingGroupName="d")
        assert found["queryString"] == "thingName:*"
        assert await groups(registry) == ["d"]
        both = {"thingName": THING, "thingGroupName": "d"}
        for function, input in (
            (thing_groups.update_thing_group, {"thingGroupName": "d", "thingGroupProperties": {}}),
            (thing_groups.delete_thing_group, {"thingGroupName": "d"}),
            (thing_groups.create_thing_group, {"thingGroupName": "x", "parentGroupName": "d"}),
            (thing_group_members.add_thing_to_thing_group, both),
            (thing_group_members.remove_thing_from_thing_group, both),
            (policy_attachments.attach_policy, {"policyName": "p", "target": f"{ARN}d"}),
        ):
            with pytest.raises(InvalidRequestException, match=f"does not support dynamic.*{ARN}d"):
                await registry.do(function, **input)

    on(database_url, body)


def test_the_newest_dynamic_group_gives_way_if_it_may(database_url: str) -> None:
    async def body(registry: Registry) -> None:
        await registry.do(things.create_thing, thingName=THING)
        static = [f"s{number}" for number in range(9)]
        for name in static:
            await registry.do(thing_groups.create_thing_group, thingGroupName=name)
        for name in static[:7]:
            await registry.do(
                thing_group_members.add_thing_to_thing_group, thingName=THING, thingGroupName=name
            )
        for name, created in (("d-old", 1.0), ("d-newest", 3.0), ("d-new", 2.0)):
            await dynamic(registry, name, created)

        async def add(name: str, override: bool) -> None:
            input = {"thingName": THING, "thingGroupName": name, "overrideDynamicGroups": override}
            await registry.do(thing_group_members.add_thing_to_thing_group, **input)

        with pytest.raises(InvalidRequestException, match="10 groups"):
            await add("s7", False)
        await add("s7", True)
        assert await groups(registry) == ["d-new", "d-old", *static[:8]]
        await add("s8", True)
        assert await groups(registry) == ["d-old", *static]

    on(database_url, body)
