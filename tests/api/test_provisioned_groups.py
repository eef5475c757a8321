"""Thing groups and billing groups in provisioning templates."""

from __future__ import annotations

import pytest

from api.making import listed, refused, template, thing_resource
from api.test_bulk import ended, lines, report, start
from api.test_bulk import s3 as s3
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


# --- in bulk: each line is provisioned as if it were alone ---


def in_bulk(iot, s3, name, *found, **overrides):
    """The numbers of the lines that became things, and what was said of the others."""
    thing = thing_resource(ThingGroups=[{"Ref": "Group"}], BillingGroup={"Ref": "Bill"})
    thing["OverrideSettings"] = overrides
    text = template({"thing": thing}, "Name", "Group", "Bill")
    task = start(iot, s3, name, lines(*found), text)
    told = ended(iot, task)
    good, bad = report(iot, task, "RESULTS"), report(iot, task, "ERRORS")
    assert (told["status"], told["successCount"], told["failureCount"]) == ("Completed", len(good), len(bad))
    return [one["lineNumber"] for one in good], {one["lineNumber"]: str(one) for one in bad}


def line(name, n, group, bill):
    return {"Name": f"{name}-thing-{n}", "Group": f"{name}-{group}", "Bill": f"{name}-{bill}"}


def test_in_bulk_things_end_in_their_groups(iot, s3, name, called):
    good, bad = in_bulk(iot, s3, name, *(line(name, n, n % 3, n % 2) for n in range(12)))
    assert (good, bad) == (list(range(1, 13)), {})
    for n in range(12):
        assert groups(iot, f"{name}-thing-{n}") == [str(n % 3)]
        described = iot.describe_thing(thingName=f"{name}-thing-{n}")
        assert described["billingGroupName"] == f"{name}-{n % 2}"
    for number in range(3):
        members = listed(iot, "list_things_in_thing_group", "things", thingGroupName=f"{name}-{number}")
        assert len(members) == 4
    billed = listed(iot, "list_things_in_billing_group", "things", billingGroupName=f"{name}-0")
    assert len(billed) == 6


def test_in_bulk_a_group_that_is_not_there_is_a_line_that_fails(iot, s3, name, called):
    """Nothing makes it (AWS IoT Developer Guide, Provisioning templates); the others go on."""
    found = [line(name, 0, 0, 0), line(name, 1, "new", 0), line(name, 2, 0, "new"), line(name, 3, 1, 1)]
    good, bad = in_bulk(iot, s3, name, *found)
    assert good == [1, 4]
    assert "ResourceRegistrationFailureException" in bad[2]
    assert f"thing group {name}-new does not exist" in bad[2]
    assert f"billing group {name}-new does not exist" in bad[3]
    for n in (1, 2):
        with refused("ResourceNotFoundException", 404):
            iot.describe_thing(thingName=f"{name}-thing-{n}")
    with refused("ResourceNotFoundException", 404):
        iot.describe_thing_group(thingGroupName=f"{name}-new")


@pytest.mark.parametrize(
    "setting, found",
    [("REPLACE", ["1"]), ("MERGE", ["0", "1"]), ("DO_NOTHING", ["0"]), ("FAIL", None)],
)
def test_in_bulk_things_that_are_in_other_groups(iot, s3, name, called, setting, found):
    """One thing is there already, and one is new."""
    iot.create_thing(thingName=f"{name}-thing-0", billingGroupName=f"{name}-0")
    iot.add_thing_to_thing_group(thingName=f"{name}-thing-0", thingGroupName=f"{name}-0")
    given = [line(name, n, 1, 0) for n in range(2)]
    good, bad = in_bulk(iot, s3, name, *given, ThingGroups=setting)
    if found is None:
        assert good == [2]
        assert "ConflictingResourceUpdateException" in bad[1]
        found = ["0"]
    else:
        assert (good, bad) == ([1, 2], {})
    assert groups(iot, f"{name}-thing-0") == found
    assert groups(iot, f"{name}-thing-1") == ["1"]
