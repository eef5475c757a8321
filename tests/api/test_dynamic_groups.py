"""Dynamic thing groups: what the operations answer, and that membership follows the index."""

from __future__ import annotations

import time

import pytest

from api.dynamics import active, change, groups, indexing, members, status, thing, wait_indexed
from api.making import refused
from interop.devices import until

FIELDS = {"customFields": [{"name": "attributes.size", "type": "Number"}]}


@pytest.fixture
def indexed(iot):
    with indexing(iot, thingConnectivityIndexingMode="STATUS"):
        yield iot


def test_a_group_needs_an_index(iot, name):
    with refused("ResourceNotFoundException", 404, "AWS_Things"):
        iot.create_dynamic_thing_group(thingGroupName=name, queryString="*")


def test_the_life_of_a_group(indexed, name):
    iot = indexed
    thing(iot, f"{name}-a", room=name, temperature="61")
    thing(iot, f"{name}-b", room=name, temperature="59")
    query = f"attributes.room:{name} AND attributes.temperature>60"
    input = {
        "thingGroupName": name,
        "queryString": query,
        "thingGroupProperties": {
            "thingGroupDescription": "too warm",
            "attributePayload": {"attributes": {"fan": "on"}},
        },
        "tags": [{"Key": "team", "Value": "climate"}],
    }
    made = iot.create_dynamic_thing_group(**input)
    assert made["thingGroupName"] == name
    assert (made["indexName"], made["queryString"], made["queryVersion"]) == (
        "AWS_Things",
        query,
        "2017-09-30",
    )
    again = iot.create_dynamic_thing_group(**input)
    assert again["thingGroupId"] == made["thingGroupId"]
    tags = iot.list_tags_for_resource(resourceArn=made["thingGroupArn"])["tags"]
    assert tags == [{"Key": "team", "Value": "climate"}]
    active(iot, name)
    shown = iot.describe_thing_group(thingGroupName=name)
    assert shown["version"] == 1 and shown["status"] == "ACTIVE"
    assert (shown["indexName"], shown["queryString"], shown["queryVersion"]) == (
        "AWS_Things",
        query,
        "2017-09-30",
    )
    assert shown["thingGroupProperties"]["attributePayload"] == {"attributes": {"fan": "on"}}
    assert "parentGroupName" not in shown["thingGroupMetadata"]
    assert members(iot, name) == [f"{name}-a"]
    assert groups(iot, f"{name}-a") == [name]
    until(lambda: len(iot.search_index(queryString=f"thingGroupNames:{name}")["things"]) == 1)

    # Membership follows what things become.
    change(iot, f"{name}-b", temperature="62")
    until(lambda: members(iot, name) == [f"{name}-a", f"{name}-b"])
    change(iot, f"{name}-a", temperature="1")
    until(lambda: members(iot, name) == [f"{name}-b"])
    assert groups(iot, f"{name}-a") == []
    thing(iot, f"{name}-c", room=name, temperature="70.5")
    until(lambda: members(iot, name) == [f"{name}-b", f"{name}-c"])
    iot.delete_thing(thingName=f"{name}-c")
    assert members(iot, name) == [f"{name}-b"]

    # Another query; the properties that are not given stay.
    anew = f"attributes.room:{name} AND attributes.temperature<=60"
    properties = {"thingGroupDescription": "too cold"}
    update = {"thingGroupName": name, "thingGroupProperties": properties, "queryString": anew}
    with refused("VersionConflictException", 409, "version 1"):
        iot.update_dynamic_thing_group(**update, expectedVersion=7)
    assert iot.update_dynamic_thing_group(**update, expectedVersion=1)["version"] == 2
    assert status(iot, name) in ("REBUILDING", "ACTIVE")
    active(iot, name)
    assert members(iot, name) == [f"{name}-a"]
    shown = iot.describe_thing_group(thingGroupName=name)
    assert (shown["version"], shown["queryString"]) == (2, anew)
    assert shown["thingGroupProperties"] == properties | {"attributePayload": {"attributes": {"fan": "on"}}}

    with refused("VersionConflictException", 409, "version 2"):
        iot.delete_dynamic_thing_group(thingGroupName=name, expectedVersion=1)
    iot.delete_dynamic_thing_group(thingGroupName=name, expectedVersion=2)
    iot.delete_dynamic_thing_group(thingGroupName=name)
    assert groups(iot, f"{name}-a") == []
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing_group(thingGroupName=name)
    until(lambda: iot.search_index(queryString=f"thingGroupNames:{name}")["things"] == [])


def test_a_group_of_another_kind_or_query_is_another(indexed, name):
    iot = indexed
    iot.create_thing_group(thingGroupName=f"{name}-s")
    iot.create_dynamic_thing_group(thingGroupName=name, queryString="attributes.nobody:x")
    for function, input in (
        (iot.create_dynamic_thing_group, {"thingGroupName": name, "queryString": "attributes.nobody:y"}),
        (iot.create_dynamic_thing_group, {"thingGroupName": f"{name}-s", "queryString": "*"}),
        (iot.create_thing_group, {"thingGroupName": name}),
    ):
        with refused("ResourceAlreadyExistsException", 409, input["thingGroupName"]):
            function(**input)
    for function, input in (
        (iot.update_dynamic_thing_group, {"thingGroupName": f"{name}-s", "thingGroupProperties": {}}),
        (iot.delete_dynamic_thing_group, {"thingGroupName": f"{name}-s"}),
    ):
        with refused("InvalidRequestException", 400, "only supports dynamic", f"{name}-s"):
            function(**input)
    with refused("ResourceNotFoundException", 404, "nothing"):
        iot.update_dynamic_thing_group(thingGroupName="nothing", thingGroupProperties={})


@pytest.mark.parametrize(
    ("query", "more", "code"),
    [
        ("attributes.a:[1 TO", {}, "InvalidQueryException"),
        ("*a", {"queryVersion": "2020-01-01"}, "InvalidQueryException"),
        ("x" * 1001, {}, "InvalidQueryException"),
        ("*", {"indexName": "AWS_ThingGroups"}, "InvalidRequestException"),
    ],
)
def test_a_query_that_cannot_be(indexed, name, query, more, code):
    with refused(code, 400):
        indexed.create_dynamic_thing_group(thingGroupName=name, queryString=query, **more)
    indexed.create_dynamic_thing_group(thingGroupName=name, queryString="attributes.nobody:x")
    with refused(code, 400):
        indexed.update_dynamic_thing_group(
            thingGroupName=name, thingGroupProperties={}, queryString=query, **more
        )


def test_indexing_stays_on_while_there_is_a_group(indexed, name):
    iot = indexed
    iot.create_dynamic_thing_group(thingGroupName=name, queryString="attributes.nobody:x")
    with refused("InvalidRequestException", 400, "dynamic thing groups"):
        iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "OFF"})
    iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"} | FIELDS)
    wait_indexed(iot)


def test_what_is_refused_of_a_dynamic_group(indexed, name):
    iot = indexed
    thing(iot, name)
    made = iot.create_dynamic_thing_group(thingGroupName=name, queryString="attributes.nobody:x")
    arn = made["thingGroupArn"]
    both = {"thingName": name, "thingGroupName": name}
    for function, input in (
        (iot.add_thing_to_thing_group, both),
        (iot.remove_thing_from_thing_group, both),
        (iot.update_thing_groups_for_thing, {"thingName": name, "thingGroupsToAdd": [name]}),
        (iot.update_thing_group, {"thingGroupName": name, "thingGroupProperties": {}}),
        (iot.delete_thing_group, {"thingGroupName": name}),
        (iot.create_thing_group, {"thingGroupName": f"{name}-x", "parentGroupName": name}),
    ):
        with refused("InvalidRequestException", 400, "does not support dynamic", arn):
            function(**input)


def test_there_are_at_most_a_hundred(indexed, name):
    iot = indexed
    for number in range(100):
        iot.create_dynamic_thing_group(thingGroupName=f"{name}-{number}", queryString="attributes.nobody:x")
    with refused("LimitExceededException", 410, "100 dynamic"):
        iot.create_dynamic_thing_group(thingGroupName=name, queryString="attributes.nobody:x")
    iot.delete_dynamic_thing_group(thingGroupName=f"{name}-7")
    iot.create_dynamic_thing_group(thingGroupName=name, queryString="attributes.nobody:x")


def test_older_groups_go_before_newer_ones_and_static_ones_before_all(indexed, name):
    iot = indexed
    thing(iot, name, mine=name)
    statics = [f"{name}-s{number}" for number in range(9)]
    for one in statics:
        iot.create_thing_group(thingGroupName=one)
    for one in statics[:8]:
        iot.add_thing_to_thing_group(thingName=name, thingGroupName=one)
    # Made first, but for another thing: it is the oldest all the same.
    dynamics = [f"{name}-d{number}" for number in range(4)]
    iot.create_dynamic_thing_group(thingGroupName=dynamics[0], queryString=f"attributes.other:{name}")
    for one in dynamics[1:]:
        iot.create_dynamic_thing_group(thingGroupName=one, queryString=f"attributes.mine:{name}")
    for one in dynamics:
        active(iot, one)
    assert groups(iot, name) == [dynamics[1], dynamics[2], *statics[:8]]
    change(iot, name, other=name)
    until(lambda: groups(iot, name) == [dynamics[0], dynamics[1], *statics[:8]])
    with refused("InvalidRequestException", 400, "10 groups"):
        iot.add_thing_to_thing_group(thingName=name, thingGroupName=statics[8])
    iot.add_thing_to_thing_group(thingName=name, thingGroupName=statics[8], overrideDynamicGroups=True)
    assert groups(iot, name) == [dynamics[0], *statics]
    # It stays so when the thing is looked at anew; what leaves makes room.
    change(iot, name, colour="red")
    until(lambda: iot.search_index(queryString=f"thingName:{name} attributes.colour:red")["things"])
    assert groups(iot, name) == [dynamics[0], *statics]
    iot.remove_thing_from_thing_group(thingName=name, thingGroupName=statics[0])
    until(lambda: groups(iot, name) == [dynamics[0], dynamics[1], *statics[1:]])
    iot.delete_dynamic_thing_group(thingGroupName=dynamics[0])
    until(lambda: groups(iot, name) == [dynamics[1], dynamics[2], *statics[1:]])


def test_a_query_sees_static_groups_alone(indexed, name):
    iot = indexed
    thing(iot, f"{name}-a", mine=name)
    thing(iot, f"{name}-b", mine=name)
    iot.create_thing_group(thingGroupName=f"{name}-s")
    iot.add_thing_to_thing_group(thingName=f"{name}-a", thingGroupName=f"{name}-s")
    mine = f"attributes.mine:{name}"
    queries = {
        "in": f"{mine} AND thingGroupNames:{name}-s",
        "out": f"{mine} AND NOT thingGroupNames:{name}-s",
        "never": f"{mine} AND thingGroupNames:{name}-d-in",
        "itself": f"{mine} AND NOT thingGroupNames:{name}-d-itself",
    }
    for word, query in queries.items():
        iot.create_dynamic_thing_group(thingGroupName=f"{name}-d-{word}", queryString=query)
    for word in queries:
        active(iot, f"{name}-d-{word}")
    expected = {"in": ["a"], "out": ["b"], "never": [], "itself": ["a", "b"]}

    def found():
        return {
            word: [one.removeprefix(f"{name}-") for one in members(iot, f"{name}-d-{word}")]
            for word in queries
        }

    until(lambda: found() == expected)
    iot.add_thing_to_thing_group(thingName=f"{name}-b", thingGroupName=f"{name}-s")
    expected |= {"in": ["a", "b"], "out": []}
    until(lambda: found() == expected)
    # A group that shuts out who is in it would chase itself; nothing is left to be looked at.
    until(lambda: iot.search_index(queryString=f"thingGroupNames:{name}-d-itself")["things"])
    assert found() == expected


def test_nothing_is_left_to_be_looked_at(indexed, sql, name):
    iot = indexed
    iot.create_dynamic_thing_group(
        thingGroupName=name, queryString=f"attributes.mine:{name} -thingGroupNames:{name}"
    )
    for number in range(5):
        thing(iot, f"{name}-{number}", mine=name)
    until(lambda: len(members(iot, name)) == 5)

    def quiet():
        before = sql("SELECT MAX(seq) FROM change")
        time.sleep(1.5)
        return sql("SELECT MAX(seq) FROM change") == before and not sql("SELECT turn FROM membership_due")

    # A group that is followed by its own joining would never come to rest.
    until(quiet, 30)


def test_who_is_connected_is_in_a_group(indexed, factory, name):
    iot = indexed
    device = factory(name)
    iot.create_dynamic_thing_group(
        thingGroupName=name, queryString=f"thingName:{device.name} connectivity.connected:true"
    )
    with device.online(device.name):
        until(lambda: members(iot, name) == [device.name])
    until(lambda: members(iot, name) == [])
