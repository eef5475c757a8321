"""Thing groups and billing groups in provisioning templates."""

from __future__ import annotations

import pytest

from api.making import listed, refused, template, thing_resource
from api.test_thing_groups import make


def register(iot, name, overrides=None, **properties):
    thing = thing_resource(**properties)
    if overrides:
        thing["OverrideSettings"] = overrides
    return iot.register_thing(templateBody=template({"thing": thing}, "Name"), parameters={"Name": name})


def groups(iot, name):
    found = listed(iot, "list_thing_groups_for_thing", "thingGroups", thingName=name)
    return [group["groupName"].rpartition("-")[2] for group in found]


@pytest.fixture
def called(iot, name):
    """Four groups, and billing groups of the same names."""
    for number in range(4):
        make(iot, f"{name}-{number}")
        iot.create_billing_group(billingGroupName=f"{name}-{number}")
    return lambda *numbers: [f"{name}-{number}" for number in numbers]


def test_a_new_thing(iot, name, called):
    for _ in range(2):  # again with the same input changes nothing
        register(iot, name, ThingGroups=called(0, 1, 1), BillingGroup=called(2)[0])
    assert groups(iot, name) == ["0", "1"]
    assert iot.describe_thing(thingName=name)["billingGroupName"] == called(2)[0]
    assert iot.describe_thing(thingName=name)["version"] == 1


@pytest.mark.parametrize(
    "setting, found",
    [("REPLACE", ["1", "2"]), ("MERGE", ["0", "1", "2"]), ("DO_NOTHING", ["0", "1"]), ("FAIL", None)],
)
@pytest.mark.parametrize("spelling", ["ThingGroups", "THING_GROUPS"])
def test_a_thing_in_other_groups(iot, name, called, spelling, setting, found):
    register(iot, name, ThingGroups=called(0, 1))
    overrides = {spelling: setting}
    if found is None:
        with refused("ConflictingResourceUpdateException", 409, name, "ThingGroups"):
            register(iot, name, overrides, ThingGroups=called(1, 2))
        with refused("ConflictingResourceUpdateException", 409, name, "ThingGroups"):
            register(iot, name, ThingGroups=called(1, 2))
        found = ["0", "1"]
    else:
        register(iot, name, overrides, ThingGroups=called(1, 2))
    assert groups(iot, name) == found
    register(iot, name)  # a template without groups leaves them alone
    assert groups(iot, name) == found


@pytest.mark.parametrize("setting, found", [("REPLACE", 1), ("DO_NOTHING", 0), ("FAIL", None)])
def test_a_thing_in_another_billing_group(iot, name, called, setting, found):
    register(iot, name, BillingGroup=called(0)[0])
    overrides = {"BillingGroup": setting}
    if found is None:
        with refused("ConflictingResourceUpdateException", 409, name, "BillingGroup"):
            register(iot, name, overrides, BillingGroup=called(1)[0])
        found = 0
    else:
        register(iot, name, overrides, BillingGroup=called(1)[0])
    assert iot.describe_thing(thingName=name)["billingGroupName"] == called(found)[0]


def test_everything_or_nothing(iot, name, called):
    register(iot, name, ThingGroups=called(0))
    overrides = {"ThingGroups": "REPLACE", "AttributePayload": "FAIL"}
    with refused("ConflictingResourceUpdateException", 409, "AttributePayload"):
        register(iot, name, overrides, ThingGroups=called(1), AttributePayload={"a": "1"})
    assert groups(iot, name) == ["0"]


@pytest.mark.parametrize(
    "properties, words",
    [
        ({"ThingGroups": ["no-such-group"]}, "thing group no-such-group"),
        ({"BillingGroup": "no-such-group"}, "billing group no-such-group"),
        ({"ThingTypeName": "no-such-type"}, "thing type no-such-type"),
    ],
)
def test_groups_and_types_that_are_not_there(iot, name, properties, words):
    with refused("ResourceRegistrationFailureException", 400, words):
        register(iot, name, **properties)
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing(thingName=name)


@pytest.mark.parametrize("group", ["with space", "", "x" * 129])
def test_names_of_forbidden_form(iot, name, group):
    for properties in ({"ThingGroups": [group]}, {"BillingGroup": group}):
        with refused("InvalidRequestException", 400, "failed to satisfy constraint"):
            register(iot, name, **properties)


def test_two_groups_of_one_hierarchy(iot, name):
    make(iot, f"{name}-a", f"{name}-b")
    with refused("InvalidRequestException", 400, f"{name}-a", "hierarchy"):
        register(iot, name, ThingGroups=[f"{name}-a", f"{name}-b"])
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing(thingName=name)
