"""GetStatistics, GetCardinality, GetPercentiles, GetBucketsAggregation against what Python computes."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter

import pytest

from api.making import refused
from api.test_fleet_indexing import turn_off, turn_on
from interop.devices import until

COUNT = 60


@pytest.fixture(scope="module")
def fleet(iot):
    """Things of this file, each with its attributes, and the query that finds them."""
    turn_on(iot)
    dice = random.Random(5)
    things = {}
    for number in range(COUNT):
        name = f"aggregated-{number}"
        attributes = {"colour": dice.choice(("Red", "blue", "green")), "size": str(dice.randrange(90) / 4)}
        if number % 3 == 0:
            attributes = {"size": "unknown", "on": dice.choice(("true", "false"))}
        iot.create_thing(thingName=name, attributePayload={"attributes": attributes})
        things[name] = attributes
    until(lambda: iot.get_statistics(queryString="thingName:aggregated-*")["statistics"]["count"] == COUNT)
    yield things
    turn_off(iot)


ALL = "thingName:aggregated-*"
QUERIES = {
    ALL: lambda one: True,
    f"{ALL} red": lambda one: one.get("colour") == "Red",
    f"{ALL} -red": lambda one: one.get("colour") != "Red",
    f"{ALL} attributes.size>10": lambda one: one["size"] != "unknown" and float(one["size"]) > 10,
    f"{ALL} (attributes.colour:blue OR attributes.on:true)": lambda one: (
        one.get("colour") == "blue" or one.get("on") == "true"
    ),
    f"{ALL} nothing": lambda one: False,
}


def sizes(fleet, wanted):
    return sorted(float(one["size"]) for one in fleet.values() if wanted(one) and one["size"] != "unknown")


@pytest.mark.parametrize("query", QUERIES)
def test_statistics_of_numbers(iot, fleet, query):
    numbers = sizes(fleet, QUERIES[query])
    found = iot.get_statistics(queryString=query, aggregationField="attributes.size")["statistics"]
    if not numbers:
        assert found == {"count": 0}
        return
    assert found == pytest.approx(
        {
            "count": len(numbers),
            "average": statistics.fmean(numbers),
            "sum": sum(numbers),
            "minimum": min(numbers),
            "maximum": max(numbers),
            "sumOfSquares": sum(number * number for number in numbers),
            "variance": statistics.pvariance(numbers),
            "stdDeviation": statistics.pstdev(numbers),
        }
    )


@pytest.mark.parametrize("query", QUERIES)
def test_percentiles(iot, fleet, query):
    numbers = sizes(fleet, QUERIES[query])
    found = iot.get_percentiles(queryString=query, aggregationField="attributes.size")["percentiles"]
    percents = [1, 5, 25, 50, 75, 95, 99] if numbers else []
    assert [one["percent"] for one in found] == percents
    assert [one["value"] for one in found] == [
        numbers[max(0, math.ceil(percent / 100 * len(numbers)) - 1)] for percent in percents
    ]
    some = iot.get_percentiles(queryString=query, aggregationField="attributes.size", percents=[0, 100])
    assert [one["value"] for one in some["percentiles"]] == numbers[:1] + numbers[-1:]


@pytest.mark.parametrize("query", QUERIES)
def test_buckets_and_cardinality(iot, fleet, query):
    chosen = [one for one in fleet.values() if QUERIES[query](one)]
    colours = Counter(one["colour"] for one in chosen if "colour" in one)
    for most in (10, 2):
        found = iot.get_buckets_aggregation(
            queryString=query,
            aggregationField="attributes.colour",
            bucketsAggregationType={"termsAggregation": {"maxBuckets": most}},
        )
        assert found["totalCount"] == len(chosen)
        expected = sorted(colours.items(), key=lambda pair: (-pair[1], pair[0].lower()))[:most]
        assert [(one["keyValue"], one["count"]) for one in found["buckets"]] == expected
    counted = iot.get_cardinality(queryString=query, aggregationField="attributes.colour")
    assert counted["cardinality"] == len(colours)


def test_words_are_counted_and_truths_have_a_ratio(iot, fleet):
    found = iot.get_statistics(queryString=ALL, aggregationField="attributes.colour")["statistics"]
    assert found == {"count": sum("colour" in one for one in fleet.values())}
    truths = [one["on"] == "true" for one in fleet.values() if "on" in one]
    found = iot.get_statistics(queryString=ALL, aggregationField="attributes.on")["statistics"]
    assert 0 < sum(truths) < len(truths)
    ratio = sum(truths) / len(truths)
    both = {"count": len(truths), "average": ratio, "sum": sum(truths), "minimum": 0, "maximum": 1}
    assert found == pytest.approx(both)
    found = iot.get_statistics(queryString=ALL, aggregationField="connectivity.connected")["statistics"]
    assert found == {"count": COUNT, "average": 0, "sum": 0, "minimum": 0, "maximum": 0}


def test_a_type_is_known_by_both_of_its_names(iot, fleet, name):
    """What is managed has them in AWS's guide, and queries the shorter ones."""
    for number, kind in enumerate((f"{name}-a", f"{name}-a", f"{name}-b")):
        iot.create_thing_type(thingTypeName=kind)
        iot.create_thing(thingName=f"{name}-{number}", thingTypeName=kind)
    mine = f"thingName:{name}-*"
    until(lambda: iot.get_statistics(queryString=mine)["statistics"]["count"] == 3)
    for field in ("thingTypeName", "registry.thingTypeName"):
        asked = {"queryString": mine, "aggregationField": field}
        found = iot.get_buckets_aggregation(bucketsAggregationType={"termsAggregation": {}}, **asked)
        assert {one["keyValue"]: one["count"] for one in found["buckets"]} == {f"{name}-a": 2, f"{name}-b": 1}
        assert iot.get_cardinality(**asked)["cardinality"] == 2
        assert iot.get_statistics(**asked)["statistics"] == {"count": 3}


def test_versions_are_what_is_aggregated_unless_told(iot, fleet):
    assert iot.get_statistics(queryString=ALL)["statistics"]["sum"] == COUNT
    assert iot.get_cardinality(queryString=ALL)["cardinality"] == 1
    assert iot.get_percentiles(queryString=ALL)["percentiles"][0] == {"percent": 1.0, "value": 1.0}
    assert iot.get_percentiles(queryString="nothing")["percentiles"] == []


def test_everything_at_once(iot, fleet):
    names = iot.get_cardinality(queryString="*", aggregationField="thingName")["cardinality"]
    found = iot.get_buckets_aggregation(
        queryString="*",
        aggregationField="attributes.colour",
        bucketsAggregationType={"termsAggregation": {"maxBuckets": 1}},
    )
    assert found["totalCount"] == names >= COUNT
    assert (
        iot.get_statistics(queryString="*", aggregationField="attributes.size")["statistics"]["count"] >= 40
    )


def test_the_spread_of_large_numbers_that_are_near_each_other(iot, fleet):
    """As times are: their squares are beyond what a float tells apart."""
    for number in range(4):
        attributes = {"size": str(1_700_000_000_000 + number), "colour": "late"}
        iot.create_thing(thingName=f"late-{number}", attributePayload={"attributes": attributes})
    query = {"queryString": "late", "aggregationField": "attributes.size"}
    found = until(lambda: (it := iot.get_statistics(**query)["statistics"])["count"] == 4 and it)
    assert found["variance"] == 1.25
    assert found["average"] == 1_700_000_000_001.5


def test_what_cannot_be_aggregated(iot, fleet):
    with refused("InvalidAggregationException", 400, "attributes.other", "customFields"):
        iot.get_statistics(queryString="*", aggregationField="attributes.other")
    with refused("InvalidAggregationException", 400, "attributes.colour", "String", "Number"):
        iot.get_percentiles(queryString="*", aggregationField="attributes.colour")
    with refused("InvalidAggregationException", 400, "termsAggregation"):
        iot.get_buckets_aggregation(
            queryString="*", aggregationField="attributes.colour", bucketsAggregationType={}
        )
    with refused("InvalidRequestException", 400, "percents"):
        iot.get_percentiles(queryString="*", percents=[1.0] * 101)
    with refused("ResourceNotFoundException", 404, "other"):
        iot.get_cardinality(queryString="*", indexName="other")


def test_numbers_with_which_nothing_can_be_computed(iot, fleet):
    """Neither their squares nor those of their differences are numbers: they are text, as words are."""
    sizes = ("1e300", "-1e300", "1e-300", "1e150", "-1e150", "1e-140", "1.0000000000000002e-140", "0")
    for number, size in enumerate(sizes):
        iot.create_thing(thingName=f"vast-{number}", attributePayload={"attributes": {"size": size}})
    query = "thingName:vast-*"
    until(lambda: iot.get_statistics(queryString=query)["statistics"]["count"] == len(sizes))
    found = iot.get_statistics(queryString=query, aggregationField="attributes.size")["statistics"]
    assert (found["count"], found["minimum"], found["maximum"]) == (5, -1e150, 1e150)
    tiny = f"{query} attributes.size:1*e-140"
    found = iot.get_statistics(queryString=tiny, aggregationField="attributes.size")["statistics"]
    assert found["count"] == 2
    assert len(iot.search_index(queryString="attributes.size:1e300")["things"]) == 1
