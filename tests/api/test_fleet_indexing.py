"""Fleet indexing: configuration, indexes, searching; and that the index follows what is written."""

from __future__ import annotations

import itertools
import re

import pytest

from api.making import UNCHECKED, listed, not_implemented, refused
from interop.devices import until

THINGS, GROUPS = "AWS_Things", "AWS_ThingGroups"
REGISTRY = {"thingIndexingMode": "REGISTRY"}
CONNECTED = REGISTRY | {"thingConnectivityIndexingMode": "STATUS"}
FIELDS = [
    {"name": "attributes.size", "type": "Number"},
    {"name": "attributes.colour", "type": "String"},
    {"name": "attributes.on", "type": "Boolean"},
]


def wait_active(iot, index=THINGS):
    until(lambda: iot.describe_index(indexName=index)["indexStatus"] == "ACTIVE")


def turn_on(iot, things=None, groups="ON"):
    iot.update_indexing_configuration(
        thingIndexingConfiguration=things or CONNECTED | {"customFields": FIELDS},
        thingGroupIndexingConfiguration={"thingGroupIndexingMode": groups},
    )
    wait_active(iot)


def turn_off(iot):
    iot.update_indexing_configuration(
        thingIndexingConfiguration={"thingIndexingMode": "OFF"},
        thingGroupIndexingConfiguration={"thingGroupIndexingMode": "OFF"},
    )


@pytest.fixture
def indexed(iot):
    """Indexing is on, for the things of one test; whoever makes a thing gives it an attribute of its own."""
    turn_on(iot)
    yield iot
    turn_off(iot)


def thing(iot, name, **attributes):
    iot.create_thing(thingName=name, attributePayload={"attributes": attributes})


def found(iot, query, **more):
    return [one["thingName"] for one in iot.search_index(queryString=query, **more)["things"]]


# --- configuration ---


def test_nothing_is_indexed_unless_told(iot):
    turn_off(iot)
    shown = iot.get_indexing_configuration()
    assert shown["thingIndexingConfiguration"]["thingIndexingMode"] == "OFF"
    assert shown["thingGroupIndexingConfiguration"] == {"thingGroupIndexingMode": "OFF"}
    assert iot.list_indices()["indexNames"] == []
    for name in (THINGS, GROUPS, "other"):
        with refused("ResourceNotFoundException", 404, name):
            iot.describe_index(indexName=name)
        with refused("ResourceNotFoundException", 404, name):
            iot.search_index(indexName=name, queryString="*")


def test_what_is_configured_is_told(indexed):
    iot = indexed
    shown = iot.get_indexing_configuration()
    things = shown["thingIndexingConfiguration"]
    assert (things["thingIndexingMode"], things["thingConnectivityIndexingMode"]) == ("REGISTRY", "STATUS")
    assert things["customFields"] == FIELDS
    managed = {field["name"]: field["type"] for field in things["managedFields"]}
    assert managed["registry.version"] == "Number" and managed["connectivity.connected"] == "Boolean"
    assert managed["registry.thingTypeName"] == managed["registry.thingGroupNames"] == "String"
    assert iot.list_indices()["indexNames"] == [GROUPS, THINGS]
    first = iot.list_indices(maxResults=1)
    assert first["indexNames"] == [GROUPS]
    assert iot.list_indices(maxResults=1, nextToken=first["nextToken"])["indexNames"] == [THINGS]
    described = iot.describe_index(indexName=THINGS)
    assert described["schema"] == "REGISTRY_AND_CONNECTIVITY_STATUS"
    # What was told can be given back.
    iot.update_indexing_configuration(thingIndexingConfiguration=things)
    # Custom fields are replaced, all of them; the groups' configuration, not being given, stays.
    iot.update_indexing_configuration(thingIndexingConfiguration=REGISTRY | {"customFields": FIELDS[:1]})
    shown = iot.get_indexing_configuration()
    assert shown["thingIndexingConfiguration"]["customFields"] == FIELDS[:1]
    assert shown["thingIndexingConfiguration"]["thingConnectivityIndexingMode"] == "OFF"
    assert shown["thingGroupIndexingConfiguration"]["thingGroupIndexingMode"] == "ON"


@pytest.mark.parametrize(
    ("things", "word"),
    [
        (
            REGISTRY | {"customFields": [{"name": f"attributes.a{n}", "type": "String"} for n in range(6)]},
            "most 5",
        ),
        (REGISTRY | {"customFields": [{"name": "shadow.reported.a", "type": "String"}]}, "shadow.reported.a"),
        (REGISTRY | {"customFields": [{"name": "attributes.a"}]}, "a name and a type"),
        (REGISTRY | {"customFields": [{"name": "attributes.a:b", "type": "String"}]}, "attributes.a:b"),
        (REGISTRY | {"customFields": [FIELDS[0], FIELDS[0]]}, "twice"),
        (REGISTRY | {"managedFields": [{"name": "mine", "type": "String"}]}, "mine"),
        ({"thingIndexingMode": "OFF", "thingConnectivityIndexingMode": "STATUS"}, "STATUS"),
        ({"thingIndexingMode": "OFF", "customFields": FIELDS}, "customFields"),
    ],
)
def test_a_configuration_that_cannot_be(iot, things, word):
    with refused("InvalidRequestException", 400, word):
        iot.update_indexing_configuration(thingIndexingConfiguration=things)


def test_a_configuration_of_nothing(iot):
    with refused("InvalidRequestException", 400, "thingIndexingConfiguration"):
        iot.update_indexing_configuration()


@pytest.mark.parametrize(
    ("things", "word"),
    [
        ({"thingIndexingMode": "REGISTRY_AND_SHADOW"}, "REGISTRY_AND_SHADOW"),
        (REGISTRY | {"deviceDefenderIndexingMode": "VIOLATIONS"}, "VIOLATIONS"),
        (REGISTRY | {"namedShadowIndexingMode": "ON"}, "namedShadowIndexingMode"),
        (REGISTRY | {"filter": {"namedShadowNames": ["a"]}}, "namedShadowNames"),
        (REGISTRY | {"filter": {"geoLocations": [{"name": "a", "order": "LatLon"}]}}, "geoLocations"),
    ],
)
def test_what_is_not_built_says_so(iot, things, word):
    with not_implemented(word):
        iot.update_indexing_configuration(thingIndexingConfiguration=things)


BUCKETS = {"termsAggregation": {"maxBuckets": 1}}


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("search_index", {}),
        ("get_statistics", {}),
        ("get_percentiles", {}),
        ("get_cardinality", {}),
        ("get_buckets_aggregation", {"aggregationField": "thingName", "bucketsAggregationType": BUCKETS}),
    ],
)
def test_an_index_that_is_being_built_cannot_be_asked(node, name, method, more):
    def met() -> bool:
        """Whether it was still being built when it was asked, just after it was first turned on."""
        account = re.search(r"\d{12}", node.command("account", "create"))[0]
        iot = node.client("iot", account=account)
        thing(iot, name, mine=name)
        iot.update_indexing_configuration(thingIndexingConfiguration=REGISTRY)
        try:
            getattr(iot, method)(queryString="*", **more)
        except iot.exceptions.IndexNotReadyException as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
            wait_active(iot)
            assert found(iot, f"attributes.mine:{name}") == [name]
            return True
        return False

    until(met)


# --- searching ---


def test_a_search_follows_what_is_written(indexed, name):
    iot = indexed
    thing(iot, name, colour="Red", size="42")
    until(lambda: found(iot, f"thingName:{name}") == [name])
    for query in (
        name,
        f"{name} red",
        f"{name} attributes.size>41",
        f"thingName:{name[:-1]}* attributes.colour:r?d",
    ):
        assert found(iot, query) == [name], query
    for query in (
        f"{name} blue",
        f"{name} AND NOT red",
        f"{name} attributes.size<42",
        f"{name} attributes.Colour:red",
    ):
        assert found(iot, query) == [], query
    iot.update_thing(thingName=name, attributePayload={"attributes": {"colour": "blue"}, "merge": True})
    until(lambda: found(iot, f"{name} blue") == [name])
    assert found(iot, f"{name} red") == []
    iot.delete_thing(thingName=name)
    until(lambda: found(iot, f"thingName:{name}") == [])


def test_a_thing_as_the_index_has_it(indexed, name):
    iot = indexed
    iot.create_thing_type(thingTypeName=name)
    made = iot.create_thing(
        thingName=name, thingTypeName=name, attributePayload={"attributes": {"colour": "Red", "size": "42"}}
    )
    (shown,) = until(lambda: iot.search_index(queryString=f"thingTypeName:{name}")["things"])
    assert shown == {
        "thingName": name,
        "thingId": made["thingId"],
        "thingTypeName": name,
        "attributes": {"colour": "Red", "size": "42"},
        "connectivity": {"connected": False},
    }
    assert found(iot, f"thingId:{made['thingId']}") == [name]
    assert found(iot, f"thingName:{name} registry.version:1") == [name]


def test_a_billing_group_is_among_the_groups_of_a_thing(indexed, name):
    """botocore, ThingDocument: "Thing group and billing group names"."""
    iot = indexed
    for number in range(2):
        iot.create_billing_group(billingGroupName=f"{name}-paid-{number}")
    iot.create_thing_group(thingGroupName=f"{name}-group")
    iot.create_thing(thingName=name, billingGroupName=f"{name}-paid-0")
    iot.add_thing_to_thing_group(thingName=name, thingGroupName=f"{name}-group")

    def groups():
        return sorted(iot.search_index(queryString=f"thingName:{name}")["things"][0]["thingGroupNames"])

    until(lambda: found(iot, f"thingGroupNames:{name}-paid-0 thingGroupNames:{name}-group") == [name])
    assert groups() == [f"{name}-group", f"{name}-paid-0"]
    iot.remove_thing_from_billing_group(thingName=name, billingGroupName=f"{name}-paid-0")
    iot.add_thing_to_billing_group(thingName=name, billingGroupName=f"{name}-paid-1")
    until(lambda: found(iot, f"thingGroupNames:{name}-paid-*") == [name] and f"{name}-paid-0" not in groups())
    iot.delete_billing_group(billingGroupName=f"{name}-paid-1")
    until(lambda: groups() == [f"{name}-group"])


def test_pages_neither_skip_nor_repeat_while_things_come_and_go(indexed, name):
    iot = indexed
    for number in range(30):
        thing(iot, f"{name}-{number}", mine=name)
    query = f"attributes.mine:{name}"
    until(lambda: len(found(iot, query)) == 30)
    seen, token, turn = [], None, itertools.count()
    while True:
        page = iot.search_index(queryString=query, maxResults=7, **({"nextToken": token} if token else {}))
        seen += [one["thingName"] for one in page["things"]]
        number = next(turn)
        thing(iot, f"{name}-new-{number}", mine="other")
        iot.update_thing(
            thingName=seen[0], attributePayload={"attributes": {"turn": str(number)}, "merge": True}
        )
        gone = next((n for n in range(30) if f"{name}-{n}" not in seen), None)
        if number == 1 and gone is not None:
            iot.delete_thing(thingName=f"{name}-{gone}")
        until(lambda number=number: len(found(iot, f"{name}-new-{number}")) == 1)
        token = page.get("nextToken")
        if not token:
            break
    assert len(seen) == len(set(seen)) >= 29


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("a AND", "a term is missing at the end (at character 6)"),
        ("thingName:[a TO", "a value is missing (at character 16)"),
        ("a~", "fuzzy"),
        (" ".join(["a"] * 13), "at most 12 terms"),
        ("a" * 1001, "at most 1000 bytes"),
    ],
)
def test_a_query_that_is_none_is_told_why_and_where(indexed, query, words):
    for ask in (
        indexed.search_index,
        indexed.get_statistics,
        indexed.get_cardinality,
        indexed.get_percentiles,
    ):
        with refused("InvalidQueryException", 400, words):
            ask(queryString=query)


def test_what_else_is_refused(indexed, node):
    iot = indexed
    with refused("InvalidQueryException", 400, "2017-09-30"):
        iot.search_index(queryString="*", queryVersion="2020-01-01")
    assert iot.search_index(queryString="*", queryVersion="2017-09-30", maxResults=1)
    with refused("InvalidRequestException", 400, "maxResults"):
        iot.search_index(queryString="*", maxResults=101)
    for token in ("???", "YQ==", "LTE="):
        with refused("InvalidRequestException", 400, "token"):
            iot.search_index(queryString="*", nextToken=token)
    with refused("InvalidRequestException", 400, "queryString"):
        node.client("iot", config=UNCHECKED).search_index(queryString="")


# --- connectivity ---


def test_connectivity_of_the_client_with_the_things_name(indexed, factory, name):
    iot = indexed
    device = factory(name)
    until(lambda: found(iot, f"thingName:{device.name} connectivity.connected:false") == [device.name])
    data = iot.get_thing_connectivity_data(thingName=device.name)
    assert (data["connected"], data["disconnectReason"], "timestamp" in data) == (False, "UNKNOWN", False)
    with device.online(device.name) as wire:
        query = f"thingName:{device.name} connectivity.connected:true"
        (shown,) = until(lambda: iot.search_index(queryString=query)["things"])
        data = iot.get_thing_connectivity_data(thingName=device.name)
        assert (data["connected"], data["disconnectReason"]) == (True, "NONE")
        assert shown["connectivity"]["connected"] is True
        assert shown["connectivity"]["timestamp"] // 1000 == int(data["timestamp"].timestamp())
        for member in ("clientId", "keepAliveDuration", "cleanSession", "sessionExpiry"):
            assert shown["connectivity"][member] == data[member], member
        seconds = data["keepAliveDuration"]
        for query in (f"clientId:{device.name}", f"keepAliveDuration>{seconds - 1}", "cleanSession:true"):
            assert found(iot, f"thingName:{device.name} connectivity.{query}") == [device.name], query
        assert found(iot, f"thingName:{device.name} connectivity.keepAliveDuration>{seconds}") == []
        wire.disconnect()
    query = f"thingName:{device.name} connectivity.disconnectReason:CLIENT_INITIATED_DISCONNECT"
    (shown,) = until(lambda: iot.search_index(queryString=query)["things"])
    assert shown["connectivity"]["connected"] is False
    data = iot.get_thing_connectivity_data(thingName=device.name)
    assert (data["connected"], data["disconnectReason"]) == (False, "CLIENT_INITIATED_DISCONNECT")


def test_sockets_are_told_where_the_filter_says_so(indexed, factory, name):
    iot = indexed
    device = factory(name)
    with refused("InvalidRequestException", 400, "includeSocketInformation"):
        iot.get_thing_connectivity_data(thingName=device.name, includeSocketInformation=True)
    filter = {"connectivity": {"includeSocketInformation": ["GET_THING_CONNECTIVITY_DATA"]}}
    iot.update_indexing_configuration(thingIndexingConfiguration=CONNECTED | {"filter": filter})
    for unsaid in ({}, {"filter": {}}, {"filter": {"connectivity": {}}}):
        iot.update_indexing_configuration(thingIndexingConfiguration=CONNECTED | unsaid)
        assert iot.get_indexing_configuration()["thingIndexingConfiguration"]["filter"] == filter
    with device.online(device.name):
        data = iot.get_thing_connectivity_data(thingName=device.name, includeSocketInformation=True)
        assert (data["sourceIp"], data["targetIp"]) == ("127.0.0.1", "127.0.0.1")
        assert data["sourcePort"] != data["targetPort"]
    filter = {"connectivity": {"includeSocketInformation": []}}
    iot.update_indexing_configuration(thingIndexingConfiguration=CONNECTED | {"filter": filter})
    with refused("InvalidRequestException", 400, "includeSocketInformation"):
        iot.get_thing_connectivity_data(thingName=device.name, includeSocketInformation=True)


def test_connectivity_that_is_not_indexed_or_of_nothing(iot, name):
    turn_on(iot)
    with refused("ResourceNotFoundException", 404, name):
        iot.get_thing_connectivity_data(thingName=name)
    turn_on(iot, REGISTRY)
    with refused("IndexNotReadyException", 400, "thingConnectivityIndexingMode"):
        iot.get_thing_connectivity_data(thingName=name)
    turn_off(iot)


def test_every_page_of_everything(indexed, name):
    """boto3 has no paginator for searches; whoever lists all follows the tokens."""
    iot = indexed
    names = {one["thingName"] for one in listed(iot, "list_things", "things")}
    token: dict[str, str] = {}
    until(lambda: iot.get_statistics(queryString="*")["statistics"]["count"] == len(names))
    seen: list[str] = []
    while True:
        page = iot.search_index(queryString="*", **token)
        seen += [one["thingName"] for one in page["things"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert sorted(seen) == sorted(names)
