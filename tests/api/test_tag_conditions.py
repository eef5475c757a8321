"""Policies about tags: those that a request brings, and those of the resource that it is about."""

from __future__ import annotations

import pytest

from api.callers import policy
from api.making import arn, refused
from api.test_sts import denied, user

PROD, TEST = [{"Key": "env", "Value": "prod"}], [{"Key": "env", "Value": "test"}]


def when(operator, **keys):
    return {
        "Condition": {operator: {key.replace("__", ":").replace("_of_", "/"): v for key, v in keys.items()}}
    }


@pytest.fixture
def guide(node, iam, name):
    """The example of AWS's guide: nothing that has the tag env=prod, and nothing that is to have it."""
    everything = [
        "iot:CreateThingGroup",
        "iot:DeleteThingGroup",
        "iot:DescribeThingGroup",
        "iot:UpdateThingGroup",
    ]
    new = policy("iot:CreateThingGroup", effect="Deny", **when("StringEquals", aws__RequestTag_of_env="prod"))
    old = policy(*everything, effect="Deny", **when("StringEquals", aws__ResourceTag_of_env="prod"))
    return user(node, iam, name, new, old, policy(*everything, "iot:UntagResource"))("iot")


def test_what_has_a_tag_can_be_kept_from_a_user(iot, guide, name):
    guide.create_thing_group(thingGroupName=f"{name}-test", tags=TEST)
    iot.create_thing_group(thingGroupName=f"{name}-prod", tags=PROD)
    change = {"thingGroupProperties": {"thingGroupDescription": "d"}}
    for operation, more in (("describe", {}), ("update", change), ("delete", {})):
        call = getattr(guide, f"{operation}_thing_group")
        call(thingGroupName=f"{name}-test", **more)
        with denied(arn(f"thinggroup/{name}-prod")):
            call(thingGroupName=f"{name}-prod", **more)


def test_what_is_made_can_be_told_by_the_tags_that_it_gets(guide, name):
    with denied("iot:CreateThingGroup"):
        guide.create_thing_group(thingGroupName=name, tags=PROD)
    guide.create_thing_group(thingGroupName=name, tags=TEST)


def test_a_tag_counts_from_the_moment_that_it_is_there(iot, guide, name):
    guide.create_thing_group(thingGroupName=name)
    guide.describe_thing_group(thingGroupName=name)
    iot.tag_resource(resourceArn=arn(f"thinggroup/{name}"), tags=PROD)
    with denied(name):
        guide.describe_thing_group(thingGroupName=name)
    guide.untag_resource(resourceArn=arn(f"thinggroup/{name}"), tagKeys=["env"])
    guide.describe_thing_group(thingGroupName=name)


def test_who_may_do_only_what_is_tagged(node, iam, iot, name):
    who = user(node, iam, name, policy("iot:*", **when("StringEquals", aws__ResourceTag_of_team="a")))("iot")
    iot.create_billing_group(billingGroupName=f"{name}-a", tags=[{"Key": "team", "Value": "a"}])
    iot.create_billing_group(billingGroupName=f"{name}-b", tags=[{"Key": "team", "Value": "b"}])
    iot.create_billing_group(billingGroupName=f"{name}-c")
    assert who.describe_billing_group(billingGroupName=f"{name}-a")["version"] == 1
    for other in ("b", "c"):
        with denied(f"{name}-{other}"):
            who.describe_billing_group(billingGroupName=f"{name}-{other}")
    with denied():
        who.list_billing_groups()


def test_keys_of_tags(node, iam, iot, name):
    keys = when("ForAllValues:StringEquals", aws__TagKeys=["env", "team"])
    who = user(node, iam, name, policy("iot:*", **keys))("iot")
    who.create_thing_type(thingTypeName=name, tags=TEST)
    resource = arn(f"thingtype/{name}")
    who.tag_resource(resourceArn=resource, tags=[{"Key": "team"}])
    for tags in ([{"Key": "owner", "Value": "x"}], [*TEST, {"Key": "owner", "Value": "x"}]):
        with denied("iot:TagResource"):
            who.tag_resource(resourceArn=resource, tags=tags)
    iot.tag_resource(resourceArn=resource, tags=[{"Key": "owner", "Value": "x"}])
    with denied("iot:UntagResource"):
        who.untag_resource(resourceArn=resource, tagKeys=["owner"])
    who.untag_resource(resourceArn=resource, tagKeys=["team"])
    tags = iot.list_tags_for_resource(resourceArn=resource)["tags"]
    assert tags == [*TEST, {"Key": "owner", "Value": "x"}]


def test_tags_as_a_map_and_of_other_services(node, iam, name):
    without = policy("*", **when("Null", aws__RequestTag_of_cost="true"))
    who = user(node, iam, name, without)
    with denied("iot:CreatePackage"):
        who("iot").create_package(packageName=name, tags={"cost": "1"})
    with refused("AccessDeniedException", 400, "acm:RequestCertificate"):
        who("acm").request_certificate(DomainName="x.example.com", Tags=[{"Key": "cost", "Value": "1"}])
    who("iot").create_package(packageName=name, tags={"other": "1"})


def test_of_several_resources_each_has_tags_of_its_own(node, iam, iot, name):
    deny = policy(
        "iot:AddThingToThingGroup", effect="Deny", **when("StringEquals", aws__ResourceTag_of_env="prod")
    )
    who = user(node, iam, name, deny, policy("iot:*"))("iot")
    iot.create_thing(thingName=name)
    iot.create_thing_group(thingGroupName=f"{name}-prod", tags=PROD)
    iot.create_thing_group(thingGroupName=f"{name}-test", tags=TEST)
    with denied(f"{name}-prod"):
        who.add_thing_to_thing_group(thingName=name, thingGroupName=f"{name}-prod")
    who.add_thing_to_thing_group(thingName=name, thingGroupName=f"{name}-test")


def test_addresses_of_things_can_be_kept_from_a_user(node, iam, iot, name):
    """Device connectivity status queries: the key is there without the member, too."""
    without = policy("iot:GetThingConnectivityData", **when("Bool", iot__IncludeSocketInformation="false"))
    who = user(node, iam, name, without)("iot")
    for allowed in ({}, {"includeSocketInformation": False}):
        with refused("IndexNotReadyException", 400):
            who.get_thing_connectivity_data(thingName=name, **allowed)
    with denied("iot:GetThingConnectivityData"):
        who.get_thing_connectivity_data(thingName=name, includeSocketInformation=True)
