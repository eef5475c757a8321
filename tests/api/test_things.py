"""Things: create, describe, update, delete, list."""

from __future__ import annotations

import uuid

import pytest

from api.making import UNCHECKED, arn, listed, refused

ATTRIBUTES = {"attributes": {"colour": "red", "wattage": "60"}}


def many(count: int) -> dict:
    return {"attributes": {f"a{number}": str(number) for number in range(count)}}


@pytest.fixture
def typed(iot, name):
    iot.create_thing_type(thingTypeName=name)
    return name


def test_create_then_describe(iot, name):
    made = iot.create_thing(thingName=name, attributePayload=ATTRIBUTES)
    assert made["thingName"] == name
    assert made["thingArn"] == arn(f"thing/{name}")
    assert str(uuid.UUID(made["thingId"])) == made["thingId"]
    found = iot.describe_thing(thingName=name)
    found.pop("ResponseMetadata")
    assert found == {
        "thingName": name,
        "thingArn": made["thingArn"],
        "thingId": made["thingId"],
        "defaultClientId": name,
        "attributes": ATTRIBUTES["attributes"],
        "version": 1,
    }


def test_a_thing_without_attributes_has_an_empty_map(iot, name):
    iot.create_thing(thingName=name)
    assert iot.describe_thing(thingName=name)["attributes"] == {}


def test_a_name_takes_every_character_that_aws_allows(iot, name):
    odd = f"{name}:_-Z9"
    iot.create_thing(thingName=odd)
    assert iot.describe_thing(thingName=odd)["thingName"] == odd


def test_a_name_of_128_characters(iot, name):
    longest = name.ljust(128, "x")
    iot.create_thing(thingName=longest)
    assert iot.describe_thing(thingName=longest)["thingName"] == longest
    with refused("InvalidRequestException", 400, "thingName", "less than or equal to 128"):
        iot.create_thing(thingName=longest + "x")


def test_create_again_with_the_same_input_is_no_change(iot, name):
    made = iot.create_thing(thingName=name, attributePayload=ATTRIBUTES)
    again = iot.create_thing(thingName=name, attributePayload=ATTRIBUTES)
    assert again["thingId"] == made["thingId"]
    assert iot.describe_thing(thingName=name)["version"] == 1


def test_create_again_with_other_input_names_what_is_there(iot, name):
    made = iot.create_thing(thingName=name, attributePayload=ATTRIBUTES)
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException) as caught:
        iot.create_thing(thingName=name)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert caught.value.response["resourceId"] == made["thingId"]
    assert caught.value.response["resourceArn"] == made["thingArn"]
    assert iot.describe_thing(thingName=name)["attributes"] == ATTRIBUTES["attributes"]


def test_create_again_with_another_type_is_refused(iot, name, typed):
    iot.create_thing(thingName=name)
    with refused("ResourceAlreadyExistsException", 409, name):
        iot.create_thing(thingName=name, thingTypeName=typed)


def test_create_with_a_type(iot, name, typed):
    iot.create_thing(thingName=name, thingTypeName=typed)
    assert iot.describe_thing(thingName=name)["thingTypeName"] == typed


def test_create_with_an_unknown_type(iot, name):
    with refused("ResourceNotFoundException", 404, "no-such-type"):
        iot.create_thing(thingName=name, thingTypeName="no-such-type")
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing(thingName=name)


def test_create_with_a_deprecated_type(iot, name, typed):
    iot.deprecate_thing_type(thingTypeName=typed)
    with refused("InvalidRequestException", 400, typed):
        iot.create_thing(thingName=name, thingTypeName=typed)


@pytest.mark.parametrize("with_type, most", [(False, 3), (True, 50)])
def test_number_of_attributes(iot, name, with_type, most, request):
    more = {"thingTypeName": request.getfixturevalue("typed")} if with_type else {}
    with refused("InvalidRequestException", 400, str(most)):
        iot.create_thing(thingName=name, attributePayload=many(most + 1), **more)
    iot.create_thing(thingName=name, attributePayload=many(most), **more)
    assert len(iot.describe_thing(thingName=name)["attributes"]) == most
    with refused("InvalidRequestException", 400, str(most)):
        iot.update_thing(thingName=name, attributePayload={"attributes": {"one": "more"}, "merge": True})


@pytest.mark.parametrize(
    "attributes, where",
    [
        ({"with space": "1"}, "attributes"),
        ({"a": "with space"}, "a.member"),
        ({"a": "x" * 801}, "a.member"),
        ({"n" * 129: "1"}, "attributes"),
    ],
)
def test_attributes_of_forbidden_form(iot, name, attributes, where):
    with refused("InvalidRequestException", 400, "1 validation error detected", where):
        iot.create_thing(thingName=name, attributePayload={"attributes": attributes})


def test_attributes_of_the_largest_form(iot, name):
    attributes = {"n" * 128: "v" * 800, "odd_.,@/:#-": "odd_.,@/:#=[]-"}
    iot.create_thing(thingName=name, attributePayload={"attributes": attributes})
    assert iot.describe_thing(thingName=name)["attributes"] == attributes


def test_update_replaces_attributes(iot, name):
    iot.create_thing(thingName=name, attributePayload=ATTRIBUTES)
    iot.update_thing(thingName=name, attributePayload={"attributes": {"colour": "blue"}})
    found = iot.describe_thing(thingName=name)
    assert found["attributes"] == {"colour": "blue"}
    assert found["version"] == 2


def test_update_merges_attributes(iot, name):
    iot.create_thing(thingName=name, attributePayload=ATTRIBUTES)
    change = {"attributes": {"colour": "blue", "shape": "round"}, "merge": True}
    iot.update_thing(thingName=name, attributePayload=change)
    assert iot.describe_thing(thingName=name)["attributes"] == {
        "colour": "blue",
        "wattage": "60",
        "shape": "round",
    }


def test_an_empty_value_deletes_an_attribute(iot, name):
    iot.create_thing(thingName=name, attributePayload=ATTRIBUTES)
    iot.update_thing(thingName=name, attributePayload={"attributes": {"colour": ""}, "merge": True})
    assert iot.describe_thing(thingName=name)["attributes"] == {"wattage": "60"}


def test_update_with_the_expected_version(iot, name):
    iot.create_thing(thingName=name)
    iot.update_thing(thingName=name, attributePayload=ATTRIBUTES, expectedVersion=1)
    with refused("VersionConflictException", 409, name, "2"):
        iot.update_thing(thingName=name, attributePayload={"attributes": {}}, expectedVersion=1)
    found = iot.describe_thing(thingName=name)
    assert (found["version"], found["attributes"]) == (2, ATTRIBUTES["attributes"])


def test_update_sets_and_removes_the_type(iot, name, typed):
    iot.create_thing(thingName=name)
    iot.update_thing(thingName=name, thingTypeName=typed)
    assert iot.describe_thing(thingName=name)["thingTypeName"] == typed
    iot.update_thing(thingName=name, removeThingType=True)
    assert "thingTypeName" not in iot.describe_thing(thingName=name)


def test_update_cannot_remove_and_set_the_type(iot, name, typed):
    iot.create_thing(thingName=name, thingTypeName=typed)
    with refused("InvalidRequestException", 400, "removeThingType"):
        iot.update_thing(thingName=name, thingTypeName=typed, removeThingType=True)


def test_removing_the_type_of_a_thing_with_many_attributes(iot, name, typed):
    iot.create_thing(thingName=name, thingTypeName=typed, attributePayload=many(4))
    with refused("InvalidRequestException", 400, "3"):
        iot.update_thing(thingName=name, removeThingType=True)
    assert iot.describe_thing(thingName=name)["thingTypeName"] == typed


def test_update_of_an_unknown_thing(iot, name):
    with refused("ResourceNotFoundException", 404, name):
        iot.update_thing(thingName=name, attributePayload=ATTRIBUTES)


def test_describe_an_unknown_thing(iot, name):
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing(thingName=name)


def test_delete(iot, name):
    iot.create_thing(thingName=name)
    iot.delete_thing(thingName=name)
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing(thingName=name)


def test_delete_an_unknown_thing_succeeds(iot, name):
    assert iot.delete_thing(thingName=name)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_delete_with_an_expected_version(iot, name):
    iot.create_thing(thingName=name)
    with refused("VersionConflictException", 409, name):
        iot.delete_thing(thingName=name, expectedVersion=7)
    iot.delete_thing(thingName=name, expectedVersion=1)


def test_a_thing_that_is_made_again_is_another(iot, name):
    first = iot.create_thing(thingName=name)
    iot.delete_thing(thingName=name)
    again = iot.create_thing(thingName=name, attributePayload=ATTRIBUTES)
    assert again["thingId"] != first["thingId"]
    assert iot.describe_thing(thingName=name)["version"] == 1


def test_delete_while_a_principal_is_attached(iot, name, cert):
    iot.create_thing(thingName=name)
    iot.attach_thing_principal(thingName=name, principal=cert.arn)
    words = f"Cannot delete. Thing {name} is still attached to one or more principals"
    with refused("InvalidRequestException", 400, words):
        iot.delete_thing(thingName=name)
    iot.detach_thing_principal(thingName=name, principal=cert.arn)
    iot.delete_thing(thingName=name)


def test_list_tells_what_describe_tells(iot, name, typed):
    iot.create_thing(thingName=name, thingTypeName=typed, attributePayload=ATTRIBUTES)
    found = [thing for thing in listed(iot, "list_things", "things") if thing["thingName"] == name]
    assert found == [
        {
            "thingName": name,
            "thingTypeName": typed,
            "thingArn": arn(f"thing/{name}"),
            "attributes": ATTRIBUTES["attributes"],
            "version": 1,
        }
    ]


def test_list_by_attribute(iot, name):
    for number, value in enumerate(("north", "northwest", "south")):
        attributes = {"attributes": {name: value}}
        iot.create_thing(thingName=f"{name}-{number}", attributePayload=attributes)

    def found(**filters):
        return [thing["thingName"] for thing in iot.list_things(attributeName=name, **filters)["things"]]

    assert found() == [f"{name}-0", f"{name}-1", f"{name}-2"]
    assert found(attributeValue="north") == [f"{name}-0"]
    assert found(attributeValue="north", usePrefixAttributeValue=True) == [f"{name}-0", f"{name}-1"]
    assert found(attributeValue="west") == []


def test_list_by_type(iot, name, typed):
    iot.create_thing(thingName=name)
    iot.create_thing(thingName=f"{name}-typed", thingTypeName=typed)
    found = iot.list_things(thingTypeName=typed)["things"]
    assert [thing["thingName"] for thing in found] == [f"{name}-typed"]


def test_list_by_a_value_without_a_name(iot):
    with refused("InvalidRequestException", 400, "attributeName"):
        iot.list_things(attributeValue="x")


@pytest.mark.parametrize("size", [0, 251])
def test_list_bounds_its_pages(node, size):
    iot = node.client("iot", config=UNCHECKED)
    with refused("InvalidRequestException", 400, "1 validation error detected", "maxResults"):
        iot.list_things(maxResults=size)


def test_the_largest_thing(iot, name, typed):
    attributes = {f"{number:02}".ljust(128, "n"): "v" * 800 for number in range(50)}
    iot.create_thing(thingName=name, thingTypeName=typed, attributePayload={"attributes": attributes})
    assert iot.describe_thing(thingName=name)["attributes"] == attributes


def test_list_by_type_or_attribute_and_not_both(iot, name, typed):
    for number, value in enumerate(("a", "b", "a")):
        attributes = {"attributes": {"colour": value}}
        iot.create_thing(thingName=f"{name}-{number}", thingTypeName=typed, attributePayload=attributes)
    for value in ({}, {"attributeValue": "a"}):
        with refused("InvalidRequestException", 400, "combination of attribute and thing type"):
            iot.list_things(thingTypeName=typed, attributeName="colour", **value)
    iot.update_thing(thingName=f"{name}-0", removeThingType=True)
    iot.delete_thing(thingName=f"{name}-1")
    found = iot.list_things(thingTypeName=typed)["things"]
    assert [thing["thingName"] for thing in found] == [f"{name}-2"]


def test_list_by_a_name_that_is_in_other_names_and_values(iot, name):
    """What is looked for as text is found as an attribute alone."""
    iot.create_thing(thingName=f"{name}-0", attributePayload={"attributes": {f"x{name}": "y"}})
    iot.create_thing(thingName=f"{name}-1", attributePayload={"attributes": {"x": name}})
    iot.create_thing(thingName=f"{name}-2", attributePayload={"attributes": {name: "[y]#=", f"{name}y": "z"}})
    assert [one["thingName"] for one in iot.list_things(attributeName=name)["things"]] == [f"{name}-2"]
    for value, prefix, count in (("[y]#=", False, 1), ("[y", False, 0), ("[y", True, 1), ("z", True, 0)):
        found = iot.list_things(attributeName=name, attributeValue=value, usePrefixAttributeValue=prefix)[
            "things"
        ]
        assert len(found) == count
