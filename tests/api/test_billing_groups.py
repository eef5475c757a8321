"""Billing groups, and the things that are in them."""

from __future__ import annotations

import uuid

import pytest

from api.making import arn, listed, refused

PROPERTIES = {"billingGroupDescription": "who pays"}


@pytest.fixture
def group(iot, name):
    iot.create_billing_group(billingGroupName=name)
    return name


def things(iot, group, **more):
    return listed(iot, "list_things_in_billing_group", "things", billingGroupName=group, **more)


def group_of(iot, thing):
    return iot.describe_thing(thingName=thing).get("billingGroupName")


def test_create_then_describe(iot, name):
    tags = [{"Key": "cost", "Value": "7"}]
    made = iot.create_billing_group(billingGroupName=name, billingGroupProperties=PROPERTIES, tags=tags)
    assert made["billingGroupArn"] == arn(f"billinggroup/{name}")
    assert str(uuid.UUID(made["billingGroupId"])) == made["billingGroupId"]
    found = iot.describe_billing_group(billingGroupName=name)
    found.pop("ResponseMetadata")
    assert set(found.pop("billingGroupMetadata")) == {"creationDate"}
    assert found == {
        "billingGroupName": name,
        "billingGroupArn": made["billingGroupArn"],
        "billingGroupId": made["billingGroupId"],
        "billingGroupProperties": PROPERTIES,
        "version": 1,
    }
    assert iot.list_tags_for_resource(resourceArn=made["billingGroupArn"])["tags"] == tags


def test_create_again(iot, name):
    made = iot.create_billing_group(billingGroupName=name, billingGroupProperties=PROPERTIES)
    again = iot.create_billing_group(billingGroupName=name, billingGroupProperties=PROPERTIES)
    assert again["billingGroupId"] == made["billingGroupId"]
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException) as caught:
        iot.create_billing_group(billingGroupName=name)
    assert caught.value.response["resourceArn"] == made["billingGroupArn"]


def test_update(iot, group):
    input = {"billingGroupName": group, "billingGroupProperties": PROPERTIES, "expectedVersion": 1}
    assert iot.update_billing_group(**input)["version"] == 2
    assert iot.describe_billing_group(billingGroupName=group)["billingGroupProperties"] == PROPERTIES
    with refused("VersionConflictException", 409, group):
        iot.update_billing_group(**input)


def test_delete(iot, group):
    with refused("VersionConflictException", 409, group):
        iot.delete_billing_group(billingGroupName=group, expectedVersion=9)
    iot.delete_billing_group(billingGroupName=group, expectedVersion=1)
    with refused("ResourceNotFoundException", 404, group):
        iot.describe_billing_group(billingGroupName=group)
    iot.delete_billing_group(billingGroupName=group)


def test_things_stay_when_their_group_goes(iot, name, group):
    iot.create_thing(thingName=name, billingGroupName=group)
    iot.tag_resource(resourceArn=arn(f"billinggroup/{group}"), tags=[{"Key": "a", "Value": "1"}])
    iot.delete_billing_group(billingGroupName=group)
    assert group_of(iot, name) is None
    iot.create_billing_group(billingGroupName=group)
    assert things(iot, group) == []
    assert iot.list_tags_for_resource(resourceArn=arn(f"billinggroup/{group}"))["tags"] == []


def test_what_is_not_there(iot, name, group):
    iot.create_thing(thingName=name)
    with refused("ResourceNotFoundException", 404, "no-such-group"):
        iot.update_billing_group(billingGroupName="no-such-group", billingGroupProperties=PROPERTIES)
    with refused("ResourceNotFoundException", 404, "no-such-group"):
        iot.list_things_in_billing_group(billingGroupName="no-such-group")
    for operation in (iot.add_thing_to_billing_group, iot.remove_thing_from_billing_group):
        with refused("ResourceNotFoundException", 404, "no-such-group"):
            operation(billingGroupName="no-such-group", thingName=name)
        with refused("ResourceNotFoundException", 404, "no-such-thing"):
            operation(billingGroupName=group, thingName="no-such-thing")
        with refused("InvalidRequestException", 400, "billingGroupName or billingGroupArn"):
            operation(thingName=name)
        with refused("InvalidRequestException", 400, "thingArn"):
            operation(billingGroupName=group, thingArn="nonsense")


def test_list_by_prefix_in_pages(iot, name):
    wanted = [f"{name}-{number}" for number in range(5)]
    for one in [*wanted, f"{name}x"]:
        iot.create_billing_group(billingGroupName=one)
    for more in ({}, {"PaginationConfig": {"PageSize": 2}}, {"PaginationConfig": {"PageSize": 5}}):
        groups = listed(iot, "list_billing_groups", "billingGroups", namePrefixFilter=f"{name}-", **more)
        assert groups == [{"groupName": one, "groupArn": arn(f"billinggroup/{one}")} for one in wanted]
    everything = [one["groupName"] for one in listed(iot, "list_billing_groups", "billingGroups")]
    assert set(wanted) <= set(everything)
    assert everything == sorted(everything)


# --- things ---


def test_create_a_thing_in_a_group(iot, name, group):
    made = iot.create_thing(thingName=name, billingGroupName=group)
    assert group_of(iot, name) == group
    assert things(iot, group) == [name]
    assert iot.create_thing(thingName=name, billingGroupName=group)["thingId"] == made["thingId"]
    assert iot.create_thing(thingName=name)["thingId"] == made["thingId"]  # of a group nothing is said
    with refused("ResourceAlreadyExistsException", 409, name):
        iot.create_thing(thingName=name, billingGroupName="another")
    assert group_of(iot, name) == group
    iot.remove_thing_from_billing_group(thingName=name, billingGroupName=group)
    with refused("ResourceAlreadyExistsException", 409, name):
        iot.create_thing(thingName=name, billingGroupName=group)
    assert iot.create_thing(thingName=name)["thingId"] == made["thingId"]


def test_a_thing_that_has_joined_a_group_can_be_created_again_as_it_was(iot, name, group):
    made = iot.create_thing(thingName=name)
    iot.add_thing_to_billing_group(thingName=name, billingGroupName=group)
    assert iot.create_thing(thingName=name)["thingId"] == made["thingId"]
    assert iot.create_thing(thingName=name, billingGroupName=group)["thingId"] == made["thingId"]
    assert group_of(iot, name) == group
    assert iot.describe_thing(thingName=name)["version"] == 1


def test_create_a_thing_in_an_unknown_group(iot, name):
    with refused("ResourceNotFoundException", 404, "no-such-group"):
        iot.create_thing(thingName=name, billingGroupName="no-such-group")
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing(thingName=name)


@pytest.mark.parametrize("by", ["names", "arns"])
def test_add_and_remove(iot, name, group, by):
    iot.create_thing(thingName=name)
    both = {"thingName": name, "billingGroupName": group}
    if by == "arns":
        both = {"thingArn": arn(f"thing/{name}"), "billingGroupArn": arn(f"billinggroup/{group}")}
    for _ in range(2):
        iot.add_thing_to_billing_group(**both)
    assert (group_of(iot, name), things(iot, group)) == (group, [name])
    for _ in range(2):
        iot.remove_thing_from_billing_group(**both)
    assert (group_of(iot, name), things(iot, group)) == (None, [])
    assert iot.describe_thing(thingName=name)["version"] == 1


def test_one_group_at_a_time(iot, name, group):
    other = f"{name}-other"
    iot.create_billing_group(billingGroupName=other)
    iot.create_thing(thingName=name, billingGroupName=group)
    with refused("InvalidRequestException", 400, name, group):
        iot.add_thing_to_billing_group(thingName=name, billingGroupName=other)
    iot.remove_thing_from_billing_group(thingName=name, billingGroupName=other)
    assert group_of(iot, name) == group


def test_a_deleted_thing_is_in_no_group(iot, name, group):
    iot.create_thing(thingName=name, billingGroupName=group)
    iot.delete_thing(thingName=name)
    assert things(iot, group) == []
    iot.create_thing(thingName=name)
    assert group_of(iot, name) is None


def test_things_in_pages(iot, name, group):
    wanted = [f"{name}-{number}" for number in range(5)]
    for one in wanted:
        iot.create_thing(thingName=one, billingGroupName=group)
    assert things(iot, group, PaginationConfig={"PageSize": 2}) == wanted
    page = iot.list_things_in_billing_group(billingGroupName=group, maxResults=2)
    iot.delete_thing(thingName=wanted[1])
    iot.create_thing(thingName=f"{name}-0-before", billingGroupName=group)
    rest = iot.list_things_in_billing_group(billingGroupName=group, nextToken=page["nextToken"])
    assert page["things"] + rest["things"] == wanted
