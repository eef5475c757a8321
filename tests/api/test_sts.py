"""Temporary credentials: whose they are, what they allow and no more, and when they end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from api.callers import (
    assumable,
    assume,
    denied,
    is_assumed,
    is_refused,
    may_list,
    policy,
    user,
    with_credentials,
)
from api.making import ACCOUNT, arn, refused
from api.raw import call, send, signed
from interop.devices import until

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
THINGS = arn("thing/*")
INVALID = "The security token included in the request is invalid"


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
        (who, kind): is_assumed(client, f"{name}-{kind}")
        for who, client in {"nobody": nobody, "somebody": somebody, "forbidden": forbidden}.items()
        for kind in [*roles, "unknown"]
    }
    assert {pair for pair, done in may.items() if done} == {
        ("somebody", "account"),
        ("nobody", "named"),
    }


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
    assert not is_assumed(sts, name)
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
    assert may_list(client("iot"))
    iam.put_role_policy(RoleName=name, PolicyName="p0", PolicyDocument=policy("iot:DescribeThing"))
    until(lambda: not may_list(client("iot")))
    iam.delete_role_policy(RoleName=name, PolicyName="p0")
    iam.delete_role(RoleName=name)
    until(lambda: is_refused(client("sts")))
    assumable(iam, name, policy("iot:ListThings"))  # another one of that name is another role
    assert is_refused(client("sts"))


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
