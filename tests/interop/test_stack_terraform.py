"""What Terraform's provider for AWS asks beyond building and tearing down, call by call, by boto3.

The sequences, and the errors and words that it acts on, are those of the provider's resources aws_iot_policy,
aws_iot_policy_attachment, aws_iot_thing, aws_iot_thing_principal_attachment, aws_iot_thing_group,
aws_iot_thing_type, aws_iot_certificate, aws_iot_provisioning_template, aws_iot_topic_rule, aws_iam_role and
aws_iam_user.
"""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from api.making import csr, document, not_implemented, refused, template, thing_resource
from interop.stack_registry import policy, trust
from nodes import running

MISSING = "ResourceNotFoundException"
ROLE = "arn:aws:iam::000000000000:role/terraform"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("terraform") / "node") as node:
        yield node


@pytest.fixture
def iam(node):
    return node.client("iam")


@pytest.fixture(scope="module")
def iot(node):
    return node.client("iot")


@pytest.fixture
def name(request):
    return request.node.name.removeprefix("test_").replace("_", "-")[:36]


def test_a_policy_is_pruned_when_it_is_full(iot, name):
    iot.create_policy(policyName=name, policyDocument=document("0"))
    for number in range(1, 8):
        new = {"policyName": name, "policyDocument": document(str(number)), "setAsDefault": True}
        try:
            iot.create_policy_version(**new)
        except iot.exceptions.VersionsLimitExceededException:
            versions = iot.list_policy_versions(policyName=name)["policyVersions"]
            lowest = min(int(one["versionId"]) for one in versions if not one["isDefaultVersion"])
            iot.delete_policy_version(policyName=name, policyVersionId=str(lowest))
            iot.create_policy_version(**new)
    assert iot.get_policy(policyName=name)["policyDocument"] == document("7")
    for one in iot.list_policy_versions(policyName=name)["policyVersions"]:
        if not one["isDefaultVersion"]:
            iot.delete_policy_version(policyName=name, policyVersionId=one["versionId"])
    iot.delete_policy(policyName=name)
    with refused(MISSING, 404):
        iot.list_policy_versions(policyName=name)


def test_what_hung_on_a_certificate_is_gone_with_it(iot, name):
    made = iot.create_certificate_from_csr(certificateSigningRequest=csr(name), setAsActive=True)
    arn, id = made["certificateArn"], made["certificateId"]
    iot.create_policy(policyName=name, policyDocument=document("a"))
    iot.create_thing(thingName=name)
    iot.attach_policy(policyName=name, target=arn)
    iot.attach_thing_principal(thingName=name, principal=arn)
    found = iot.list_attached_policies(target=arn, pageSize=250, recursive=False)["policies"]
    assert [one["policyName"] for one in found] == [name]
    found = iot.list_thing_principals_v2(thingName=name)["thingPrincipalObjects"]
    assert found == [{"principal": arn, "thingPrincipalType": "NON_EXCLUSIVE_THING"}]
    with refused("DeleteConflictException", 409):
        iot.delete_policy(policyName=name)
    iot.update_certificate(certificateId=id, newStatus="INACTIVE")
    with refused("DeleteConflictException", 409):
        iot.delete_certificate(certificateId=id)
    iot.detach_thing_principal(thingName=name, principal=arn)
    iot.detach_policy(policyName=name, target=arn)
    iot.delete_certificate(certificateId=id)
    for again in (
        lambda: iot.describe_certificate(certificateId=id),
        lambda: iot.update_certificate(certificateId=id, newStatus="INACTIVE"),
        lambda: iot.delete_certificate(certificateId=id),
        lambda: iot.detach_thing_principal(thingName=name, principal=arn),
    ):
        with refused(MISSING, 404):
            again()
    iot.delete_policy(policyName=name)


def test_attributes_are_taken_away_by_none(iot, name):
    some = {"attributePayload": {"attributes": {"a": "1"}}}
    none = {"attributePayload": {"attributes": {}}}
    iot.create_thing(thingName=name, **some)
    iot.update_thing(thingName=name, **none)
    assert iot.describe_thing(thingName=name)["attributes"] == {}
    iot.create_thing_group(thingGroupName=name, thingGroupProperties=some)
    iot.update_thing_group(thingGroupName=name, thingGroupProperties=none, expectedVersion=1)
    found = iot.describe_thing_group(thingGroupName=name)
    assert not found["thingGroupProperties"].get("attributePayload", {}).get("attributes")
    assert found["version"] == 2


def test_a_group_is_not_deleted_before_its_children(iot, name):
    iot.create_thing_group(thingGroupName=name)
    iot.create_thing_group(thingGroupName=f"{name}-child", parentGroupName=name)
    with refused("InvalidRequestException", 400, "there are still child groups attached"):
        iot.delete_thing_group(thingGroupName=name)
    for one in (f"{name}-child", name):
        iot.delete_thing_group(thingGroupName=one)
    with refused(MISSING, 404):
        iot.describe_thing_group(thingGroupName=name)


def test_a_type_is_deleted_five_minutes_after_its_deprecation(node, iot, name):
    iot.create_thing_type(thingTypeName=name)
    for _ in range(2):  # also what is deprecated already
        iot.deprecate_thing_type(thingTypeName=name)
    with refused(
        "InvalidRequestException", 400, "Please wait for 5 minutes after deprecation and then retry"
    ):
        iot.delete_thing_type(thingTypeName=name)
    own = node.client("sekisho")
    own.set_clock(advanceSeconds=301)
    try:
        iot.delete_thing_type(thingTypeName=name)
    finally:
        own.set_clock(reset=True)
    with refused(MISSING, 404):
        iot.describe_thing_type(thingTypeName=name)


def test_a_template_is_deleted_with_its_versions(iot, name):
    body = template({"thing": thing_resource()}, "Name")
    made = {"templateName": name, "templateBody": body, "provisioningRoleArn": ROLE, "enabled": False}
    iot.create_provisioning_template(**made)
    for _ in range(2):
        iot.create_provisioning_template_version(templateName=name, templateBody=body, setAsDefault=True)
    iot.update_provisioning_template(
        templateName=name, description="", enabled=True, provisioningRoleArn=ROLE
    )
    found = iot.describe_provisioning_template(templateName=name)
    assert (found["defaultVersionId"], found["enabled"]) == (3, True)
    iot.delete_provisioning_template(templateName=name)
    with refused(MISSING, 404):
        iot.delete_provisioning_template(templateName=name)


def test_rules_say_that_they_are_not_there(iot, name):
    with not_implemented("CreateTopicRule"):
        iot.create_topic_rule(ruleName="rule", topicRulePayload={"sql": "SELECT 1", "actions": []})
    with not_implemented("ListTopicRules"):
        iot.list_topic_rules()


def test_a_role_goes_when_nothing_holds_it(iam, name):
    named = {"RoleName": name}
    iam.create_role(**named, AssumeRolePolicyDocument=json.dumps(trust("iot.amazonaws.com")), Path="/")
    assert iam.get_role(**named)["Role"]["Arn"] == f"arn:aws:iam::000000000000:role/{name}"
    iam.put_role_policy(**named, PolicyName="inline", PolicyDocument=policy("a"))
    iam.create_instance_profile(InstanceProfileName=name, Path="/")
    iam.add_role_to_instance_profile(InstanceProfileName=name, **named)
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_role(**named)
    for profile in iam.list_instance_profiles_for_role(**named)["InstanceProfiles"]:
        of = {"InstanceProfileName": profile["InstanceProfileName"]}
        iam.remove_role_from_instance_profile(**of, **named)
    for one in iam.list_attached_role_policies(**named)["AttachedPolicies"]:
        iam.detach_role_policy(**named, PolicyArn=one["PolicyArn"])
    for one in iam.list_role_policies(**named)["PolicyNames"]:
        iam.delete_role_policy(**named, PolicyName=one)
    iam.delete_role(**named)
    for again in (lambda: iam.get_role(**named), lambda: iam.delete_role(**named)):
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            again()


def test_a_user_goes_with_force(iam, name):
    named = {"UserName": name}
    iam.create_user(**named)
    key = iam.create_access_key(**named)["AccessKey"]["AccessKeyId"]
    assert iam.list_groups_for_user(**named)["Groups"] == []
    iam.delete_access_key(**named, AccessKeyId=key)
    assert iam.list_ssh_public_keys(**named)["SSHPublicKeys"] == []
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"] == []
    assert iam.list_mfa_devices(**named)["MFADevices"] == []
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.delete_login_profile(**named)
    assert iam.list_signing_certificates(**named)["Certificates"] == []
    assert iam.list_service_specific_credentials(**named)["ServiceSpecificCredentials"] == []
    iam.delete_user(**named)
