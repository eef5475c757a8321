"""Instance profiles as Ansible and Terraform make them beside a role, and take them away again."""

from __future__ import annotations

import pytest

from api.callers import policy, role
from api.making import ACCOUNT, listed
from api.test_iam import failing
from api.test_sts import denied, user


def profile(iam, name, **more):
    return iam.create_instance_profile(InstanceProfileName=name, **more)["InstanceProfile"]


def test_a_profile_as_terraform_makes_and_deletes_it(iam, name):
    tags = [{"Key": "a", "Value": "b"}]
    made = iam.create_instance_profile(InstanceProfileName=name, Path="/fleet/", Tags=tags)["InstanceProfile"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/fleet/{name}"
    assert made["InstanceProfileId"].startswith("AIPA")
    assert (made["Roles"], made["Tags"]) == ([], tags)
    named = {"InstanceProfileName": name}
    assert iam.get_instance_profile(**named)["InstanceProfile"] == made
    with failing("EntityAlreadyExistsException", 409, name):
        profile(iam, name)
    holder = role(iam, name)
    assert iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"] == []
    iam.add_role_to_instance_profile(**named, RoleName=name)
    found = iam.get_instance_profile(**named)["InstanceProfile"]["Roles"]
    assert [(one["RoleName"], one["Arn"]) for one in found] == [(name, holder["Arn"])]
    found = iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]
    assert [one["InstanceProfileName"] for one in found] == [name]
    for what in (lambda: iam.delete_role(RoleName=name), lambda: iam.delete_instance_profile(**named)):
        with failing("DeleteConflictException", 409, "must remove roles from instance profile first"):
            what()
    iam.remove_role_from_instance_profile(**named, RoleName=name)
    with failing("NoSuchEntityException", 404, "is not in instance profile"):
        iam.remove_role_from_instance_profile(**named, RoleName=name)
    iam.delete_instance_profile(**named)
    iam.delete_role(RoleName=name)
    with failing("NoSuchEntityException", 404, name):
        iam.get_instance_profile(**named)


def test_a_profile_has_one_role(iam, name):
    profile(iam, name)
    for one in (name, f"{name}-other"):
        role(iam, one)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    for one in (name, f"{name}-other"):
        with failing("LimitExceededException", 409, "1"):
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=one)
    with failing("NoSuchEntityException", 404, "The role with name unknown"):  # as Terraform waits for
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName="unknown")


def test_who_adds_a_role_must_be_allowed_to_pass_it(node, iam, name):
    profile(iam, name)
    role(iam, name)
    named = {"InstanceProfileName": name, "RoleName": name}
    with denied("iam:PassRole", code="AccessDenied"):
        client = user(node, iam, f"{name}-a", policy("iam:AddRoleToInstanceProfile"))
        client("iam").add_role_to_instance_profile(**named)
    only = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    may = policy("iam:PassRole", Condition=only)
    client = user(node, iam, f"{name}-b", policy("iam:AddRoleToInstanceProfile"), may)
    client("iam").add_role_to_instance_profile(**named)


def test_profiles_are_listed_by_path_and_in_pages(iam, name):
    names = [f"{name}-{n}" for n in range(3)]
    for one in names:
        profile(iam, one, Path=f"/{name}/", Tags=[{"Key": "a", "Value": "b"}])
    members = {"PathPrefix": f"/{name}/", "PaginationConfig": {"PageSize": 2}}
    found = listed(iam, "list_instance_profiles", "InstanceProfiles", **members)
    assert [one["InstanceProfileName"] for one in found] == names
    assert "Tags" not in found[0]


def test_tags_of_a_profile(iam, name):
    profile(iam, name, Tags=[{"Key": "a", "Value": "1"}])
    named = {"InstanceProfileName": name}
    iam.tag_instance_profile(**named, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    iam.untag_instance_profile(**named, TagKeys=["a", "unknown"])
    assert iam.list_instance_profile_tags(**named)["Tags"] == [{"Key": "b", "Value": "3"}]
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    with failing("InvalidInputException", 400, "Duplicate"):
        iam.tag_instance_profile(**named, Tags=twice)
    with failing("InvalidInputException", 400, "Duplicate"):
        profile(iam, f"{name}-other", Tags=twice)
    with failing("LimitExceededException", 409, "50"):
        iam.tag_instance_profile(**named, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_instance_profile(InstanceProfileName=f"{name}-other")
