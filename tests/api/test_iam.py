"""Roles, users and managed policies as boto3 and Terraform make, read back and delete them."""

from __future__ import annotations

import contextlib
import json

import pytest
from botocore.exceptions import ClientError

from api.callers import policy, role, trust
from api.making import ACCOUNT, UNCHECKED, listed, not_implemented, refused


@contextlib.contextmanager
def failing(exception, status, *words):
    """boto3 raises that class; IAM's codes go without its ending."""
    with pytest.raises(ClientError) as caught:
        yield
    response = caught.value.response
    code = exception.removesuffix("Exception")
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert type(caught.value).__name__ == ("ClientError" if code == "AccessDenied" else exception)
    for word in words:
        assert word in response["Error"]["Message"]


# --- roles ---


def test_a_role_as_terraform_makes_and_deletes_it(iam, name):
    tags = [{"Key": "site", "Value": "tokyo"}, {"Key": "team", "Value": ""}]
    made = role(iam, name, Path="/fleet/", Description="d", MaxSessionDuration=7200, Tags=tags)
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/fleet/{name}"
    assert made["RoleId"].startswith("AROA")
    assert len(made["RoleId"]) == 21
    read = iam.get_role(RoleName=name)["Role"]
    assert read["AssumeRolePolicyDocument"] == json.loads(trust())
    assert (read["Path"], read["Description"], read["MaxSessionDuration"]) == ("/fleet/", "d", 7200)
    assert read["Tags"] == tags
    assert read["CreateDate"] == made["CreateDate"]
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == []
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    assert iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"] == []
    assert iam.list_role_tags(RoleName=name)["Tags"] == tags
    iam.delete_role(RoleName=name)
    with failing("NoSuchEntityException", 404, name):
        iam.get_role(RoleName=name)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.delete_role(RoleName=name)


def test_defaults_of_a_role(iam, name):
    made = role(iam, name)
    assert (made["Path"], made["MaxSessionDuration"]) == ("/", 3600)
    assert "Description" not in made
    assert "Tags" not in made


def test_names_do_not_differ_by_case_alone(iam, name):
    role(iam, name)
    with failing("EntityAlreadyExistsException", 409, name.upper()):
        role(iam, name.upper())
    with failing("NoSuchEntityException", 404):
        iam.get_role(RoleName=name.upper())


def test_a_role_is_updated(iam, name):
    role(iam, name, Description="before")
    iam.update_role(RoleName=name, MaxSessionDuration=43200)
    read = iam.get_role(RoleName=name)["Role"]
    assert (read["Description"], read["MaxSessionDuration"]) == ("before", 43200)
    assert iam.update_role_description(RoleName=name, Description="after")["Role"]["Description"] == "after"
    other = trust({"AWS": ACCOUNT})
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=other)
    assert iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"] == json.loads(other)


def test_a_role_with_policies_is_not_deleted(iam, name):
    role(iam, name)
    arn = iam.create_policy(PolicyName=name, PolicyDocument=policy("iot:*"))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy("iot:*"))
    with failing("DeleteConflictException", 409, "must detach all policies first"):
        iam.delete_role(RoleName=name)
    iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    with failing("DeleteConflictException", 409, "must delete policies first"):
        iam.delete_role(RoleName=name)
    iam.delete_role_policy(RoleName=name, PolicyName="inline")
    iam.delete_role(RoleName=name)


def test_tags_of_a_role(iam, name):
    role(iam, name, Tags=[{"Key": "a", "Value": "1"}])
    iam.tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    iam.untag_role(RoleName=name, TagKeys=["a", "unknown"])
    assert iam.list_role_tags(RoleName=name)["Tags"] == [{"Key": "b", "Value": "3"}]
    with failing("InvalidInputException", 400, "Duplicate"):
        iam.tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "2"}, {"Key": "a", "Value": "3"}])
    with failing("LimitExceededException", 409, "50"):
        many = [{"Key": f"k{n}", "Value": ""} for n in range(50)]
        iam.tag_role(RoleName=name, Tags=many)


def test_listings_go_by_path_and_in_pages(iam, name):
    names = [f"{name}-{n}" for n in range(3)]
    for one in names:
        role(iam, one, Path=f"/{name}/", Tags=[{"Key": "a", "Value": "b"}])
    found = listed(iam, "list_roles", "Roles", PathPrefix=f"/{name}/", PaginationConfig={"PageSize": 2})
    assert [one["RoleName"] for one in found] == names
    assert "Tags" not in found[0]
    first = iam.list_roles(PathPrefix=f"/{name}/", MaxItems=2)
    assert (len(first["Roles"]), first["IsTruncated"]) == (2, True)
    last = iam.list_roles(PathPrefix=f"/{name}/", MaxItems=2, Marker=first["Marker"])
    assert ([one["RoleName"] for one in last["Roles"]], last["IsTruncated"]) == ([names[2]], False)


@pytest.mark.parametrize(
    "document",
    ["{", "{}", trust({"AWS": "nobody"}), policy("sts:AssumeRole"), trust().replace("sts:", "iot:")],
)
def test_what_is_no_trust_policy(iam, name, document):
    with failing("MalformedPolicyDocumentException", 400):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)


def test_what_is_not_implemented_says_so(iam, name):
    with not_implemented("PermissionsBoundary"):
        role(iam, name, PermissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/x")
    with not_implemented("CreateAccountAlias"):
        iam.create_account_alias(AccountAlias="tokyo")


def test_the_models_constraints(node, name):
    client = node.client("iam", config=UNCHECKED)
    with refused("ValidationError", 400, "MaxSessionDuration", modelled=False):
        role(client, name, MaxSessionDuration=60)
    with refused("ValidationError", 400, "RoleName", modelled=False):
        role(client, "no spaces")


# --- inline policies ---


def test_inline_policies_of_a_role(iam, name):
    role(iam, name)
    for one in ("b", "a"):
        iam.put_role_policy(RoleName=name, PolicyName=one, PolicyDocument=policy(f"iot:{one}"))
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["a", "b"]
    read = iam.get_role_policy(RoleName=name, PolicyName="a")
    assert (read["RoleName"], read["PolicyName"]) == (name, "a")
    assert read["PolicyDocument"] == json.loads(policy("iot:a"))
    with failing("NoSuchEntityException", 404, "policy with name c"):
        iam.get_role_policy(RoleName=name, PolicyName="c")
    with failing("NoSuchEntityException", 404, "policy with name c"):
        iam.delete_role_policy(RoleName=name, PolicyName="c")
    with failing("MalformedPolicyDocumentException", 400, "Effect"):
        iam.put_role_policy(RoleName=name, PolicyName="c", PolicyDocument=policy("iot:*", effect="Perhaps"))
    with failing("LimitExceededException", 409, "10240"):
        large = policy("iot:*", resource=[f"arn:aws:iot:*:*:topic/{'x' * 500}{n}" for n in range(20)])
        iam.put_role_policy(RoleName=name, PolicyName="c", PolicyDocument=large)


# --- managed policies ---


def test_a_managed_policy_as_terraform_makes_and_deletes_it(iam, name):
    document = policy("iot:Publish")
    tags = [{"Key": "a", "Value": "b"}]
    made = iam.create_policy(
        PolicyName=name, PolicyDocument=document, Path="/x/", Description="d", Tags=tags
    )["Policy"]
    arn = made["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/x/{name}"
    assert made["PolicyId"].startswith("ANPA")
    read = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (read["DefaultVersionId"], read["AttachmentCount"], read["IsAttachable"]) == ("v1", 0, True)
    assert (read["Description"], read["Tags"]) == ("d", tags)
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert version["Document"] == json.loads(document)
    assert version["IsDefaultVersion"]
    assert len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) == 1
    iam.delete_policy(PolicyArn=arn)
    with failing("NoSuchEntityException", 404, arn):
        iam.get_policy(PolicyArn=arn)


def test_versions_of_a_managed_policy(iam, name):
    arn = iam.create_policy(PolicyName=name, PolicyDocument=policy("iot:A"))["Policy"]["Arn"]
    for n in range(2, 6):
        made = iam.create_policy_version(
            PolicyArn=arn, PolicyDocument=policy(f"iot:V{n}"), SetAsDefault=n == 2
        )
        assert made["PolicyVersion"]["VersionId"] == f"v{n}"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    with failing("LimitExceededException", 409, "5 versions"):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("iot:A"))
    with failing("DeleteConflictException", 409, "default version"):
        iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v3")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("iot:A"))["PolicyVersion"][
        "VersionId"
    ] == ("v6")
    found = [one["VersionId"] for one in iam.list_policy_versions(PolicyArn=arn)["Versions"]]
    assert found == ["v6", "v5", "v4", "v3", "v1"]
    with failing("NoSuchEntityException", 404, "v2"):
        iam.get_policy_version(PolicyArn=arn, VersionId="v2")
    with failing("DeleteConflictException", 409, "more than one version"):
        iam.delete_policy(PolicyArn=arn)


def test_a_policy_is_attached_and_detached(iam, name):
    made = role(iam, name)
    iam.create_user(UserName=name)
    arn = iam.create_policy(PolicyName=name, PolicyDocument=policy("iot:A"))["Policy"]["Arn"]
    for _ in range(2):  # it may be repeated
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    expected = [{"PolicyName": name, "PolicyArn": arn}]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == expected
    assert iam.list_attached_user_policies(UserName=name)["AttachedPolicies"] == expected
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 2
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert entities["PolicyRoles"] == [{"RoleName": name, "RoleId": made["RoleId"]}]
    assert [user["UserName"] for user in entities["PolicyUsers"]] == [name]
    assert arn in [one["Arn"] for one in listed(iam, "list_policies", "Policies", OnlyAttached=True)]
    with failing("DeleteConflictException", 409, "attached to entities"):
        iam.delete_policy(PolicyArn=arn)
    iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    iam.detach_user_policy(UserName=name, PolicyArn=arn)
    with failing("NoSuchEntityException", 404, "was not found"):
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    assert arn not in [one["Arn"] for one in listed(iam, "list_policies", "Policies", OnlyAttached=True)]
    assert arn in [one["Arn"] for one in listed(iam, "list_policies", "Policies", Scope="Local")]
    iam.delete_policy(PolicyArn=arn)


def test_tags_of_a_policy(iam, name):
    arn = iam.create_policy(PolicyName=name, PolicyDocument=policy("iot:A"))["Policy"]["Arn"]
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]


def test_ten_policies_may_be_attached(iam, name):
    role(iam, name)
    arns = [
        iam.create_policy(PolicyName=f"{name}-{n}", PolicyDocument=policy("iot:A"))["Policy"]["Arn"]
        for n in range(11)
    ]
    for arn in arns[:10]:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    with failing("LimitExceededException", 409, "10"):
        iam.attach_role_policy(RoleName=name, PolicyArn=arns[10])
    with failing("NoSuchEntityException", 404, "does not exist or is not attachable"):
        iam.attach_role_policy(RoleName=name, PolicyArn=arns[0] + "-unknown")


def test_aws_own_policies_can_be_attached_and_read_but_not_changed(iam, name):
    arn = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"
    role(iam, name)
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    found = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert found == [{"PolicyName": "AWSIoTThingsRegistration", "PolicyArn": arn}]
    read = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (read["Path"], read["PolicyName"]) == ("/service-role/", "AWSIoTThingsRegistration")
    version = iam.get_policy_version(PolicyArn=arn, VersionId=read["DefaultVersionId"])["PolicyVersion"]
    assert "iot:RegisterThing" in version["Document"]["Statement"][0]["Action"]
    with failing("AccessDeniedException", 403, "cannot be changed"):
        iam.delete_policy(PolicyArn=arn)
    with failing("NoSuchEntityException", 404):
        iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/Unknown")


def test_aws_own_policies_are_listed_as_tools_find_them_by_name(iam, name):
    """Beyond the account's own; a page goes on from one to the other."""
    made = iam.create_policy(PolicyName=name, PolicyDocument=policy("iot:A"))["Policy"]["Arn"]
    aws = [one["Arn"] for one in listed(iam, "list_policies", "Policies", Scope="AWS")]
    assert {"arn:aws:iam::aws:policy/AWSIoTDataAccess", "arn:aws:iam::aws:policy/AdministratorAccess"} <= {
        *aws
    }
    local = [one["Arn"] for one in listed(iam, "list_policies", "Policies", Scope="Local")]
    assert made in local
    assert not {*aws} & {*local}
    for size in (1, 2, 3, len(local), len(local) + 1, 1000):
        pages = listed(iam, "list_policies", "Policies", PaginationConfig={"PageSize": size})
        assert [one["Arn"] for one in pages] == [*local, *aws]
    found = listed(iam, "list_policies", "Policies", PathPrefix="/service-role/")
    assert [one["PolicyName"] for one in found] == ["AWSIoTThingsRegistration"]
    full = "arn:aws:iam::aws:policy/IAMFullAccess"
    role(iam, name)
    iam.attach_role_policy(RoleName=name, PolicyArn=full)
    found = listed(iam, "list_policies", "Policies", Scope="AWS", OnlyAttached=True)
    assert (full, 1) in [(one["Arn"], one["AttachmentCount"]) for one in found]
    iam.detach_role_policy(RoleName=name, PolicyArn=full)
    found = listed(iam, "list_policies", "Policies", OnlyAttached=True)
    assert full not in [one["Arn"] for one in found]


# --- users ---


def test_a_user_as_terraform_makes_and_deletes_it(iam, name):
    tags = [{"Key": "a", "Value": "b"}]
    made = iam.create_user(UserName=name, Path="/ci/", Tags=tags)["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ci/{name}"
    assert made["UserId"].startswith("AIDA")
    assert iam.get_user(UserName=name)["User"]["Tags"] == tags
    assert iam.list_groups_for_user(UserName=name)["Groups"] == []
    iam.tag_user(UserName=name, Tags=[{"Key": "c", "Value": "d"}])
    iam.untag_user(UserName=name, TagKeys=["a"])
    assert iam.list_user_tags(UserName=name)["Tags"] == [{"Key": "c", "Value": "d"}]
    assert [one["UserName"] for one in listed(iam, "list_users", "Users", PathPrefix="/ci/")] == [name]
    iam.delete_user(UserName=name)
    with failing("NoSuchEntityException", 404, name):
        iam.get_user(UserName=name)


def test_inline_policies_of_a_user(iam, name):
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy("iot:*"))
    assert iam.list_user_policies(UserName=name)["PolicyNames"] == ["p"]
    read = iam.get_user_policy(UserName=name, PolicyName="p")
    assert read["PolicyDocument"] == json.loads(policy("iot:*"))
    with failing("DeleteConflictException", 409, "must delete policies first"):
        iam.delete_user(UserName=name)
    iam.delete_user_policy(UserName=name, PolicyName="p")
    iam.delete_user(UserName=name)


def test_access_keys_of_a_user(iam, name, sql):
    iam.create_user(UserName=name)
    first = iam.create_access_key(UserName=name)["AccessKey"]
    assert first["AccessKeyId"].startswith("AKIA")
    assert (first["Status"], first["UserName"], len(first["SecretAccessKey"])) == ("Active", name, 40)
    second = iam.create_access_key(UserName=name)["AccessKey"]
    with failing("LimitExceededException", 409, "2"):
        iam.create_access_key(UserName=name)
    iam.update_access_key(UserName=name, AccessKeyId=second["AccessKeyId"], Status="Inactive")
    found = {
        one["AccessKeyId"]: one["Status"] for one in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
    }
    assert found == {first["AccessKeyId"]: "Active", second["AccessKeyId"]: "Inactive"}
    everything = repr(sql("SELECT id, body FROM resource"))
    assert first["AccessKeyId"] in everything
    assert first["SecretAccessKey"] not in everything
    with failing("DeleteConflictException", 409, "access keys first"):
        iam.delete_user(UserName=name)
    for key in found:
        iam.delete_access_key(UserName=name, AccessKeyId=key)
    with failing("NoSuchEntityException", 404, first["AccessKeyId"]):
        iam.delete_access_key(UserName=name, AccessKeyId=first["AccessKeyId"])
    assert first["AccessKeyId"] not in repr(sql("SELECT id FROM resource"))
    iam.delete_user(UserName=name)


def test_without_a_name_the_user_is_who_asks(iam):
    assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    with pytest.raises(ClientError, match="Must specify userName"):
        iam.list_access_keys()
