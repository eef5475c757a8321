"""Policies on thing groups: attach, detach, list both ways, along the hierarchy."""

from __future__ import annotations

import pytest

from api.making import arn, document, listed, refused
from api.test_thing_groups import make


@pytest.fixture
def group(iot, name):
    return arn(f"thinggroup/{make(iot, name)}")


@pytest.fixture
def policies(iot, name):
    names = [f"{name}-{number}" for number in range(3)]
    for one in names:
        iot.create_policy(policyName=one, policyDocument=document())
    return names


def attached(iot, target, **more):
    return [
        one["policyName"] for one in listed(iot, "list_attached_policies", "policies", target=target, **more)
    ]


def test_attach_list_both_ways_detach(iot, group, policies):
    policy = policies[0]
    for _ in range(2):
        iot.attach_policy(policyName=policy, target=group)
    found = iot.list_attached_policies(target=group)["policies"]
    assert found == [{"policyName": policy, "policyArn": arn(f"policy/{policy}")}]
    assert iot.list_targets_for_policy(policyName=policy)["targets"] == [group]
    iot.detach_policy(policyName=policy, target=group)
    assert attached(iot, group) == []


def test_the_older_operations_know_no_groups(iot, group, policies):
    """AWS: "The given ARN does not represent a cert"."""
    for operation in (iot.attach_principal_policy, iot.detach_principal_policy):
        with refused("InvalidRequestException", 400, group, "certificate"):
            operation(policyName=policies[0], principal=group)
    with refused("InvalidRequestException", 400, group, "certificate"):
        iot.list_principal_policies(principal=group)
    assert attached(iot, group) == []


def test_two_policies_and_no_third(iot, group, policies):
    for policy in policies[:2]:
        iot.attach_policy(policyName=policy, target=group)
    with refused("LimitExceededException", 410, group, "2"):
        iot.attach_policy(policyName=policies[2], target=group)
    iot.attach_policy(policyName=policies[1], target=group)


def test_a_policy_of_a_group_cannot_be_deleted(iot, group, policies):
    iot.attach_policy(policyName=policies[0], target=group)
    with refused("DeleteConflictException", 409, policies[0]):
        iot.delete_policy(policyName=policies[0])
    iot.detach_policy(policyName=policies[0], target=group)
    iot.delete_policy(policyName=policies[0])


def test_recursive_adds_those_of_the_ancestors(iot, name, policies):
    chain = [f"{name}-a", f"{name}-b", f"{name}-c"]
    make(iot, *chain)
    a, b, c = (arn(f"thinggroup/{one}") for one in chain)
    for policy, target in zip(policies, (c, b, a), strict=True):
        iot.attach_policy(policyName=policy, target=target)
    iot.attach_policy(policyName=policies[0], target=a)
    assert attached(iot, c) == policies[:1]
    assert attached(iot, c, recursive=True) == policies
    assert attached(iot, c, recursive=True, PaginationConfig={"PageSize": 1}) == policies
    assert attached(iot, a, recursive=True) == [policies[0], policies[2]]
    assert attached(iot, b, recursive=False) == policies[1:2]


def test_a_group_that_is_not_there(iot, policies):
    missing = arn("thinggroup/no-such-group")
    with refused("ResourceNotFoundException", 404, "no-such-group"):
        iot.attach_policy(policyName=policies[0], target=missing)
    with refused("ResourceNotFoundException", 404, "no-such-group"):
        iot.list_attached_policies(target=missing)


def test_a_group_is_no_principal_of_a_thing(iot, name, group):
    iot.create_thing(thingName=name)
    with refused("InvalidRequestException", 400, "thinggroup", "certificate"):
        iot.attach_thing_principal(thingName=name, principal=group)
