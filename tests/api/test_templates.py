"""Provisioning templates and their versions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from api.making import ROLE, arn, listed, refused, template, thing_resource


def body(attribute: str = "one") -> str:
    return template({"thing": thing_resource(AttributePayload={"a": attribute})}, "Name")


@pytest.fixture
def made(iot, name):
    iot.create_provisioning_template(templateName=name, templateBody=body(), provisioningRoleArn=ROLE)
    return name


def versions(iot, name):
    found = listed(iot, "list_provisioning_template_versions", "versions", templateName=name)
    return {one["versionId"]: one["isDefaultVersion"] for one in found}


def test_create_then_describe(iot, name):
    before = datetime.now(UTC) - timedelta(seconds=1)
    answer = iot.create_provisioning_template(
        templateName=name,
        templateBody=body(),
        provisioningRoleArn=ROLE,
        description="for bulbs",
        enabled=True,
        type="FLEET_PROVISIONING",
    )
    answer.pop("ResponseMetadata")
    template_arn = arn(f"provisioningtemplate/{name}")
    assert answer == {"templateName": name, "templateArn": template_arn, "defaultVersionId": 1}
    found = iot.describe_provisioning_template(templateName=name)
    found.pop("ResponseMetadata")
    assert before < found.pop("creationDate") <= found.pop("lastModifiedDate") <= datetime.now(UTC)
    assert found == answer | {
        "description": "for bulbs",
        "templateBody": body(),
        "enabled": True,
        "provisioningRoleArn": ROLE,
        "type": "FLEET_PROVISIONING",
    }


def test_what_is_not_given(iot, made):
    found = iot.describe_provisioning_template(templateName=made)
    assert found["enabled"] is False
    assert found["type"] == "FLEET_PROVISIONING"
    assert "description" not in found


def test_create_again(iot, made):
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException) as caught:
        iot.create_provisioning_template(templateName=made, templateBody=body(), provisioningRoleArn=ROLE)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert caught.value.response["resourceArn"] == arn(f"provisioningtemplate/{made}")


@pytest.mark.parametrize("bad", ["with space", "a/b", "x" * 37])
def test_a_name_of_forbidden_form(iot, bad):
    with refused("InvalidRequestException", 400, "templateName"):
        iot.create_provisioning_template(templateName=bad, templateBody=body(), provisioningRoleArn=ROLE)


def test_update(iot, made):
    role = ROLE.replace("provisioning", "other")
    iot.create_provisioning_template_version(templateName=made, templateBody=body("two"))
    iot.update_provisioning_template(
        templateName=made, description="new", enabled=True, provisioningRoleArn=role, defaultVersionId=2
    )
    found = iot.describe_provisioning_template(templateName=made)
    assert (found["description"], found["enabled"], found["provisioningRoleArn"]) == ("new", True, role)
    assert (found["defaultVersionId"], found["templateBody"]) == (2, body("two"))
    iot.update_provisioning_template(templateName=made, enabled=False)
    found = iot.describe_provisioning_template(templateName=made)
    assert (found["description"], found["enabled"], found["defaultVersionId"]) == ("new", False, 2)


def test_update_to_an_unknown_version(iot, made):
    with refused("ResourceNotFoundException", 404, made, "9"):
        iot.update_provisioning_template(templateName=made, defaultVersionId=9)


def test_versions(iot, made):
    answer = iot.create_provisioning_template_version(templateName=made, templateBody=body("two"))
    answer.pop("ResponseMetadata")
    assert answer == {
        "templateArn": arn(f"provisioningtemplate/{made}"),
        "templateName": made,
        "versionId": 2,
        "isDefaultVersion": False,
    }
    answer = iot.create_provisioning_template_version(
        templateName=made, templateBody=body("three"), setAsDefault=True
    )
    assert (answer["versionId"], answer["isDefaultVersion"]) == (3, True)
    assert versions(iot, made) == {1: False, 2: False, 3: True}
    assert iot.describe_provisioning_template(templateName=made)["templateBody"] == body("three")


def test_describe_a_version(iot, made):
    iot.create_provisioning_template_version(templateName=made, templateBody=body("two"))
    found = iot.describe_provisioning_template_version(templateName=made, versionId=2)
    assert (found["versionId"], found["templateBody"], found["isDefaultVersion"]) == (2, body("two"), False)
    assert found["creationDate"] <= datetime.now(UTC)
    found = iot.describe_provisioning_template_version(templateName=made, versionId=1)
    assert (found["templateBody"], found["isDefaultVersion"]) == (body(), True)


def test_five_versions_and_not_one_more(iot, made):
    for number in range(2, 6):
        iot.create_provisioning_template_version(templateName=made, templateBody=body(str(number)))
    with refused("VersionsLimitExceededException", 409, made, "5"):
        iot.create_provisioning_template_version(templateName=made, templateBody=body("6"))
    assert set(versions(iot, made)) == {1, 2, 3, 4, 5}


def test_delete_a_version(iot, made):
    iot.create_provisioning_template_version(templateName=made, templateBody=body("two"))
    with refused("DeleteConflictException", 409, made):
        iot.delete_provisioning_template_version(templateName=made, versionId=1)
    iot.delete_provisioning_template_version(templateName=made, versionId=2)
    assert versions(iot, made) == {1: True}
    again = iot.create_provisioning_template_version(templateName=made, templateBody=body("three"))
    assert again["versionId"] == 3


def test_delete(iot, made):
    iot.delete_provisioning_template(templateName=made)
    with refused("ResourceNotFoundException", 404, made):
        iot.describe_provisioning_template(templateName=made)


def test_delete_with_all_versions(iot, made):
    iot.create_provisioning_template_version(templateName=made, templateBody=body("two"), setAsDefault=True)
    iot.delete_provisioning_template(templateName=made)
    with refused("ResourceNotFoundException", 404, made):
        iot.describe_provisioning_template_version(templateName=made, versionId=1)


def test_unknown_templates_and_versions(iot, name, made):
    other = f"{name[:30]}-no"
    for call in (
        iot.describe_provisioning_template,
        iot.delete_provisioning_template,
        iot.update_provisioning_template,
        iot.list_provisioning_template_versions,
    ):
        with refused("ResourceNotFoundException", 404, other):
            call(templateName=other)
    with refused("ResourceNotFoundException", 404, other):
        iot.create_provisioning_template_version(templateName=other, templateBody=body())
    for call in (iot.describe_provisioning_template_version, iot.delete_provisioning_template_version):
        with refused("ResourceNotFoundException", 404, made, "8"):
            call(templateName=made, versionId=8)


def test_list(iot, made):
    found = [
        one for one in listed(iot, "list_provisioning_templates", "templates") if one["templateName"] == made
    ]
    assert len(found) == 1
    assert found[0].pop("creationDate") == found[0].pop("lastModifiedDate")
    assert found == [
        {
            "templateArn": arn(f"provisioningtemplate/{made}"),
            "templateName": made,
            "enabled": False,
            "type": "FLEET_PROVISIONING",
        }
    ]


def test_just_in_time_templates_have_parameters_of_their_own(iot, name):
    resources = {
        "thing": {
            "Type": "AWS::IoT::Thing",
            "Properties": {"ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"}},
        }
    }
    text = json.dumps(
        {"Parameters": {"AWS::IoT::Certificate::CommonName": {"Type": "String"}}, "Resources": resources}
    )
    iot.create_provisioning_template(
        templateName=name, templateBody=text, provisioningRoleArn=ROLE, type="JITP"
    )
    assert iot.describe_provisioning_template(templateName=name)["type"] == "JITP"
    with refused("InvalidRequestException", 400, "Serial"):
        text = template({"thing": thing_resource()}, "Serial")
        iot.create_provisioning_template_version(templateName=name, templateBody=text)


THING = thing_resource()


@pytest.mark.parametrize(
    "text, word",
    [
        ("not json", "not JSON"),
        ("[]", "list"),
        ("{}", "Resources"),
        (template({"thing": THING}), "Name"),
        (json.dumps({"Conditions": {}, "Resources": {}}), "Conditions"),
        (template({"thing": thing_resource(ThingName={"Fn::Equals": ["a", "b"]})}, "Name"), "Fn::Equals"),
        (template({"thing": thing_resource(ThingName={"Ref": "Other"})}, "Name"), "Other"),
        (template({"thing": thing_resource(Colour="red")}, "Name"), "Colour"),
        (template({"bucket": {"Type": "AWS::S3::Bucket", "Properties": {}}}), "AWS::S3::Bucket"),
        (template({"a": THING, "b": THING}, "Name"), "at most one"),
        (
            template({"thing": THING | {"OverrideSettings": {"AttributePayload": "SOMETIMES"}}}, "Name"),
            "SOMETIMES",
        ),
        (template({"p": {"Type": "AWS::IoT::Policy", "Properties": {}}}), "PolicyName"),
        (
            template({"c": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificatePem": "x"}}}),
            "CertificatePem",
        ),
    ],
)
def test_a_bad_template_is_named(iot, name, made, text, word):
    with refused("InvalidRequestException", 400, word):
        iot.create_provisioning_template(
            templateName=f"{name[:32]}-2", templateBody=text, provisioningRoleArn=ROLE
        )
    with refused("InvalidRequestException", 400, word):
        iot.create_provisioning_template_version(templateName=made, templateBody=text)
    assert versions(iot, made) == {1: True}


def test_a_template_beyond_10_kilobytes(iot, name):
    with refused("InvalidRequestException", 400, "templateBody", "10240"):
        iot.create_provisioning_template(
            templateName=name, templateBody=body() + " " * 10240, provisioningRoleArn=ROLE
        )
