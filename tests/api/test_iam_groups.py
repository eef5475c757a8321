"""Groups of users as tools make, fill, move and delete them, and what their policies let their users do."""

from __future__ import annotations

import json

import pytest

from api.callers import policy
from api.making import ACCOUNT, arn, listed
from api.test_iam import failing
from api.test_sts import denied, user, with_credentials
from interop.devices import until

OWN = "arn:aws:iam::aws:policy/AWSIoTDataAccess"


def group(iam, name, *users, **more):
    made = iam.create_group(GroupName=name, **more)["Group"]
    for one in users:
        iam.create_user(UserName=one)
        iam.add_user_to_group(GroupName=name, UserName=one)
    return made


def users_of(iam, name):
    return [one["UserName"] for one in listed(iam, "get_group", "Users", GroupName=name)]


def test_a_group_as_terraform_makes_and_deletes_it(iam, name):
    made = group(iam, name, Path="/ci/")
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/ci/{name}"
    assert made["GroupId"].startswith("AGPA")
    assert iam.get_group(GroupName=name)["Group"] == made
    assert made in listed(iam, "list_groups", "Groups", PathPrefix="/ci/")
    with failing("EntityAlreadyExistsException", 409, name.upper()):
        iam.create_group(GroupName=name.upper())
    iam.delete_group(GroupName=name)
    with failing("NoSuchEntityException", 404, name):
        iam.get_group(GroupName=name)


def test_users_of_a_group_come_in_pages(iam, name):
    names = [f"{name}-{n}" for n in range(3)]
    group(iam, name, *names)
    iam.add_user_to_group(GroupName=name, UserName=names[0])  # it may be repeated
    first = iam.get_group(GroupName=name, MaxItems=2)
    assert ([one["UserName"] for one in first["Users"]], first["IsTruncated"]) == (names[:2], True)
    last = iam.get_group(GroupName=name, MaxItems=2, Marker=first["Marker"])
    assert ([one["UserName"] for one in last["Users"]], last["IsTruncated"]) == (names[2:], False)
    iam.remove_user_from_group(GroupName=name, UserName=names[1])
    assert users_of(iam, name) == [names[0], names[2]]
    with failing("NoSuchEntityException", 404, "is not in group"):
        iam.remove_user_from_group(GroupName=name, UserName=names[1])


def test_a_user_is_in_ten_groups_at_most(iam, name):
    iam.create_user(UserName=name)
    names = [f"{name}-{n:02}" for n in range(11)]
    for one in names:
        iam.create_group(GroupName=one)
    for one in names[:10]:
        iam.add_user_to_group(GroupName=one, UserName=name)
    with failing("LimitExceededException", 409, "10"):
        iam.add_user_to_group(GroupName=names[10], UserName=name)
    found = listed(iam, "list_groups_for_user", "Groups", UserName=name, PaginationConfig={"PageSize": 4})
    assert [one["GroupName"] for one in found] == names[:10]
    with failing("DeleteConflictException", 409, "remove users from group first"):
        iam.delete_user(UserName=name)
    with failing("DeleteConflictException", 409, "remove users from group first"):
        iam.delete_group(GroupName=names[0])


def test_policies_of_a_group(iam, name):
    group(iam, name)
    made = iam.create_policy(PolicyName=name, PolicyDocument=policy("iot:A"))["Policy"]["Arn"]
    for one in (made, OWN, OWN):  # it may be repeated
        iam.attach_group_policy(GroupName=name, PolicyArn=one)
    found = iam.list_attached_group_policies(GroupName=name)["AttachedPolicies"]
    assert {one["PolicyArn"] for one in found} == {made, OWN}
    shown = iam.get_group(GroupName=name)["Group"]
    entities = iam.list_entities_for_policy(PolicyArn=made, EntityFilter="Group")
    assert entities["PolicyGroups"] == [{"GroupName": name, "GroupId": shown["GroupId"]}]
    with failing("DeleteConflictException", 409, "attached to entities"):
        iam.delete_policy(PolicyArn=made)
    with failing("DeleteConflictException", 409, "detach all policies first"):
        iam.delete_group(GroupName=name)
    for one in (made, OWN):
        iam.detach_group_policy(GroupName=name, PolicyArn=one)
    iam.put_group_policy(GroupName=name, PolicyName="inline", PolicyDocument=policy("iot:B"))
    assert iam.list_group_policies(GroupName=name)["PolicyNames"] == ["inline"]
    read = iam.get_group_policy(GroupName=name, PolicyName="inline")
    assert (read["GroupName"], read["PolicyDocument"]) == (name, json.loads(policy("iot:B")))
    with failing("DeleteConflictException", 409, "delete policies first"):
        iam.delete_group(GroupName=name)
    iam.delete_group_policy(GroupName=name, PolicyName="inline")
    iam.delete_group(GroupName=name)


def test_a_user_may_what_its_groups_may(node, iam, iot, name):
    iot.create_thing(thingName=name)
    client = user(node, iam, name)("iot")
    group(iam, f"{name}-may")
    group(iam, f"{name}-not")
    read = policy("iot:DescribeThing", resource=arn(f"thing/{name}"))
    iam.put_group_policy(GroupName=f"{name}-may", PolicyName="read", PolicyDocument=read)
    with denied("iot:DescribeThing"):
        client.describe_thing(thingName=name)
    iam.add_user_to_group(GroupName=f"{name}-may", UserName=name)
    until(lambda: _may(client, name))
    with denied("iot:DeleteThing"):
        client.delete_thing(thingName=name)
    never = policy("iot:*", effect="Deny")
    made = iam.create_policy(PolicyName=name, PolicyDocument=never)["Policy"]["Arn"]
    iam.attach_group_policy(GroupName=f"{name}-not", PolicyArn=made)
    iam.add_user_to_group(GroupName=f"{name}-not", UserName=name)
    until(lambda: not _may(client, name))
    iam.remove_user_from_group(GroupName=f"{name}-not", UserName=name)
    until(lambda: _may(client, name))
    iam.update_group(GroupName=f"{name}-may", NewGroupName=f"{name}-moved", NewPath="/moved/")
    assert users_of(iam, f"{name}-moved") == [name]
    assert _may(client, name)
    iam.delete_group_policy(GroupName=f"{name}-moved", PolicyName="read")
    until(lambda: not _may(client, name))


def _may(client, name):
    try:
        client.describe_thing(thingName=name)
    except client.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException"
        return False
    return True


def test_a_group_is_moved_with_all_that_is_its_own(iam, name):
    before = group(iam, name, f"{name}-a", f"{name}-b")
    iam.attach_group_policy(GroupName=name, PolicyArn=OWN)
    group(iam, f"{name}-taken")
    with failing("EntityAlreadyExistsException", 409, f"{name}-taken"):
        iam.update_group(GroupName=name, NewGroupName=f"{name}-taken")
    iam.update_group(GroupName=name, NewGroupName=f"{name}-new", NewPath="/p/")
    moved = iam.get_group(GroupName=f"{name}-new")["Group"]
    assert moved == before | {
        "GroupName": f"{name}-new",
        "Path": "/p/",
        "Arn": f"arn:aws:iam::{ACCOUNT}:group/p/{name}-new",
    }
    assert users_of(iam, f"{name}-new") == [f"{name}-a", f"{name}-b"]
    assert len(iam.list_attached_group_policies(GroupName=f"{name}-new")["AttachedPolicies"]) == 1
    with failing("NoSuchEntityException", 404, name):
        iam.get_group(GroupName=name)
    iam.update_group(GroupName=f"{name}-new", NewGroupName=f"{name}-NEW")
    assert iam.list_groups_for_user(UserName=f"{name}-a")["Groups"][0]["GroupName"] == f"{name}-NEW"


def test_a_user_is_moved_with_all_that_is_its_own(node, iam, name):
    group(iam, f"{name}-group", name, f"{name}-taken")
    iam.attach_user_policy(UserName=name, PolicyArn=OWN)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    before = iam.get_user(UserName=name)["User"]
    with failing("EntityAlreadyExistsException", 409, f"{name}-taken"):
        iam.update_user(UserName=name, NewUserName=f"{name}-taken")
    iam.update_user(UserName=name, NewUserName=f"{name}-new", NewPath="/p/")
    after = {"UserName": f"{name}-new", "Path": "/p/", "Arn": f"arn:aws:iam::{ACCOUNT}:user/p/{name}-new"}
    assert iam.get_user(UserName=f"{name}-new")["User"] == before | after
    sts = with_credentials(node, key)("sts")
    until(lambda: sts.get_caller_identity()["Arn"] == after["Arn"])
    assert users_of(iam, f"{name}-group") == [f"{name}-taken", f"{name}-new"]  # in the order of their ARNs
    assert len(iam.list_attached_user_policies(UserName=f"{name}-new")["AttachedPolicies"]) == 1
    iam.delete_access_key(UserName=f"{name}-new", AccessKeyId=key["AccessKeyId"])
    iam.update_user(UserName=f"{name}-new", NewPath="/")
    assert iam.get_user(UserName=f"{name}-new")["User"]["CreateDate"] == before["CreateDate"]


def test_an_account_has_300_groups_at_most(node, name):
    account = node.client("sekisho").create_account(accountId="123400004321")
    keys = {"aws_access_key_id": account["accessKeyId"], "aws_secret_access_key": account["secretAccessKey"]}
    iam = node.client("iam", **keys)
    for number in range(300):
        iam.create_group(GroupName=f"group-{number}")
    with failing("LimitExceededException", 409, "300"):
        iam.create_group(GroupName="one-more")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_group(GroupName="one-more")


@pytest.mark.parametrize("whose", ["a user's", "the root's", "one's own"])
def test_credentials_of_other_kinds_there_are_none(node, iam, name, whose):
    """Tools ask for them before they delete a user."""
    client = user(node, iam, name, policy("iam:*"))("iam")
    who = {"UserName": name} if whose == "a user's" else {}
    iam = client if whose == "one's own" else iam
    assert iam.list_mfa_devices(**who)["MFADevices"] == []
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"] == []
    assert iam.list_ssh_public_keys(**who)["SSHPublicKeys"] == []
    assert iam.list_signing_certificates(**who)["Certificates"] == []
    assert iam.list_service_specific_credentials(**who)["ServiceSpecificCredentials"] == []


@pytest.mark.parametrize(
    ("who", "words"), [({"UserName": "unknown"}, "unknown"), ({}, "root"), (None, "Login Profile for User")]
)
def test_nobody_has_a_password(iam, name, who, words):
    iam.create_user(UserName=name)
    who = {"UserName": name} if who is None else who
    with failing("NoSuchEntityException", 404, words):
        iam.get_login_profile(**who)
    with failing("NoSuchEntityException", 404, words):
        iam.delete_login_profile(**who)
