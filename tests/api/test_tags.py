"""Tags of policies, thing types, groups and provisioning templates."""

from __future__ import annotations

import pytest

from api.making import ROLE, arn, document, refused, template, thing_resource

TEMPLATE = template({"thing": thing_resource()}, "Name")


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tags_of(iot, resource):
    found = iot.list_tags_for_resource(resourceArn=resource)["tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


@pytest.fixture
def policy(iot, name):
    return iot.create_policy(policyName=name, policyDocument=document())["policyArn"]


def test_tags_given_at_creation(iot, name):
    wanted = {"stage": "test", "owner": "ops"}
    given = tags(**wanted)
    made = [
        iot.create_policy(policyName=name, policyDocument=document(), tags=given)["policyArn"],
        iot.create_thing_type(thingTypeName=name, tags=given)["thingTypeArn"],
        iot.create_thing_group(thingGroupName=name, tags=given)["thingGroupArn"],
        iot.create_billing_group(billingGroupName=name, tags=given)["billingGroupArn"],
        iot.create_provisioning_template(
            templateName=name, templateBody=TEMPLATE, provisioningRoleArn=ROLE, tags=given
        )["templateArn"],
    ]
    for resource in made:
        assert tags_of(iot, resource) == wanted


def test_a_resource_without_tags(iot, policy):
    assert iot.list_tags_for_resource(resourceArn=policy)["tags"] == []


def test_tag_adds_and_overwrites(iot, policy):
    iot.tag_resource(resourceArn=policy, tags=tags(a="1", b="2"))
    iot.tag_resource(resourceArn=policy, tags=tags(b="3", c=""))
    assert tags_of(iot, policy) == {"a": "1", "b": "3", "c": ""}


def test_untag(iot, policy):
    iot.tag_resource(resourceArn=policy, tags=tags(a="1", b="2"))
    iot.untag_resource(resourceArn=policy, tagKeys=["a", "never-there"])
    assert tags_of(iot, policy) == {"b": "2"}


def test_keys_and_values_of_every_kind(iot, policy):
    wanted = {"größe:x/y=z+-@._ a": "any text at all: \U0001f600 {}"}
    iot.tag_resource(resourceArn=policy, tags=tags(**wanted))
    assert tags_of(iot, policy) == wanted


def test_fifty_tags_and_not_one_more(iot, policy):
    wanted = {f"k{number:02}": "v" for number in range(50)}
    iot.tag_resource(resourceArn=policy, tags=tags(**wanted))
    with refused("LimitExceededException", 410, "50"):
        iot.tag_resource(resourceArn=policy, tags=tags(one="more"))
    iot.tag_resource(resourceArn=policy, tags=tags(k00="changed"))
    assert tags_of(iot, policy) == wanted | {"k00": "changed"}


def test_too_many_tags_at_creation_create_nothing(iot, name):
    given = tags(**{f"k{number}": "v" for number in range(51)})
    with refused("LimitExceededException", 410, "50", modelled=True):
        iot.create_policy(policyName=name, policyDocument=document(), tags=given)
    with refused("ResourceNotFoundException", 404):
        iot.get_policy(policyName=name)


@pytest.mark.parametrize("key, value", [("k" * 129, ""), ("semi;colon", ""), ("a", "v" * 257)])
def test_tags_of_forbidden_form(iot, policy, key, value):
    with refused("InvalidRequestException", 400, "1 validation error detected", "tags.1.member"):
        iot.tag_resource(resourceArn=policy, tags=tags(**{key: value}))


def test_keys_are_given_once_and_are_not_those_of_aws(iot, name, policy):
    twice = [*tags(a="1"), *tags(a="2")]
    for given, words in ((twice, "the tag a is there 2 times"), (tags(**{"AWS:x": "1"}), "AWS:x")):
        with refused("InvalidRequestException", 400, words):
            iot.tag_resource(resourceArn=policy, tags=given)
        with refused("InvalidRequestException", 400, words):
            iot.create_thing_group(thingGroupName=name, tags=given)
    with refused("ValidationException", 400, "AWS:x"):
        iot.create_package(packageName=name, tags={"AWS:x": "1"})


def test_tags_go_with_their_resource(iot, name, policy):
    iot.tag_resource(resourceArn=policy, tags=tags(a="1"))
    iot.delete_policy(policyName=name)
    with refused("ResourceNotFoundException", 404):
        iot.list_tags_for_resource(resourceArn=policy)
    iot.create_policy(policyName=name, policyDocument=document())
    assert tags_of(iot, policy) == {}


def test_unknown_resources(iot, name):
    unknown = [
        arn(f"policy/{name}"),
        arn(f"policy/{name}", account="111111111111"),
        arn(f"thingtype/{name}", region="eu-west-1"),
        arn("policy/\x00"),
    ]
    for resource in unknown:
        with refused("ResourceNotFoundException", 404):
            iot.tag_resource(resourceArn=resource, tags=tags(a="1"))
        with refused("ResourceNotFoundException", 404):
            iot.untag_resource(resourceArn=resource, tagKeys=["a"])
        with refused("ResourceNotFoundException", 404):
            iot.list_tags_for_resource(resourceArn=resource)


def test_resources_that_have_no_tags(iot, name):
    iot.create_thing(thingName=name)
    with refused("InvalidRequestException", 400, "thing"):
        iot.tag_resource(resourceArn=arn(f"thing/{name}"), tags=tags(a="1"))


@pytest.mark.parametrize("text", ["nonsense", "arn:aws:iot", ""])
def test_what_is_no_arn(iot, text):
    with refused("InvalidRequestException", 400, "resourceArn"):
        iot.list_tags_for_resource(resourceArn=text)
