"""Users' keys and temporary credentials: who they are, what they may do and no more, and when they end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from api.making import ACCOUNT, REGION, arn, document, refused, template, thing_resource
from api.raw import call, send, signed
from api.test_iam import policy, role, trust
from interop.devices import until

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
THINGS = arn("thing/*")
INVALID = "The security token included in the request is invalid"


def denied(*words, code="AccessDeniedException"):
    return refused(code, 403, "is not authorized to perform", *words, modelled=False)


def user(node, iam, name, *documents):
    """A user with inline policies, and how clients with a key of it are made."""
    iam.create_user(UserName=name)
    for n, one in enumerate(documents):
        iam.put_user_policy(UserName=name, PolicyName=f"p{n}", PolicyDocument=one)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return with_credentials(node, key)


def with_credentials(node, key):
    def client(service):
        return node.client(
            service,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            aws_session_token=key.get("SessionToken"),
        )

    return client


def assume(sts, name, session="session", **more):
    return sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName=session, **more)


def assumable(iam, name, *documents, principal=None, **more):
    """A role for the account, with inline policies."""
    trusting = trust(principal or {"AWS": ACCOUNT})
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting, **more)["Role"]
    for n, one in enumerate(documents):
        iam.put_role_policy(RoleName=name, PolicyName=f"p{n}", PolicyDocument=one)
    return made


# --- users ---


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
        assert not _assumed(sts, one)
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
    until(lambda: _allowed(client))
    iam.create_policy_version(
        PolicyArn=managed, PolicyDocument=policy("iot:ListThings", effect="Deny"), SetAsDefault=True
    )
    until(lambda: not _allowed(client))
    iam.set_default_policy_version(PolicyArn=managed, VersionId="v1")
    until(lambda: _allowed(client))
    iam.detach_user_policy(UserName=name, PolicyArn=managed)
    until(lambda: not _allowed(client))
    iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AWSIoTFullAccess")
    until(lambda: _allowed(client))


def _allowed(client):
    try:
        client.list_things(maxResults=1)
    except client.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException"
        return False
    return True


def test_a_key_that_is_inactive_or_gone_opens_nothing(node, iam, name):
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sts = with_credentials(node, key)("sts")
    sts.get_caller_identity()
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    until(lambda: _refused(sts))
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Active")
    until(lambda: not _refused(sts))
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    until(lambda: _refused(sts))


def _refused(sts):
    try:
        sts.get_caller_identity()
    except sts.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidClientTokenId"
        return True
    return False


# --- roles ---


def test_a_roles_credentials(node, iam, sts, name):
    made = assumable(iam, name, policy("iot:CreateThing", "iot:DescribeThing", resource=THINGS))
    before = datetime.now(UTC)
    answer = sts.assume_role(RoleArn=made["Arn"], RoleSessionName="me@example.org", DurationSeconds=900)
    credentials = answer["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA")
    assert timedelta(seconds=890) < credentials["Expiration"] - before < timedelta(seconds=930)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/me@example.org"
    assert answer["AssumedRoleUser"] == {
        "Arn": session,
        "AssumedRoleId": f"{made['RoleId']}:me@example.org",
    }
    client = with_credentials(node, credentials)
    who = client("sts").get_caller_identity()
    assert (who["Arn"], who["UserId"]) == (session, f"{made['RoleId']}:me@example.org")
    client("iot").create_thing(thingName=name)
    with denied("iot:DeleteThing", session):
        client("iot").delete_thing(thingName=name)
    with refused("ForbiddenException", 403):
        client("iot-data").publish(topic="a", payload=b"")


def test_a_session_policy_limits_and_never_adds(node, iam, sts, name):
    assumable(iam, name, policy("iot:CreateThing", "iot:DescribeThing"))
    given = policy("iot:DescribeThing", "iot:DeleteThing", resource=arn(f"thing/{name}"))
    answer = assume(sts, name, Policy=given)
    assert answer["PackedPolicySize"] >= 1
    client = with_credentials(node, answer["Credentials"])("iot")
    with denied("iot:CreateThing"):
        client.create_thing(thingName=name)
    with denied("iot:DeleteThing"):
        client.delete_thing(thingName=name)
    with refused("ResourceNotFoundException", 404):
        client.describe_thing(thingName=name)
    with pytest.raises(sts.exceptions.MalformedPolicyDocumentException):
        assume(sts, name, Policy="{}")
    with pytest.raises(sts.exceptions.PackedPolicyTooLargeException):
        assume(sts, name, Policy=policy("iot:*", resource=arn("topic/" + "x" * 2048)))


def test_who_may_assume_a_role(node, iam, name):
    """The trust policy must allow it, and, unless it names the caller itself, the caller's policies."""
    nobody = user(node, iam, f"{name}-nobody")("sts")
    somebody = user(node, iam, f"{name}-somebody", policy("sts:AssumeRole"))("sts")
    forbidden = user(node, iam, f"{name}-denied", policy("sts:AssumeRole", effect="Deny"))("sts")
    users = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    roles = {
        "account": {"AWS": ACCOUNT},
        "named": {"AWS": [f"{users}-nobody", f"{users}-denied"]},
        "service": {"Service": "iot.amazonaws.com"},
    }
    for kind, principal in roles.items():
        assumable(iam, f"{name}-{kind}", principal=principal)
    may = {
        (who, kind): _assumed(client, f"{name}-{kind}")
        for who, client in {"nobody": nobody, "somebody": somebody, "forbidden": forbidden}.items()
        for kind in [*roles, "unknown"]
    }
    assert {pair for pair, done in may.items() if done} == {
        ("somebody", "account"),
        ("nobody", "named"),
    }


def _assumed(sts, name):
    try:
        assume(sts, name)
    except sts.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"
        assert (
            "is not authorized to perform: sts:AssumeRole on resource" in error.response["Error"]["Message"]
        )
        return False
    return True


def test_an_external_id(iam, sts, name):
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ROOT},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "agreed"}},
    }
    trusting = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting)
    assert assume(sts, name, ExternalId="agreed")["Credentials"]
    assert not _assumed(sts, name)
    with refused("AccessDenied", 403, modelled=False):
        assume(sts, name, ExternalId="guessed")


def test_how_long_a_session_may_last(node, iam, sts, name):
    assumable(iam, name, policy("sts:AssumeRole"), MaxSessionDuration=7200)
    with refused("ValidationError", 400, "MaxSessionDuration", modelled=False):
        assume(sts, name, DurationSeconds=7201)
    credentials = assume(sts, name, DurationSeconds=7200)["Credentials"]
    chained = with_credentials(node, credentials)("sts")
    with refused("ValidationError", 400, "role chaining", modelled=False):
        assume(chained, name, DurationSeconds=7200)
    assert assume(chained, name, "next")["AssumedRoleUser"]["Arn"].endswith("/next")


def test_credentials_end_by_the_civil_clock(node, iam, sts, name, turned):
    assumable(iam, name, policy("iot:ListThings"))
    client = with_credentials(node, assume(sts, name, DurationSeconds=900)["Credentials"])
    client("iot").list_things()
    turned.set_clock(advanceSeconds=899)
    client("iot").list_things()
    turned.set_clock(advanceSeconds=1)
    with refused("ExpiredTokenException", 403, "expired", modelled=False):
        client("iot").list_things()
    with refused("ExpiredToken", 403, "expired", modelled=False):
        client("sts").get_caller_identity()


def test_sessions_follow_their_role(node, iam, sts, name):
    assumable(iam, name, policy("iot:ListThings"))
    client = with_credentials(node, assume(sts, name)["Credentials"])
    assert _allowed(client("iot"))
    iam.put_role_policy(RoleName=name, PolicyName="p0", PolicyDocument=policy("iot:DescribeThing"))
    until(lambda: not _allowed(client("iot")))
    iam.delete_role_policy(RoleName=name, PolicyName="p0")
    iam.delete_role(RoleName=name)
    until(lambda: _refused(client("sts")))
    assumable(iam, name, policy("iot:ListThings"))  # another one of that name is another role
    assert _refused(client("sts"))


def tampered(token):
    middle = len(token) // 2
    return token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None,
        tampered,
        lambda token: token[:-4],
        lambda _: "x",
        lambda _: "Zm9v",
        lambda token: token * 9,
    ],
    ids=["none", "tampered", "cut", "nonsense", "short", "long"],
)
@pytest.mark.parametrize("expires", [None, 60], ids=["header", "query"])
def test_a_token_that_is_not_ours(node, iam, sts, name, change, expires):
    assumable(iam, name, policy("iot:ListThings"))
    credentials = assume(sts, name)["Credentials"]
    given = {"key": credentials["AccessKeyId"], "secret": credentials["SecretAccessKey"], "expires": expires}
    target = "/things?maxResults=1"
    assert call(node, "GET", target, token=credentials["SessionToken"], **given).status == 200
    answer = call(node, "GET", target, token=change(credentials["SessionToken"]), **given)
    assert answer.status in (400, 403)
    assert INVALID in answer.message or "too long" in answer.message
    other = assume(sts, name)["Credentials"]
    assert INVALID in call(node, "GET", target, token=other["SessionToken"], **given).message


def test_the_token_may_be_appended_after_signing(node, iam, sts, name):
    """As the developer guide says for MQTT over WebSocket; for other services it must have been signed."""
    assumable(iam, name, policy("iot:Publish"))
    credentials = assume(sts, name)["Credentials"]
    given = {"key": credentials["AccessKeyId"], "secret": credentials["SecretAccessKey"], "expires": 60}
    appended = f"&X-Amz-Security-Token={quote(credentials['SessionToken'], safe='')}"
    for service, status in (("iotdevicegateway", 200), ("iotdata", 403)):
        request = signed(node, "POST", "/topics/a", service=service, **given)
        assert send(node, request._replace(target=request.target + appended)).status == status


def test_no_secret_is_kept_anywhere(node, iam, sts, sql, name):
    assumable(iam, name, policy("iot:ListThings"))
    credentials = assume(sts, name)["Credentials"]
    tables = {"resource": "body", "link": "body", "audit": "detail", "refusal": "body", "change": "what"}
    everything = "".join(repr(sql(f"SELECT {column} FROM {table}")) for table, column in tables.items())
    for secret in (credentials["SecretAccessKey"], credentials["SessionToken"]):
        assert secret not in everything
        assert secret not in node.log


def test_assuming_is_audited(iam, sts, sql, name):
    assumable(iam, name)
    assume(sts, name)
    rows = sql(
        "SELECT principal, outcome FROM audit WHERE operation = 'AssumeRole' "
        f"AND resource = 'arn:aws:iam::{ACCOUNT}:role/{name}'"
    )
    assert rows == [(ROOT, "Success")]


# --- GetSessionToken ---


def test_a_users_session(node, iam, name, turned):
    client = user(node, iam, name, policy("iot:ListThings", "iam:*", "sts:*"))
    credentials = client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    session = with_credentials(node, credentials)
    assert session("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    session("iot").list_things()
    with denied("iot:DescribeThing"):
        session("iot").describe_thing(thingName="x")
    with denied("iam:GetUser", code="AccessDenied"):
        session("iam").get_user()
    with refused("AccessDenied", 403, "session credentials", modelled=False):
        session("sts").get_session_token()
    turned.set_clock(advanceSeconds=901)
    with refused("ExpiredTokenException", 403, modelled=False):
        session("iot").list_things()


def test_the_roots_session(node, sts):
    credentials = sts.get_session_token()["Credentials"]
    assert credentials["Expiration"] - datetime.now(UTC) < timedelta(seconds=3601)
    session = with_credentials(node, credentials)
    assert session("sts").get_caller_identity()["Arn"] == ROOT
    session("iot").list_things()
    with denied("iam:ListRoles", code="AccessDenied"):
        session("iam").list_roles()
