"""Thing types: create, describe, update, deprecate, delete, list."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from api.making import arn, listed, refused

PROPERTIES = {"thingTypeDescription": "a light bulb", "searchableAttributes": ["wattage", "colour"]}


def test_create_then_describe(iot, name):
    before = datetime.now(UTC) - timedelta(seconds=1)
    made = iot.create_thing_type(thingTypeName=name, thingTypeProperties=PROPERTIES)
    assert made["thingTypeName"] == name
    assert made["thingTypeArn"] == arn(f"thingtype/{name}")
    assert str(uuid.UUID(made["thingTypeId"])) == made["thingTypeId"]
    found = iot.describe_thing_type(thingTypeName=name)
    assert found["thingTypeId"] == made["thingTypeId"]
    assert found["thingTypeArn"] == made["thingTypeArn"]
    assert found["thingTypeProperties"] == PROPERTIES
    metadata = found["thingTypeMetadata"]
    assert metadata["deprecated"] is False
    assert before < metadata["creationDate"] <= datetime.now(UTC)
    assert "deprecationDate" not in metadata


def test_create_again_with_the_same_input_is_no_change(iot, name):
    made = iot.create_thing_type(thingTypeName=name, thingTypeProperties=PROPERTIES)
    again = iot.create_thing_type(thingTypeName=name, thingTypeProperties=PROPERTIES)
    assert again["thingTypeId"] == made["thingTypeId"]


def test_create_again_with_other_input(iot, name):
    made = iot.create_thing_type(thingTypeName=name, thingTypeProperties=PROPERTIES)
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException) as caught:
        iot.create_thing_type(thingTypeName=name)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert caught.value.response["resourceArn"] == made["thingTypeArn"]
    assert iot.describe_thing_type(thingTypeName=name)["thingTypeProperties"] == PROPERTIES


def test_describe_an_unknown_type(iot, name):
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing_type(thingTypeName=name)


def test_a_name_of_forbidden_form(iot):
    with refused("InvalidRequestException", 400, "thingTypeName"):
        iot.create_thing_type(thingTypeName="a name with spaces")


def test_update(iot, name):
    iot.create_thing_type(thingTypeName=name, thingTypeProperties=PROPERTIES)
    for change in ({"thingTypeDescription": "a lamp"}, {"searchableAttributes": ["other"]}):
        with refused("InvalidRequestException", 400, "Can only update mqtt5Configuration."):
            iot.update_thing_type(thingTypeName=name, thingTypeProperties=change | PROPAGATED)
    assert iot.describe_thing_type(thingTypeName=name)["thingTypeProperties"] == PROPERTIES
    for same in ({}, PROPERTIES):
        iot.update_thing_type(thingTypeName=name, thingTypeProperties=same | PROPAGATED)
        found = iot.describe_thing_type(thingTypeName=name)["thingTypeProperties"]
        assert found == PROPERTIES | PROPAGATED


def test_update_an_unknown_type(iot, name):
    with refused("ResourceNotFoundException", 404, name):
        iot.update_thing_type(thingTypeName=name, thingTypeProperties=PROPERTIES)


PROPAGATING = [
    {"userPropertyKey": "site", "thingAttribute": "site"},
    {"userPropertyKey": "iot:ClientId", "connectionAttribute": "iot:ClientId"},
    {"userPropertyKey": "$name", "connectionAttribute": "iot:Thing.ThingName"},
]
PROPAGATED = {"mqtt5Configuration": {"propagatingAttributes": PROPAGATING}}


def test_propagating_attributes(iot, name):
    configured = PROPAGATED
    made = iot.create_thing_type(thingTypeName=name, thingTypeProperties=PROPERTIES | configured)
    again = iot.create_thing_type(thingTypeName=name, thingTypeProperties=PROPERTIES | configured)
    assert again["thingTypeId"] == made["thingTypeId"]
    assert iot.describe_thing_type(thingTypeName=name)["thingTypeProperties"] == PROPERTIES | configured
    iot.update_thing_type(thingTypeName=name)
    found = iot.describe_thing_type(thingTypeName=name)["thingTypeProperties"]
    assert found["mqtt5Configuration"] == configured["mqtt5Configuration"]
    none = {"mqtt5Configuration": {"propagatingAttributes": []}}
    iot.update_thing_type(thingTypeName=name, thingTypeProperties=none)
    assert "mqtt5Configuration" not in iot.describe_thing_type(thingTypeName=name)["thingTypeProperties"]


@pytest.mark.parametrize(
    "attributes, words",
    [
        ([{"thingAttribute": "a"}], "userPropertyKey is missing"),
        ([{"userPropertyKey": "a"}], "exactly one of"),
        (
            [{"userPropertyKey": "a", "thingAttribute": "a", "connectionAttribute": "iot:ClientId"}],
            "exactly one",
        ),
        ([{"userPropertyKey": "a", "connectionAttribute": "iot:Other"}], "iot:Other is unknown"),
        ([{"userPropertyKey": "with space", "thingAttribute": "a"}], "userPropertyKey"),
        ([{"userPropertyKey": f"k{n}", "thingAttribute": "a"} for n in range(21)], "at most 20"),
    ],
)
def test_propagating_attributes_that_are_none(iot, name, attributes, words):
    properties = {"mqtt5Configuration": {"propagatingAttributes": attributes}}
    with refused("InvalidRequestException", 400, words):
        iot.create_thing_type(thingTypeName=name, thingTypeProperties=properties)
    iot.create_thing_type(thingTypeName=name)
    with refused("InvalidRequestException", 400, words):
        iot.update_thing_type(thingTypeName=name, thingTypeProperties=properties)


def test_limits_of_a_type(iot, name):
    with refused("InvalidRequestException", 400, "at most 3", "4"):
        iot.create_thing_type(
            thingTypeName=name, thingTypeProperties={"searchableAttributes": ["a", "b", "c", "d"]}
        )
    with refused("InvalidRequestException", 400, "thingTypeDescription", "2028"):
        iot.create_thing_type(thingTypeName=name, thingTypeProperties={"thingTypeDescription": "x" * 2029})


def test_things_get_a_type_as_it_is_now(iot, name):
    """Right after it has changed, however often it was used before."""
    iot.create_thing_type(thingTypeName=name)
    for round in range(5):
        iot.create_thing(thingName=f"{name}-{round}", thingTypeName=name)
        iot.deprecate_thing_type(thingTypeName=name)
        with pytest.raises(iot.exceptions.InvalidRequestException, match="deprecated"):
            iot.create_thing(thingName=f"{name}-{round}-late", thingTypeName=name)
        iot.deprecate_thing_type(thingTypeName=name, undoDeprecate=True)
        iot.create_thing(thingName=f"{name}-{round}-again", thingTypeName=name)


def test_deprecate_and_undo(iot, name):
    iot.create_thing_type(thingTypeName=name)
    iot.deprecate_thing_type(thingTypeName=name)
    metadata = iot.describe_thing_type(thingTypeName=name)["thingTypeMetadata"]
    assert metadata["deprecated"] is True
    assert metadata["deprecationDate"] >= metadata["creationDate"]
    iot.deprecate_thing_type(thingTypeName=name, undoDeprecate=True)
    metadata = iot.describe_thing_type(thingTypeName=name)["thingTypeMetadata"]
    assert metadata["deprecated"] is False
    assert "deprecationDate" not in metadata
    iot.create_thing(thingName=name, thingTypeName=name)


def test_deprecate_an_unknown_type(iot, name):
    with refused("ResourceNotFoundException", 404, name):
        iot.deprecate_thing_type(thingTypeName=name)


def test_a_thing_keeps_its_type_when_it_is_deprecated(iot, name):
    iot.create_thing_type(thingTypeName=name)
    iot.create_thing(thingName=name, thingTypeName=name)
    iot.deprecate_thing_type(thingTypeName=name)
    iot.update_thing(thingName=name, attributePayload={"attributes": {"a": "1"}})
    assert iot.describe_thing(thingName=name)["thingTypeName"] == name


def test_delete_must_wait_five_minutes_after_deprecation(iot, name, turned):
    iot.create_thing_type(thingTypeName=name)
    with refused("InvalidRequestException", 400, name, "deprecated"):
        iot.delete_thing_type(thingTypeName=name)
    iot.deprecate_thing_type(thingTypeName=name)
    turned.set_clock(advanceSeconds=299)
    # Infrastructure tools wait as long as they read these words, and deprecate once more when they begin.
    iot.deprecate_thing_type(thingTypeName=name)
    with refused("InvalidRequestException", 400, name, "wait for 5 minutes after deprecation and then retry"):
        iot.delete_thing_type(thingTypeName=name)
    turned.set_clock(advanceSeconds=1)
    iot.delete_thing_type(thingTypeName=name)
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing_type(thingTypeName=name)


def test_delete_while_a_thing_has_the_type(iot, name, turned):
    iot.create_thing_type(thingTypeName=name)
    iot.create_thing(thingName=name, thingTypeName=name)
    iot.deprecate_thing_type(thingTypeName=name)
    turned.set_clock(advanceSeconds=301)
    with refused("InvalidRequestException", 400, name):
        iot.delete_thing_type(thingTypeName=name)
    iot.delete_thing(thingName=name)
    iot.delete_thing_type(thingTypeName=name)


def test_delete_an_unknown_type(iot, name):
    with refused("ResourceNotFoundException", 404, name):
        iot.delete_thing_type(thingTypeName=name)


def test_list(iot, name):
    iot.create_thing_type(thingTypeName=name, thingTypeProperties=PROPERTIES)
    found = [one for one in listed(iot, "list_thing_types", "thingTypes") if one["thingTypeName"] == name]
    assert [one["thingTypeProperties"] for one in found] == [PROPERTIES]
    assert found[0]["thingTypeArn"] == arn(f"thingtype/{name}")
    assert found[0]["thingTypeMetadata"]["deprecated"] is False


def test_list_one_by_its_name(iot, name):
    iot.create_thing_type(thingTypeName=name)
    assert [one["thingTypeName"] for one in iot.list_thing_types(thingTypeName=name)["thingTypes"]] == [name]
    assert iot.list_thing_types(thingTypeName=f"{name}-other")["thingTypes"] == []
