"""Things in thing groups: add, remove, list both ways."""

from __future__ import annotations

import json

import pytest

from api.making import ACCOUNT, REGION, arn, listed, refused
from api.test_thing_groups import make, names


@pytest.fixture
def thing(iot, name):
    iot.create_thing(thingName=name)
    return name


def things(iot, group, **more):
    return listed(iot, "list_things_in_thing_group", "things", thingGroupName=group, **more)


def groups(iot, thing, **more):
    return names(listed(iot, "list_thing_groups_for_thing", "thingGroups", thingName=thing, **more))


def add(iot, thing, *into):
    for group in into:
        iot.add_thing_to_thing_group(thingName=thing, thingGroupName=group)


def test_add_list_both_ways_remove(iot, name, thing):
    make(iot, name)
    add(iot, thing, name)
    assert things(iot, name) == [thing]
    found = iot.list_thing_groups_for_thing(thingName=thing)["thingGroups"]
    assert found == [{"groupName": name, "groupArn": arn(f"thinggroup/{name}")}]
    iot.remove_thing_from_thing_group(thingName=thing, thingGroupName=name)
    assert things(iot, name) == []
    assert groups(iot, thing) == []


def test_by_arns(iot, name, thing):
    make(iot, name)
    both = {"thingArn": arn(f"thing/{thing}"), "thingGroupArn": arn(f"thinggroup/{name}")}
    iot.add_thing_to_thing_group(**both)
    assert things(iot, name) == [thing]
    iot.add_thing_to_thing_group(**both, thingName=thing, thingGroupName=name)
    iot.remove_thing_from_thing_group(**both)
    assert things(iot, name) == []


@pytest.mark.parametrize(
    "input, words",
    [
        ({}, "thingGroupName or thingGroupArn"),
        ({"thingGroupName": "g"}, "thingName or thingArn"),
        ({"thingGroupName": "g", "thingName": "t", "thingArn": arn("thing/other")}, "not the same"),
        ({"thingGroupArn": "nonsense", "thingName": "t"}, "thingGroupArn"),
        ({"thingGroupArn": arn("thing/g"), "thingName": "t"}, "thinggroup"),
        ({"thingGroupArn": arn("thinggroup/g", account="111111111111"), "thingName": "t"}, ACCOUNT),
        ({"thingGroupArn": arn("thinggroup/g", region="eu-west-1"), "thingName": "t"}, REGION),
    ],
)
def test_who_is_meant_must_be_clear(iot, input, words):
    for operation in (iot.add_thing_to_thing_group, iot.remove_thing_from_thing_group):
        with refused("InvalidRequestException", 400, words):
            operation(**input)


def test_add_and_remove_again(iot, name, thing):
    make(iot, name)
    for _ in range(2):
        add(iot, thing, name)
    assert things(iot, name) == [thing]
    for _ in range(2):
        iot.remove_thing_from_thing_group(thingName=thing, thingGroupName=name)
    assert groups(iot, thing) == []


def test_what_is_not_there(iot, name, thing):
    make(iot, name)
    for operation in (iot.add_thing_to_thing_group, iot.remove_thing_from_thing_group):
        with refused("ResourceNotFoundException", 404, "no-such-group"):
            operation(thingName=thing, thingGroupName="no-such-group")
        with refused("ResourceNotFoundException", 404, "no-such-thing"):
            operation(thingName="no-such-thing", thingGroupName=name)
    with refused("ResourceNotFoundException", 404, "no-such-thing"):
        iot.list_thing_groups_for_thing(thingName="no-such-thing")
    with refused("ResourceNotFoundException", 404, "no-such-thing"):
        iot.update_thing_groups_for_thing(thingName="no-such-thing", thingGroupsToAdd=[name])


def test_ten_groups_and_no_eleventh(iot, name, thing):
    for number in range(11):
        make(iot, f"{name}-{number}")
    for number in range(10):
        add(iot, thing, f"{name}-{number}")
    for override in (False, True):  # there is no dynamic group that could give way
        with refused("InvalidRequestException", 400, thing, "10"):
            iot.add_thing_to_thing_group(
                thingName=thing, thingGroupName=f"{name}-10", overrideDynamicGroups=override
            )
    add(iot, thing, f"{name}-9")
    iot.remove_thing_from_thing_group(thingName=thing, thingGroupName=f"{name}-3")
    add(iot, thing, f"{name}-10")


@pytest.mark.parametrize("first, second", [("root", "leaf"), ("leaf", "root"), ("leaf", "side")])
def test_one_group_of_a_hierarchy(iot, name, thing, first, second):
    make(iot, f"{name}-root", f"{name}-middle", f"{name}-leaf")
    make(iot, f"{name}-side", parent=f"{name}-root")
    add(iot, thing, f"{name}-{first}")
    with refused("InvalidRequestException", 400, f"{name}-{first}", f"{name}-{second}", f"{name}-root"):
        add(iot, thing, f"{name}-{second}")
    iot.update_thing_groups_for_thing(
        thingName=thing, thingGroupsToAdd=[f"{name}-{second}"], thingGroupsToRemove=[f"{name}-{first}"]
    )
    assert things(iot, f"{name}-{second}") == [thing]


def test_update_adds_and_removes_or_does_neither(iot, name, thing):
    for number in range(4):
        make(iot, f"{name}-{number}")
    add(iot, thing, f"{name}-0", f"{name}-1")
    with refused("ResourceNotFoundException", 404, "no-such-group"):
        iot.update_thing_groups_for_thing(
            thingName=thing,
            thingGroupsToAdd=[f"{name}-2", "no-such-group"],
            thingGroupsToRemove=[f"{name}-0"],
        )
    assert groups(iot, thing) == [f"{name}-0", f"{name}-1"]
    iot.update_thing_groups_for_thing(
        thingName=thing,
        thingGroupsToAdd=[f"{name}-1", f"{name}-2", f"{name}-2"],
        thingGroupsToRemove=[f"{name}-0", f"{name}-3"],
    )
    assert groups(iot, thing) == [f"{name}-1", f"{name}-2"]
    iot.update_thing_groups_for_thing(thingName=thing)


def test_update_that_cannot_be_meant(iot, name, thing):
    make(iot, name)
    with refused("InvalidRequestException", 400, "thingName"):
        iot.update_thing_groups_for_thing(thingGroupsToAdd=[name])
    with refused("InvalidRequestException", 400, name, "both"):
        iot.update_thing_groups_for_thing(
            thingName=thing, thingGroupsToAdd=[name], thingGroupsToRemove=[name]
        )
    with refused("InvalidRequestException", 400, "thingGroupsToRemove", "100"):
        iot.update_thing_groups_for_thing(
            thingName=thing, thingGroupsToRemove=[f"{name}-{number}" for number in range(101)]
        )


def test_a_deleted_thing_is_in_no_group(iot, name, thing):
    make(iot, name)
    add(iot, thing, name)
    iot.delete_thing(thingName=thing)
    assert things(iot, name) == []
    iot.create_thing(thingName=thing)
    assert groups(iot, thing) == []


def test_membership_does_not_touch_versions(iot, name, thing):
    make(iot, name)
    add(iot, thing, name)
    assert iot.describe_thing(thingName=thing)["version"] == 1
    assert iot.describe_thing_group(thingGroupName=name)["version"] == 1


# --- listings ---


def test_groups_without_their_ancestors(iot, name, thing):
    make(iot, f"{name}-a", f"{name}-b", f"{name}-c")
    make(iot, f"{name}-z")
    add(iot, thing, f"{name}-z", f"{name}-c")
    wanted = [f"{name}-c", f"{name}-z"]
    assert groups(iot, thing) == wanted
    assert groups(iot, thing, PaginationConfig={"PageSize": 1}) == wanted


@pytest.fixture
def hierarchy(iot, name):
    """name > b > c and name > d, with three things in each."""
    make(iot, name, f"{name}-b", f"{name}-c")
    make(iot, f"{name}-d", parent=name)
    wanted = []
    for group in (name, f"{name}-b", f"{name}-c", f"{name}-d"):
        for number in range(3):
            one = f"{group}-thing{number}"
            iot.create_thing(thingName=one)
            add(iot, one, group)
            wanted.append(one)
    return wanted


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 12])
def test_recursive_pages(iot, name, hierarchy, size):
    assert things(iot, name) == hierarchy[:3]
    pages = iot.get_paginator("list_things_in_thing_group").paginate(
        thingGroupName=name, recursive=True, PaginationConfig={"PageSize": size}
    )
    found = [page["things"] for page in pages]
    assert all(len(page) <= size for page in found)
    assert [thing for page in found for thing in page] == hierarchy


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages(iot, name, hierarchy, size):
    assert things(iot, name, PaginationConfig={"PageSize": size}) == hierarchy[:3]


def test_recursive_pages_while_groups_and_things_change(iot, name, hierarchy):
    page = iot.list_things_in_thing_group(thingGroupName=name, recursive=True, maxResults=5)
    assert page["things"] == hierarchy[:5]  # the next are those of c
    iot.delete_thing_group(thingGroupName=f"{name}-c")
    iot.delete_thing_group(thingGroupName=f"{name}-b")
    for number in (0, 9):
        one = f"{name}-d-new{number}"
        iot.create_thing(thingName=one)
        add(iot, one, f"{name}-d")
    rest = iot.list_things_in_thing_group(thingGroupName=name, recursive=True, nextToken=page["nextToken"])[
        "things"
    ]
    assert rest == [f"{name}-d-new0", f"{name}-d-new9", *hierarchy[9:]]


def test_a_token_leads_into_no_other_hierarchy(iot, name, hierarchy):
    """What a token names is told only if it is below the group that is asked for."""
    page = iot.list_things_in_thing_group(thingGroupName=name, recursive=True, maxResults=5)
    make(iot, f"{name}-x")
    found = iot.list_things_in_thing_group(
        thingGroupName=f"{name}-x", recursive=True, nextToken=page["nextToken"]
    )
    assert found["things"] == []


# --- who may ---


@pytest.fixture
def limited(node, iam, name):
    """A client that may do what its statements say."""

    def client(*statements):
        iam.create_user(UserName=name)
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return node.client(
            "iot", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
        )

    return client


def may(action, *resources):
    return {"Effect": "Allow", "Action": f"iot:{action}", "Resource": [arn(one) for one in resources]}


@pytest.mark.parametrize("by", ["names", "arns", "mixed"])
def test_adding_needs_a_right_on_both(iot, name, thing, limited, by):
    make(iot, name)
    make(iot, f"{name}-secret")
    iot.create_thing(thingName=f"{name}-other")
    client = limited(may("AddThingToThingGroup", f"thing/{thing}", f"thinggroup/{name}"))

    def input(one, group):
        thing_arn, group_arn = arn(f"thing/{one}"), arn(f"thinggroup/{group}")
        return {
            "names": {"thingName": one, "thingGroupName": group},
            "arns": {"thingArn": thing_arn, "thingGroupArn": group_arn},
            "mixed": {"thingArn": thing_arn, "thingGroupName": group},
        }[by]

    client.add_thing_to_thing_group(**input(thing, name))
    for one, group in ((thing, f"{name}-secret"), (f"{name}-other", name)):
        with refused("AccessDeniedException", 403, "iot:AddThingToThingGroup", modelled=False):
            client.add_thing_to_thing_group(**input(one, group))
    assert things(iot, f"{name}-secret") == []
    assert things(iot, name) == [thing]


def test_updating_needs_a_right_on_every_group(iot, name, thing, limited):
    for one in (name, f"{name}-secret"):
        make(iot, one)
    client = limited(
        may("UpdateThingGroupsForThing", f"thing/{thing}", f"thinggroup/{name}"),
        may("ListThingsInThingGroup", f"thinggroup/{name}"),
    )
    client.update_thing_groups_for_thing(thingName=thing, thingGroupsToAdd=[name])
    for member in ("thingGroupsToAdd", "thingGroupsToRemove"):
        with refused("AccessDeniedException", 403, f"{name}-secret", modelled=False):
            client.update_thing_groups_for_thing(thingName=thing, **{member: [f"{name}-secret"]})
    assert client.list_things_in_thing_group(thingGroupName=name)["things"] == [thing]
    with refused("AccessDeniedException", 403, f"{name}-secret", modelled=False):
        client.list_things_in_thing_group(thingGroupName=f"{name}-secret")


def test_audited(iot, sql, name, thing):
    make(iot, name)
    add(iot, thing, name)
    rows = sql(f"SELECT operation, resource, outcome FROM audit WHERE resource LIKE '%/{name}' ORDER BY seq")
    assert ("CreateThingGroup", arn(f"thinggroup/{name}"), "Success") in rows
    assert ("AddThingToThingGroup", arn(f"thing/{thing}"), "Success") in rows
