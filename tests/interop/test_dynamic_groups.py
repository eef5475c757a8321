"""What a back end hears of dynamic groups: who joins and leaves, and who found no room."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.dynamics import active, change, indexing, members, thing
from interop.devices import until
from interop.places import place
from interop.test_logging import entries
from interop.wire import Wire

EVENTS = ("THING_GROUP", "THING_GROUP_MEMBERSHIP")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with place(tmp_path_factory.mktemp("dynamic-groups")) as here:
        here.iot.update_event_configurations(eventConfigurations={one: {"Enabled": True} for one in EVENTS})
        with indexing(here.iot, thingConnectivityIndexingMode="STATUS"):
            yield here


def heard(wire: Wire) -> tuple[str, dict[str, Any]]:
    message = wire.message()
    assert message.qos == 1
    return message.topic.removeprefix("$aws/events/"), json.loads(message.payload)


def test_joining_and_leaving_are_told(here, name):
    iot = here.iot
    thing(iot, f"{name}-before", warm="yes")
    thing(iot, f"{name}-other", warm="no")
    with here.online(f"back-end-{name}") as wire:
        wire.subscribe(
            f"$aws/events/thingGroup/{name}/#", f"$aws/events/thingGroupMembership/thingGroup/{name}/#"
        )
        query = f"thingName:{name}-* attributes.warm:yes"
        id = iot.create_dynamic_thing_group(thingGroupName=name, queryString=query)["thingGroupId"]
        topic, body = heard(wire)
        assert (topic, body["thingGroupId"]) == (f"thingGroup/{name}/created", id)
        place = f"thingGroupMembership/thingGroup/{name}/thing"
        topic, body = heard(wire)
        assert (topic, body["operation"]) == (f"{place}/{name}-before/added", "ADDED")
        membership = body["membershipId"]
        described = iot.describe_thing(thingName=f"{name}-before")
        assert (body["groupId"], body["thingId"]) == (id, described["thingId"])
        assert (body["thingArn"], body["eventType"]) == (
            described["thingArn"],
            "THING_GROUP_MEMBERSHIP_EVENT",
        )
        change(iot, f"{name}-other", warm="yes")
        assert heard(wire)[0] == f"{place}/{name}-other/added"
        change(iot, f"{name}-before", warm="no")
        topic, body = heard(wire)
        assert (topic, body["membershipId"]) == (f"{place}/{name}-before/removed", membership)
        # Another query is another version; who stays is not told of.
        iot.update_dynamic_thing_group(
            thingGroupName=name, thingGroupProperties={}, queryString=f"thingName:{name}-*"
        )
        topic, body = heard(wire)
        assert (topic, body["versionNumber"]) == (f"thingGroup/{name}/updated", 2)
        assert heard(wire)[0] == f"{place}/{name}-before/added"
        active(iot, name)
        iot.delete_thing(thingName=f"{name}-other")
        assert heard(wire)[0] == f"{place}/{name}-other/removed"
        iot.delete_dynamic_thing_group(thingGroupName=name)
        topics = [heard(wire)[0], heard(wire)[0]]
        assert topics == [f"{place}/{name}-before/removed", f"thingGroup/{name}/deleted"]
        assert wire.messages() == []


def test_a_device_that_connects_joins(here, name):
    iot = here.iot
    device = here.device(name)
    query = f"thingName:{device.name} connectivity.connected:true"
    iot.create_dynamic_thing_group(thingGroupName=name, queryString=query)
    with here.online(f"back-end-{name}") as wire:
        wire.subscribe(f"$aws/events/thingGroupMembership/thingGroup/{name}/#")
        with device.online(device.name):
            topic, _ = heard(wire)
            assert topic.endswith(f"/thing/{device.name}/added")
        topic, _ = heard(wire)
        assert topic.endswith(f"/thing/{device.name}/removed")


def test_who_finds_no_room_is_logged(here, name):
    iot = here.iot
    role = "arn:aws:iam::000000000000:role/logger"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "iot.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    here.node.client("iam").create_role(RoleName="logger", AssumeRolePolicyDocument=trust)
    iot.set_v2_logging_options(roleArn=role, defaultLogLevel="ERROR")
    thing(iot, name, mine=name)
    names = [f"{name}-{number:02}" for number in range(11)]
    for one in names:
        iot.create_dynamic_thing_group(thingGroupName=one, queryString=f"attributes.mine:{name}")
        active(iot, one)
    (found, *_) = until(
        lambda: entries(here.node, eventType="AddThingToDynamicThingGroupsFailed", thingName=name)
    )
    assert (found["logLevel"], found["status"]) == ("ERROR", "Failure")
    assert found["dynamicThingGroupNames"] == names[10:]
    assert [one for one in names if members(iot, one)] == names[:10]
    iot.create_thing_group(thingGroupName=f"{name}-s")
    iot.add_thing_to_thing_group(thingName=name, thingGroupName=f"{name}-s", overrideDynamicGroups=True)
    assert [one for one in names if members(iot, one)] == names[:9]
    until(
        lambda: [
            one
            for one in entries(here.node, eventType="AddThingToDynamicThingGroupsFailed", thingName=name)
            if one["dynamicThingGroupNames"] == names[9:]
        ]
    )
    iot.set_v2_logging_options(disableAllLogs=True)
