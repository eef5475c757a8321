"""Fleet metrics: what the operations answer, and what comes of them when the clock is turned."""

from __future__ import annotations

import urllib.request

import pytest

from api.dynamics import indexing, thing
from api.making import refused
from interop.devices import until

FIELDS = {
    "customFields": [
        {"name": "attributes.size", "type": "Number"},
        {"name": "attributes.on", "type": "Boolean"},
        {"name": "attributes.colour", "type": "String"},
    ]
}
COUNT = {"name": "Statistics", "values": ["count"]}


@pytest.fixture
def indexed(iot):
    with indexing(iot, **FIELDS):
        yield iot
        for metric in iot.list_fleet_metrics()["fleetMetrics"]:
            iot.delete_fleet_metric(metricName=metric["metricName"])


def create(iot, name, type=COUNT, field="attributes.size", query=None, **more):
    members = {"metricName": name, "aggregationType": type, "aggregationField": field, "period": 60}
    return iot.create_fleet_metric(**members | {"queryString": query or f"attributes.mine:{name}"} | more)


def values_of(own, name):
    """Newest first."""
    return own.list_fleet_metric_values(metricName=name)["values"]


def times_of(own, name):
    return {int(one["at"].timestamp()) for one in values_of(own, name)}


def newest(own, name):
    """The values of the newest emission."""
    values = values_of(own, name)
    return {one["aggregation"]: one["value"] for one in values if one["at"] == values[0]["at"]}


def test_a_metric_needs_an_index(iot, name):
    with refused("ResourceNotFoundException", 404, "AWS_Things"):
        create(iot, name)


def test_the_life_of_a_metric(indexed, name):
    iot = indexed
    tags = [{"Key": "team", "Value": "climate"}]
    made = iot.create_fleet_metric(
        metricName=name,
        queryString=f"attributes.mine:{name}",
        aggregationType=COUNT,
        aggregationField="attributes.size",
        period=60,
        description="how many",
        unit="Count",
        tags=tags,
    )
    assert made["metricName"] == name and made["metricArn"].endswith(f":fleetmetric/{name}")
    assert create(iot, name, description="how many", unit="Count")["metricArn"] == made["metricArn"]
    with refused("ResourceAlreadyExistsException", 409, name):
        create(iot, name, description="how many", unit="Count", period=120)
    assert iot.list_tags_for_resource(resourceArn=made["metricArn"])["tags"] == tags
    shown = iot.describe_fleet_metric(metricName=name)
    members = {
        "metricName": name,
        "metricArn": made["metricArn"],
        "queryString": f"attributes.mine:{name}",
        "aggregationType": COUNT,
        "aggregationField": "attributes.size",
        "period": 60,
        "description": "how many",
        "queryVersion": "2017-09-30",
        "indexName": "AWS_Things",
        "unit": "Count",
        "version": 1,
    }
    assert {key: shown[key] for key in members} == members
    assert shown["creationDate"] == shown["lastModifiedDate"]
    with refused("VersionConflictException", 409, "version 1"):
        iot.update_fleet_metric(metricName=name, indexName="AWS_Things", period=120, expectedVersion=2)
    iot.update_fleet_metric(metricName=name, indexName="AWS_Things", period=120, expectedVersion=1)
    shown = iot.describe_fleet_metric(metricName=name)
    members |= {"version": 2, "period": 120}
    assert {key: shown[key] for key in members} == members
    with refused("VersionConflictException", 409, "version 2"):
        iot.delete_fleet_metric(metricName=name, expectedVersion=1)
    iot.delete_fleet_metric(metricName=name)
    iot.delete_fleet_metric(metricName=name)
    for function, more in (
        (iot.describe_fleet_metric, {}),
        (iot.update_fleet_metric, {"indexName": "AWS_Things"}),
    ):
        with refused("ResourceNotFoundException", 404, name):
            function(metricName=name, **more)


def test_metrics_are_listed(indexed, name):
    iot = indexed
    names = sorted(f"{name}.{number}" for number in range(7))
    for one in names:
        create(iot, one)
    seen = []
    token: dict[str, str] = {}
    while True:
        page = iot.list_fleet_metrics(maxResults=3, **token)
        seen += [one["metricName"] for one in page["fleetMetrics"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert seen == names


@pytest.mark.parametrize(
    ("more", "code", "word"),
    [
        ({"period": 61}, "InvalidRequestException", "60"),
        ({"query": "a:[1 TO"}, "InvalidQueryException", "character"),
        ({"queryVersion": "1"}, "InvalidQueryException", "2017-09-30"),
        ({"field": "attributes.other"}, "InvalidAggregationException", "attributes.other"),
        ({"type": {"name": "Statistics", "values": ["median"]}}, "InvalidAggregationException", "median"),
        (
            {"type": {"name": "Statistics", "values": ["sum"]}, "field": "attributes.colour"},
            "InvalidAggregationException",
            "sum",
        ),
        ({"type": {"name": "Percentiles", "values": ["101"]}}, "InvalidAggregationException", "101"),
        (
            {"type": {"name": "Percentiles"}, "field": "attributes.on"},
            "InvalidAggregationException",
            "Number",
        ),
        ({"type": {"name": "Cardinality", "values": ["count"]}}, "InvalidAggregationException", "count"),
        ({"indexName": "AWS_ThingGroups"}, "ResourceNotFoundException", "AWS_ThingGroups"),
    ],
)
def test_a_metric_that_cannot_be(indexed, name, more, code, word):
    with refused(code, 404 if code == "ResourceNotFoundException" else 400, word):
        create(indexed, name, **more)


def scraped(node, name):
    with urllib.request.urlopen(f"http://{node.endpoints['api']}/_sekisho/metrics") as response:
        lines = response.read().decode().splitlines()
    found = {}
    for line in lines:
        if line.startswith("sekisho_fleet_metric{") and f'metric="{name}"' in line:
            labels, _, value = line.rpartition(" ")
            found[labels.partition('aggregation="')[2].partition('"')[0]] = float(value)
    assert any(line.startswith("sekisho_connections") for line in lines)
    return found


def test_a_metric_cannot_become_one_that_cannot_be(indexed, name):
    create(indexed, name)
    change = {"metricName": name, "indexName": "AWS_Things"}
    with refused("InvalidQueryException", 400, "character"):
        indexed.update_fleet_metric(**change, queryString="a:[1 TO")
    with refused("InvalidAggregationException", 400, "attributes.other"):
        indexed.update_fleet_metric(**change, aggregationField="attributes.other")
    assert indexed.describe_fleet_metric(metricName=name)["aggregationField"] == "attributes.size"


def test_there_are_not_more_than_may_be(indexed, name):
    for number in range(100):
        create(indexed, f"{name}-{number}")
    with refused("LimitExceededException", 410, "100"):
        create(indexed, name)


def test_values_come_when_they_are_due(indexed, turned, node, name):
    iot, own = indexed, turned
    for number in range(1, 5):
        thing(iot, f"{name}-{number}", size=str(number), colour=f"{name}{number % 2}", on="true")
    mine = f"thingName:{name}-*"
    until(lambda: iot.get_statistics(queryString=mine)["statistics"]["count"] == 4)
    create(iot, f"{name}-all", {"name": "Statistics"}, query=mine, unit="Bytes")
    create(iot, f"{name}-some", {"name": "Statistics", "values": ["sum"]}, query=mine, period=120)
    create(iot, f"{name}-p", {"name": "Percentiles", "values": ["50", "100"]}, query=mine)
    create(iot, f"{name}-c", {"name": "Cardinality"}, "attributes.colour", mine)
    create(iot, f"{name}-on", {"name": "Statistics"}, "attributes.on", mine)
    create(iot, f"{name}-none", {"name": "Statistics"}, query="attributes.nobody:x")
    create(iot, f"{name}-empty", {"name": "Percentiles"}, query="attributes.nobody:x")
    assert values_of(own, f"{name}-all") == []
    now = own.set_clock(frozen=True)["now"].timestamp()
    own.set_clock(to=now // 120 * 120 + 121)
    due = int(now // 120 * 120 + 120)
    until(lambda: values_of(own, f"{name}-all"))
    every = {
        "count": 4,
        "sum": 10,
        "average": 2.5,
        "minimum": 1,
        "maximum": 4,
        "sumOfSquares": 30,
        "variance": 1.25,
        "stdDeviation": 1.25**0.5,
    }
    assert newest(own, f"{name}-all") == pytest.approx(every)
    (value, *_) = values_of(own, f"{name}-all")
    assert (int(value["at"].timestamp()), value["unit"]) == (due, "Bytes")
    expected = {
        "some": {"sum": 10},
        "p": {"p50": 2, "p100": 4},
        "c": {"cardinality": 2},
        "on": {"count": 4, "average": 1, "sum": 4, "minimum": 1, "maximum": 1},
        "none": {"count": 0},
    }
    for word, values in expected.items():
        until(lambda word=word: values_of(own, f"{name}-{word}"))
        assert newest(own, f"{name}-{word}") == values, word
    assert values_of(own, f"{name}-empty") == []
    assert scraped(node, f"{name}-all") == pytest.approx(every)
    assert scraped(node, f"{name}-p") == {"p50": 2, "p100": 4}
    assert scraped(node, f"{name}-empty") == {}

    # A minute later the one is due and the other is not; what has gone counts no more.
    iot.delete_thing(thingName=f"{name}-4")
    until(lambda: iot.get_statistics(queryString=mine)["statistics"]["count"] == 3)
    own.set_clock(advanceSeconds=60)
    until(lambda: newest(own, f"{name}-all")["sum"] == 6)
    until(lambda: newest(own, f"{name}-p") == {"p50": 2, "p100": 3})
    assert newest(own, f"{name}-some") == {"sum": 10}
    counts = [
        (int(one["at"].timestamp()), one["value"])
        for one in values_of(own, f"{name}-all")
        if one["aggregation"] == "count"
    ]
    assert counts == [(due + 60, 3), (due, 4)]
    pages = own.list_fleet_metric_values(metricName=f"{name}-all", maxResults=5)
    rest = own.list_fleet_metric_values(metricName=f"{name}-all", nextToken=pages["nextToken"])
    assert len(pages["values"]) == 5 and len(rest["values"]) == 11
    assert pages["values"] + rest["values"] == values_of(own, f"{name}-all")
    # Sixty emissions are kept.
    own.set_clock(advanceSeconds=59 * 60)
    until(lambda: times_of(own, f"{name}-all") == {due + 60, due + 3600})
    # A clock that is set back begins anew.
    own.set_clock(advanceSeconds=-3600)
    until(lambda: times_of(own, f"{name}-all") == {due})
    iot.delete_fleet_metric(metricName=f"{name}-all")
    assert scraped(node, f"{name}-all") == {}
    with refused("ResourceNotFoundException", 404, name):
        own.list_fleet_metric_values(metricName=f"{name}-all")
    with refused("InvalidRequestException", 400, "token"):
        own.list_fleet_metric_values(metricName=f"{name}-p", nextToken="eHg")


def test_what_a_metric_needs_of_an_index_stays(indexed, name):
    """As does what a dynamic group needs; whatever else is indexed may change."""
    iot = indexed
    with_connections = {"thingIndexingMode": "REGISTRY", "thingConnectivityIndexingMode": "STATUS"}
    size = {"name": "attributes.size", "type": "Number"}
    words = f"fleet metric {name}"

    def change(**more):
        return iot.update_indexing_configuration(thingIndexingConfiguration=more)

    change(**with_connections, customFields=[size])
    create(iot, name, {"name": "Cardinality"}, query="connectivity.connected:true")
    for fields in ([], [size | {"type": "String"}]):
        with refused("InvalidRequestException", 400, "attributes.size", words):
            change(**with_connections, customFields=fields)
    with refused("InvalidRequestException", 400, "connectivity.connected", words):
        change(thingIndexingMode="REGISTRY", customFields=[size])
    with refused("InvalidRequestException", 400, words):
        change(thingIndexingMode="OFF")
    change(**with_connections, customFields=[size, {"name": "attributes.new", "type": "String"}])
    iot.delete_fleet_metric(metricName=name)
    iot.create_dynamic_thing_group(thingGroupName=name, queryString="connectivity.connected:true")
    with refused("InvalidRequestException", 400, "connectivity.connected", f"dynamic thing group {name}"):
        change(thingIndexingMode="REGISTRY", customFields=[size])
    iot.delete_dynamic_thing_group(thingGroupName=name)
    change(thingIndexingMode="REGISTRY")
