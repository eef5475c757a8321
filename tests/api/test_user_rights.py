"""Users and their keys: who they are, and what they may do and no more."""

from __future__ import annotations

import json

from api.callers import (
    assumable,
    denied,
    is_assumed,
    is_refused,
    may_list,
    policy,
    role,
    trust,
    user,
    with_credentials,
)
from api.making import ACCOUNT, REGION, arn, document, refused, template, thing_resource
from interop.devices import until


def test_a_user_may_do_what_its_policies_say_and_no_more(node, iam, iot, name):
    iot.create_thing(thingName=name)
    client = user(node, iam, name, policy("iot:DescribeThing", resource=arn(f"thing/{name}")))
    assert client("iot").describe_thing(thingName=name)["thingName"] == name
    with denied("iot:DescribeThing", "other"):
        client("iot").describe_thing(thingName="other")
    with denied("iot:CreateThing", f"user/{name}"):
        client("iot").create_thing(thingName=name)
    with denied("iam:GetRole", code="AccessDenied"):
        client("iam").get_role(RoleName="any")
    with refused("ForbiddenException", 403):
        client("iot-data").publish(topic="a", payload=b"")


def test_explain_tells_why_a_user_may_not(node, iam, own, name):
    only = policy("iot:DescribeThing", resource=arn("thing/${aws:username}"))
    client = user(node, iam, name, only)("iot")
    with denied("iot:DescribeThing"):
        client.describe_thing(thingName="other")
    found = own.list_refusals(maxResults=1)["refusals"][0]
    assert found["principal"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    assert (found["action"], found["resource"]) == ("iot:DescribeThing", arn("thing/other"))
    assert found["decision"] == "IMPLICIT_DENY"
    assert found["policies"][0]["policyName"] == "p0"
    assert found["policies"][0]["statements"][0]["verdict"] == "resource differs"
    assert found["variables"] == {"aws:username": name}


def test_explain_tells_why_a_role_is_not_assumed(node, iam, own, name):
    assumable(iam, f"{name}-account")
    assumable(iam, f"{name}-service", principal={"Service": "iot.amazonaws.com"})
    sts = user(node, iam, name)("sts")
    for one, words in {
        f"{name}-account": "the caller's own policies",
        f"{name}-service": "its trust policy does not allow",
        f"{name}-unknown": "there is no such role",
    }.items():
        assert not is_assumed(sts, one)
        found = own.list_refusals(maxResults=1)["refusals"][0]
        assert words in found["reason"]
        assert found["resource"] == f"arn:aws:iam::{ACCOUNT}:role/{one}"


def test_a_user_knows_who_it_is(node, iam, name):
    answer = user(node, iam, name)("sts").get_caller_identity()
    assert (answer["Account"], answer["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/{name}")
    assert answer["UserId"] == iam.get_user(UserName=name)["User"]["UserId"]


def test_a_user_asks_for_its_own(node, iam, name):
    own = policy("iam:*", resource=f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}")
    client = user(node, iam, name, own)("iam")
    assert client.get_user()["User"]["UserName"] == name
    assert client.create_access_key()["AccessKey"]["UserName"] == name
    assert len(client.list_access_keys()["AccessKeyMetadata"]) == 2
    iam.create_user(UserName=f"{name}-other")
    with denied("iam:CreateAccessKey", code="AccessDenied"):
        client.create_access_key(UserName=f"{name}-other")


def test_paths_are_part_of_a_role_for_who_may_read_it(node, iam, name):
    role(iam, f"{name}-a", Path="/open/")
    role(iam, f"{name}-b", Path="/closed/")
    client = user(node, iam, name, policy("iam:GetRole", resource=f"arn:aws:iam::{ACCOUNT}:role/open/*"))(
        "iam"
    )
    assert client.get_role(RoleName=f"{name}-a")["Role"]["Path"] == "/open/"
    with denied(f"role/closed/{name}-b", code="AccessDenied"):
        client.get_role(RoleName=f"{name}-b")


def test_who_may_give_a_policy_to_whom_is_said_of_certificates(node, iam, iot, name, cert):
    """As the Service Authorization Reference has it: by target, not by policy."""
    iot.create_policy(policyName=name, policyDocument=document())
    client = user(node, iam, name, policy("iot:AttachPolicy", "iot:DetachPolicy", resource=cert.arn))("iot")
    client.attach_policy(policyName=name, target=cert.arn)
    client.detach_policy(policyName=name, target=cert.arn)
    with denied("iot:AttachPolicy", "cert/other"):
        client.attach_policy(policyName=name, target=arn("cert/other"))
    with denied("iot:AttachPrincipalPolicy"):
        client.attach_principal_policy(policyName=name, principal=cert.arn)


def test_a_template_gets_a_role_only_from_whom_may_pass_it(node, iam, name):
    body = template({"thing": thing_resource()}, "Name")
    who = trust({"Service": "iot.amazonaws.com"})
    passed = iam.create_role(RoleName="passed", AssumeRolePolicyDocument=who)["Role"]["Arn"]
    client = user(
        node, iam, name, policy("iot:*ProvisioningTemplate"), policy("iam:PassRole", resource=passed)
    )("iot")
    client.create_provisioning_template(templateName=name, templateBody=body, provisioningRoleArn=passed)
    with denied("iam:PassRole", "role/other"):
        client.create_provisioning_template(
            templateName=f"{name}-2", templateBody=body, provisioningRoleArn=f"{passed[:-6]}other"
        )
    with denied("iam:PassRole", "role/other"):
        client.update_provisioning_template(templateName=name, provisioningRoleArn=f"{passed[:-6]}other")
    client.update_provisioning_template(templateName=name, enabled=True)


def test_conditions_and_not_action(node, iam, name):
    here = {
        "Condition": {
            "IpAddress": {"aws:SourceIp": "127.0.0.0/8"},
            "StringEquals": {"aws:RequestedRegion": REGION},
        }
    }
    elsewhere = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    statements = [
        {"Effect": "Allow", "NotAction": ["iot:Delete*", "iot:ListThings"], "Resource": "*", **here},
        {"Effect": "Allow", "Action": "iot:ListThings", "Resource": "*", **elsewhere},
    ]
    client = user(node, iam, name, json.dumps({"Version": "2012-10-17", "Statement": statements}))("iot")
    client.create_thing(thingName=name)
    with denied("iot:DeleteThing"):
        client.delete_thing(thingName=name)
    with denied("iot:ListThings"):
        client.list_things()


def test_managed_policies_count_and_changes_are_seen(node, iam, name):
    client = user(node, iam, name)("iot")
    with denied():
        client.list_things()
    managed = iam.create_policy(PolicyName=name, PolicyDocument=policy("iot:ListThings"))["Policy"]["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn=managed)
    until(lambda: may_list(client))
    iam.create_policy_version(
        PolicyArn=managed, PolicyDocument=policy("iot:ListThings", effect="Deny"), SetAsDefault=True
    )
    until(lambda: not may_list(client))
    iam.set_default_policy_version(PolicyArn=managed, VersionId="v1")
    until(lambda: may_list(client))
    iam.detach_user_policy(UserName=name, PolicyArn=managed)
    until(lambda: not may_list(client))
    iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AWSIoTFullAccess")
    until(lambda: may_list(client))


def test_a_key_that_is_inactive_or_gone_opens_nothing(node, iam, name):
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sts = with_credentials(node, key)("sts")
    sts.get_caller_identity()
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    until(lambda: is_refused(sts))
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Active")
    until(lambda: not is_refused(sts))
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    until(lambda: is_refused(sts))
