"""Static thing groups: create, describe, update, delete, list."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from api.making import UNCHECKED, arn, document, listed, refused

PROPERTIES = {
    "thingGroupDescription": "all lamps",
    "attributePayload": {"attributes": {"floor": "3", "wing": "east"}},
}


def make(iot, *names, parent=None):
    """Groups, each below the one before."""
    for one in names:
        more = {"parentGroupName": parent} if parent else {}
        iot.create_thing_group(thingGroupName=one, **more)
        parent = one
    return parent


def names(groups):
    return [group["groupName"] for group in groups]


def test_create_then_describe(iot, name):
    before = datetime.now(UTC) - timedelta(seconds=1)
    made = iot.create_thing_group(thingGroupName=name, thingGroupProperties=PROPERTIES)
    assert made["thingGroupName"] == name
    assert made["thingGroupArn"] == arn(f"thinggroup/{name}")
    assert str(uuid.UUID(made["thingGroupId"])) == made["thingGroupId"]
    found = iot.describe_thing_group(thingGroupName=name)
    found.pop("ResponseMetadata")
    metadata = found.pop("thingGroupMetadata")
    assert found == {
        "thingGroupName": name,
        "thingGroupArn": made["thingGroupArn"],
        "thingGroupId": made["thingGroupId"],
        "thingGroupProperties": PROPERTIES,
        "version": 1,
    }
    assert before < metadata.pop("creationDate") <= datetime.now(UTC)
    assert metadata == {}


def test_a_group_without_properties_shows_none(iot, name):
    iot.create_thing_group(thingGroupName=name)
    assert iot.describe_thing_group(thingGroupName=name)["thingGroupProperties"] == {}


def test_ancestors_root_first(iot, name):
    chain = [f"{name}-{level}" for level in range(4)]
    make(iot, *chain)
    metadata = iot.describe_thing_group(thingGroupName=chain[3])["thingGroupMetadata"]
    assert metadata["parentGroupName"] == chain[2]
    assert metadata["rootToParentThingGroups"] == [
        {"groupName": one, "groupArn": arn(f"thinggroup/{one}")} for one in chain[:3]
    ]


def test_create_again_with_the_same_input_is_no_change(iot, name):
    parent = make(iot, f"{name}-parent")
    input = {"thingGroupName": name, "parentGroupName": parent, "thingGroupProperties": PROPERTIES}
    made = iot.create_thing_group(**input)
    assert iot.create_thing_group(**input)["thingGroupId"] == made["thingGroupId"]
    assert iot.describe_thing_group(thingGroupName=name)["version"] == 1


@pytest.mark.parametrize("change", ["parent", "no parent", "properties"])
def test_create_again_with_other_input(iot, name, change):
    parent, other = make(iot, f"{name}-parent"), make(iot, f"{name}-other")
    made = iot.create_thing_group(thingGroupName=name, parentGroupName=parent)
    input = {
        "parent": {"parentGroupName": other},
        "no parent": {},
        "properties": {"parentGroupName": parent, "thingGroupProperties": PROPERTIES},
    }[change]
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException) as caught:
        iot.create_thing_group(thingGroupName=name, **input)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert caught.value.response["resourceArn"] == made["thingGroupArn"]
    assert caught.value.response["resourceId"] == made["thingGroupId"]


def test_an_unknown_parent(iot, name):
    with refused("InvalidRequestException", 400, "no-such-group"):
        iot.create_thing_group(thingGroupName=name, parentGroupName="no-such-group")
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing_group(thingGroupName=name)


def test_seven_levels_and_no_eighth(iot, name):
    deepest = make(iot, *[f"{name}-{level}" for level in range(7)])
    with refused("InvalidRequestException", 400, "level 8", "7"):
        iot.create_thing_group(thingGroupName=name, parentGroupName=deepest)


def test_a_hundred_children_and_no_more(iot, name):
    parent = make(iot, name)
    children = [f"{name}-{number:03}" for number in range(100)]
    for child in children:
        make(iot, child, parent=parent)
    with refused("InvalidRequestException", 400, "100"):
        make(iot, f"{name}-x", parent=parent)
    assert names(listed(iot, "list_thing_groups", "thingGroups", parentGroup=name)) == children
    iot.delete_thing_group(thingGroupName=children[50])
    make(iot, f"{name}-x", parent=parent)


@pytest.mark.parametrize("count, fits", [(50, True), (51, False)])
def test_number_of_attributes(iot, name, count, fits):
    payload = {"attributePayload": {"attributes": {f"a{number}": "1" for number in range(count)}}}
    if fits:
        iot.create_thing_group(thingGroupName=name, thingGroupProperties=payload)
        return
    with refused("InvalidRequestException", 400, "50", "51"):
        iot.create_thing_group(thingGroupName=name, thingGroupProperties=payload)


@pytest.mark.parametrize(
    "input, where",
    [
        ({"thingGroupName": "with space"}, "thingGroupName"),
        ({"thingGroupName": "x" * 129}, "thingGroupName"),
        ({"thingGroupName": "x", "parentGroupName": "with space"}, "parentGroupName"),
        ({"thingGroupName": "x", "thingGroupProperties": {"thingGroupDescription": "x" * 2029}}, "2028"),
        (
            {"thingGroupName": "x", "thingGroupProperties": {"attributePayload": {"attributes": {"a": " "}}}},
            "attributes",
        ),
    ],
)
def test_input_of_forbidden_form(node, input, where):
    iot = node.client("iot", config=UNCHECKED)
    with refused("InvalidRequestException", 400, "1 validation error detected", where):
        iot.create_thing_group(**input)


# --- update ---


def test_update_replaces_or_merges_attributes(iot, name):
    iot.create_thing_group(thingGroupName=name, thingGroupProperties=PROPERTIES)

    def update(payload, **more):
        properties = {"attributePayload": payload, **more}
        return iot.update_thing_group(thingGroupName=name, thingGroupProperties=properties)["version"]

    def found():
        properties = iot.describe_thing_group(thingGroupName=name)["thingGroupProperties"]
        return properties.get("attributePayload", {}).get("attributes"), properties["thingGroupDescription"]

    assert update({"attributes": {"floor": "4", "door": "9"}, "merge": True}) == 2
    assert found() == ({"floor": "4", "wing": "east", "door": "9"}, "all lamps")
    assert update({"attributes": {"wing": ""}, "merge": True}) == 3
    assert found() == ({"floor": "4", "door": "9"}, "all lamps")
    assert update({"attributes": {"a": "b"}}, thingGroupDescription="") == 4
    assert found() == ({"a": "b"}, "")
    assert update({"attributes": {}}) == 5
    assert found() == (None, "")


def test_update_with_the_expected_version(iot, name):
    make(iot, name)
    input = {"thingGroupName": name, "thingGroupProperties": PROPERTIES, "expectedVersion": 1}
    assert iot.update_thing_group(**input)["version"] == 2
    with refused("VersionConflictException", 409, name, "2", "1"):
        iot.update_thing_group(**input)
    assert iot.describe_thing_group(thingGroupName=name)["version"] == 2


def test_operations_on_an_unknown_group(iot, name):
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing_group(thingGroupName=name)
    with refused("ResourceNotFoundException", 404, name):
        iot.update_thing_group(thingGroupName=name, thingGroupProperties=PROPERTIES)
    with refused("ResourceNotFoundException", 404, name):
        iot.list_thing_groups(parentGroup=name)
    with refused("ResourceNotFoundException", 404, name):
        iot.list_things_in_thing_group(thingGroupName=name)


# --- delete ---


def test_delete(iot, name):
    make(iot, name)
    iot.delete_thing_group(thingGroupName=name)
    with refused("ResourceNotFoundException", 404, name):
        iot.describe_thing_group(thingGroupName=name)
    assert iot.delete_thing_group(thingGroupName=name)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_delete_with_an_expected_version(iot, name):
    make(iot, name)
    with refused("VersionConflictException", 409, name):
        iot.delete_thing_group(thingGroupName=name, expectedVersion=7)
    iot.delete_thing_group(thingGroupName=name, expectedVersion=1)


def test_delete_while_there_are_children(iot, name):
    child = make(iot, name, f"{name}-child")
    words = f"Cannot delete thing group : {name} when there are still child groups attached to it."
    with refused("InvalidRequestException", 400, words):
        iot.delete_thing_group(thingGroupName=name)
    iot.delete_thing_group(thingGroupName=child)
    iot.delete_thing_group(thingGroupName=name)


def test_things_stay_when_their_group_goes(iot, name):
    make(iot, name)
    iot.create_thing(thingName=name)
    iot.add_thing_to_thing_group(thingGroupName=name, thingName=name)
    iot.delete_thing_group(thingGroupName=name)
    assert iot.list_thing_groups_for_thing(thingName=name)["thingGroups"] == []
    make(iot, name)
    assert iot.list_things_in_thing_group(thingGroupName=name)["things"] == []


def test_tags_and_policies_go_with_the_group(iot, name):
    made = iot.create_thing_group(thingGroupName=name, tags=[{"Key": "a", "Value": "1"}])
    iot.create_policy(policyName=name, policyDocument=document())
    iot.attach_policy(policyName=name, target=made["thingGroupArn"])
    iot.delete_thing_group(thingGroupName=name)
    assert iot.list_targets_for_policy(policyName=name)["targets"] == []
    make(iot, name)
    assert iot.list_tags_for_resource(resourceArn=made["thingGroupArn"])["tags"] == []
    assert iot.list_attached_policies(target=made["thingGroupArn"])["policies"] == []


# --- list ---


@pytest.fixture
def tree(iot, name):
    """a has the children a-b (with a-b-c) and a-d; e is alone."""
    for path in ("a", "a-b", "a-b-c", "a-d", "e"):
        parent = path.rpartition("-")[0]
        make(iot, f"{name}-{path}", parent=f"{name}-{parent}" if parent else None)

    def called(*paths):
        return [f"{name}-{path}" for path in paths]

    return called


def test_list_with_all_filters(iot, name, tree):
    def found(**filters):
        return names(listed(iot, "list_thing_groups", "thingGroups", **filters))

    (a,) = tree("a")
    assert found(namePrefixFilter=f"{name}-") == tree("a", "a-b", "a-b-c", "a-d", "e")
    assert found(namePrefixFilter=f"{name}-", recursive=True) == tree("a", "a-b", "a-b-c", "a-d", "e")
    assert found(namePrefixFilter=f"{name}-", recursive=False) == tree("a", "e")
    assert found(parentGroup=a) == tree("a-b", "a-b-c", "a-d")
    assert found(parentGroup=a, recursive=False) == tree("a-b", "a-d")
    assert found(parentGroup=a, namePrefixFilter=f"{name}-a-b") == tree("a-b", "a-b-c")
    assert found(parentGroup=a, namePrefixFilter=f"{name}-a-b", recursive=False) == tree("a-b")
    assert found(namePrefixFilter=f"{name}-none") == []
    everything = found()
    assert [one for one in everything if one.startswith(f"{name}-")] == tree("a", "a-b", "a-b-c", "a-d", "e")
    assert everything == sorted(everything)


def test_list_tells_name_and_arn(iot, name):
    make(iot, name)
    groups = iot.list_thing_groups(namePrefixFilter=name)["thingGroups"]
    assert groups == [{"groupName": name, "groupArn": arn(f"thinggroup/{name}")}]


@pytest.mark.parametrize("filters", [{}, {"recursive": False}, {"recursive": True}])
def test_pages(iot, name, filters):
    parent = make(iot, name)
    for number in range(5):
        make(iot, f"{name}-{number}", f"{name}-{number}-below", parent=parent)
    whole = names(listed(iot, "list_thing_groups", "thingGroups", parentGroup=parent, **filters))
    few = {"PaginationConfig": {"PageSize": 2}}
    paged = names(listed(iot, "list_thing_groups", "thingGroups", parentGroup=parent, **filters, **few))
    assert paged == whole
    assert len(whole) == (5 if filters.get("recursive") is False else 10)


def test_pages_of_a_tree_that_changes(iot, name):
    """Each group that stays is told once, whatever comes and goes in between."""
    parent = make(iot, name)
    for one in "bdf":
        make(iot, f"{name}-{one}", f"{name}-{one}-x", parent=parent)
    page = iot.list_thing_groups(parentGroup=parent, maxResults=4)
    told = names(page["thingGroups"])
    assert told == [f"{name}-{one}" for one in ("b", "b-x", "d", "d-x")]
    iot.delete_thing_group(thingGroupName=f"{name}-d-x")
    iot.delete_thing_group(thingGroupName=f"{name}-d")
    for one in "ace":
        make(iot, f"{name}-{one}", parent=parent)
    rest = iot.list_thing_groups(parentGroup=parent, nextToken=page["nextToken"])
    assert names(rest["thingGroups"]) == [f"{name}-{one}" for one in ("e", "f", "f-x")]
    assert "nextToken" not in rest


@pytest.mark.parametrize("token", ["nonsense", "YS8vYg==", "YS9iL2MvZC9lL2YvZy9oL2k="])
def test_tokens_that_no_listing_gave(iot, name, token):
    parent = make(iot, name)
    with refused("InvalidRequestException", 400, "token"):
        iot.list_thing_groups(parentGroup=parent, nextToken=token)
    with refused("InvalidRequestException", 400, "token"):
        iot.list_things_in_thing_group(thingGroupName=parent, recursive=True, nextToken=token)
