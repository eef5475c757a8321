"""Policies of thing groups as devices feel them: of their groups and those above, and changed meanwhile."""

from __future__ import annotations

import itertools
import time

import pytest

from interop.devices import WITHIN, allow, deny, document, until
from interop.providers import ask, may_assume, trusting
from interop.test_https_publish import post
from interop.verdicts import NOT_AUTHORIZED, assert_cut_within, may_publish

NUMBERS = itertools.count(1)
PREFIX = "arn:aws:iot:us-east-1:000000000000:thinggroup/"


@pytest.fixture
def group(iot):
    """Makes a group with a policy of these statements, or none."""

    def make(*statements, parent=None):
        name = f"live-{next(NUMBERS)}"
        more = {"parentGroupName": parent} if parent else {}
        iot.create_thing_group(thingGroupName=name, **more)
        if statements:
            iot.create_policy(policyName=name, policyDocument=document(*statements))
            iot.attach_policy(policyName=name, target=PREFIX + name)
        return name

    return make


@pytest.fixture
def bare(device):
    """A device whose certificate may connect, and nothing else."""

    def make(**more):
        return device("bare", statements=[allow("Connect", "*")], **more)

    return make


def join(iot, one, group):
    iot.add_thing_to_thing_group(thingName=one.name, thingGroupName=group)


def test_the_policies_of_a_group_and_of_those_above(iot, group, bare):
    root = group(allow("Publish", "topic/root", "topic/secret"))
    middle = group(allow("Publish", "topic/${iot:Connection.Thing.ThingName}"), parent=root)
    leaf = group(deny("Publish", "topic/secret"), parent=middle)
    side = group(allow("Publish", "topic/side"), parent=root)
    assert side
    one = bare()
    join(iot, one, leaf)
    with one.online(version=5) as wire:
        assert may_publish(wire, "root")
        assert may_publish(wire, one.name)
        assert not may_publish(wire, "secret")
        assert not may_publish(wire, "side")


def test_a_client_id_that_is_not_the_things_name_gets_none(iot, group, bare):
    name = group(allow("Publish", "topic/g"))
    one, own = bare(), bare(exclusive=True)
    join(iot, one, name)
    join(iot, own, name)
    with one.online("another", version=5) as wire:
        assert not may_publish(wire, "g")
    with own.online("another", version=5) as wire:  # its thing is its own whatever the client id
        assert may_publish(wire, "g")


def test_a_group_can_let_a_device_in_at_all(iot, group, device):
    name = group(allow("Connect", "client/${iot:Connection.Thing.ThingName}"), allow("Publish", "topic/g"))
    one = device("none", statements=[])
    with one.wire() as wire:
        assert wire.connect(one.name, 5).code == NOT_AUTHORIZED
    join(iot, one, name)
    with one.online(version=5) as wire:
        assert may_publish(wire, "g")
        started = time.monotonic()
        iot.remove_thing_from_thing_group(thingName=one.name, thingGroupName=name)
        assert_cut_within(wire, started, NOT_AUTHORIZED)


def test_added_and_removed(iot, group, bare):
    name = group(allow("Publish", "topic/g"))
    one = bare()
    with one.online(version=5) as wire:
        assert not may_publish(wire, "g")
        join(iot, one, name)
        until(lambda: may_publish(wire, "g"), WITHIN)
        iot.update_thing_groups_for_thing(thingName=one.name, thingGroupsToRemove=[name])
        until(lambda: not may_publish(wire, "g"), WITHIN)


def test_attached_and_detached_above(iot, group, bare):
    root = group()
    leaf = group(parent=root)
    one = bare()
    join(iot, one, leaf)
    extra = f"{root}-extra"
    iot.create_policy(policyName=extra, policyDocument=document(allow("Publish", "topic/extra")))
    with one.online(version=5) as wire:
        assert not may_publish(wire, "extra")
        iot.attach_policy(policyName=extra, target=PREFIX + root)
        until(lambda: may_publish(wire, "extra"), WITHIN)
        narrower = document(deny("Publish", "topic/extra"))
        iot.create_policy_version(policyName=extra, policyDocument=narrower, setAsDefault=True)
        until(lambda: not may_publish(wire, "extra"), WITHIN)
        iot.set_default_policy_version(policyName=extra, policyVersionId="1")
        until(lambda: may_publish(wire, "extra"), WITHIN)
        iot.detach_policy(policyName=extra, target=PREFIX + root)
        until(lambda: not may_publish(wire, "extra"), WITHIN)


def test_a_group_is_deleted_and_made_again(iot, group, bare):
    name = group(allow("Publish", "topic/g"))
    one, bystander = bare(), bare()
    join(iot, one, name)
    with one.online(version=5) as wire, bystander.online(version=5) as other:
        assert may_publish(wire, "g")
        iot.delete_thing_group(thingGroupName=name)
        until(lambda: not may_publish(wire, "g"), WITHIN)
        iot.create_thing_group(thingGroupName=name)
        iot.attach_policy(policyName=name, target=PREFIX + name)
        join(iot, bystander, name)
        until(lambda: may_publish(other, "g"), WITHIN)
        assert not may_publish(wire, "g")  # of the new one it is no member
    with one.online(version=5) as wire:
        assert not may_publish(wire, "g")


def test_explain_names_the_policy_of_the_group(iot, own, group, bare):
    name = group(deny("Publish", "topic/secret", Sid="NotThat"))
    one = bare()
    join(iot, one, name)
    with one.online(version=5) as wire:
        assert not may_publish(wire, "secret")
    refusal = own.list_refusals(clientId=one.name)["refusals"][0]
    assert refusal["decision"] == "EXPLICIT_DENY"
    assert name in [policy["policyName"] for policy in refusal["policies"]]


def test_the_credentials_provider_goes_by_the_groups_of_the_thing_it_is_told(iot, node, group, bare):
    """AWS IoT Developer Guide, Authorizing direct calls: the thing's name is a header."""
    alias = f"groups-{next(NUMBERS)}"
    role = node.client("iam").create_role(RoleName=alias, AssumeRolePolicyDocument=trusting())["Role"]
    iot.create_role_alias(roleAlias=alias, roleArn=role["Arn"])
    name = group(*may_assume(alias))
    one = bare()
    join(iot, one, name)
    assert ask(node, one.identity, alias).status == 403
    assert ask(node, one.identity, alias, one.name).status == 200
    iot.remove_thing_from_thing_group(thingName=one.name, thingGroupName=name)
    until(lambda: ask(node, one.identity, alias, one.name).status == 403, WITHIN)


def test_https_publish_goes_by_the_groups_of_an_exclusive_thing(iot, node, group, bare, observer):
    """A request has no client id that could be a thing's name."""
    name = group(allow("Publish", "topic/https/g"))
    own, shared = bare(exclusive=True), bare()
    for one in (own, shared):
        join(iot, one, name)
    observer.subscribe("https/g")
    assert post(node, own.identity, "/topics/https/g?qos=1", b"hello").status == 200
    assert post(node, shared.identity, "/topics/https/g?qos=1").status == 403
    assert observer.message().payload == b"hello"
