"""The credentials provider: what it answers, and its refusals in AWS's order, each told by explain."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from api.making import ACCOUNT, arn, refused
from api.raw import call
from interop.devices import allow, until
from interop.providers import ask, client, may_assume, role_and_alias, trusting
from interop.sockets import secure

PUBLISH = allow("Publish", "topic/a/*")
NO_ROLE = "Unable to assume the role, or the role to assume does not exist"
TOO_LONG = "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role"


@pytest.fixture
def alias(node, name):
    """A role alias whose role may publish."""
    return role_and_alias(node, name, PUBLISH)


@pytest.fixture
def device(factory, alias):
    """A device that may ask for the alias."""
    return factory(alias, statements=may_assume(alias))


def refusal(own, device):
    return own.list_refusals(certificateId=device.certificate_id, maxResults=1)["refusals"][0]


def check(answer, status, message):
    assert (answer.status, answer.body) == (status, {"message": message})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amzn-requestid"]
    assert answer.headers["x-amzn-errortype"]


# --- what it answers ---


def test_the_answer(node, alias, device):
    before = datetime.now(UTC)
    answer = ask(node, device.identity, alias)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.body) == ["credentials"]
    found = answer.body["credentials"]
    assert sorted(found) == ["accessKeyId", "expiration", "secretAccessKey", "sessionToken"]
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", found["accessKeyId"])
    assert len(found["secretAccessKey"]) == 40
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["expiration"])
    end = datetime.fromisoformat(found["expiration"])
    assert timedelta(seconds=3590) < end - before < timedelta(seconds=3660)


def test_who_the_credentials_are(node, iam, alias, device):
    """A session of the role, named after the certificate."""
    found = ask(node, device.identity, alias).body["credentials"]
    who = client(node, found, "sts").get_caller_identity()
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{alias}/{device.certificate_id}"
    assert who["UserId"] == f"{iam.get_role(RoleName=alias)['Role']['RoleId']}:{device.certificate_id}"


def test_what_the_credentials_may_do(node, alias, device):
    found = ask(node, device.identity, alias).body["credentials"]
    data, iot = client(node, found, "iot-data"), client(node, found, "iot")
    data.publish(topic="a/b", payload=b"x")
    with refused("ForbiddenException", 403):
        data.publish(topic="b/a", payload=b"x")
    with refused("AccessDeniedException", 403, modelled=False):
        iot.list_things()


def test_the_things_name_narrows_the_role(node, factory, iot, name):
    """The three condition keys are variables in the role's policies (AWS IoT Developer Guide, Authorizing
    direct calls to AWS services)."""
    iot.create_thing_type(thingTypeName=name)
    resources = [
        "topic/by-name/${credentials-iot:ThingName}",
        "topic/by-type/${credentials-iot:ThingTypeName}",
        "topic/by-certificate/${credentials-iot:AwsCertificateId}",
    ]
    only = {"StringEquals": {"credentials-iot:ThingTypeName": name}}
    alias = role_and_alias(
        node, name, allow("Publish", *resources), allow("Publish", "topic/typed", Condition=only)
    )
    device = factory(alias, statements=may_assume(alias))
    iot.update_thing(thingName=device.name, thingTypeName=name)

    def published(thing, *topics):
        data = client(node, ask(node, device.identity, alias, thing).body["credentials"], "iot-data")
        return [_published(data, topic) for topic in topics]

    topics = f"by-name/{device.name}", f"by-type/{name}", f"by-certificate/{device.certificate_id}", "typed"
    until(lambda: published(device.name, *topics) == [True, True, True, True])
    assert published(None, *topics) == [False, False, True, False]
    assert published(device.name, "by-name/other", "by-type/other") == [False, False]


def _published(data, topic):
    try:
        data.publish(topic=topic, payload=b"x")
    except data.exceptions.ForbiddenException:
        return False
    return True


def test_how_long_is_the_aliass_business(node, iot, alias, device, turned):
    iot.update_role_alias(roleAlias=alias, credentialDurationSeconds=900)
    data = client(node, ask(node, device.identity, alias).body["credentials"], "iot-data")
    turned.set_clock(advanceSeconds=895)
    data.publish(topic="a/b", payload=b"x")
    turned.set_clock(advanceSeconds=6)
    with refused("ExpiredTokenException", 403, modelled=False):
        data.publish(topic="a/b", payload=b"x")


def test_variables_of_things_in_the_devices_policy_need_the_header(node, factory, name, own):
    role_and_alias(node, name, PUBLISH)
    by_thing = [allow("AssumeRoleWithCertificate", "rolealias/${iot:Connection.Thing.ThingName}")]
    device = factory("prefix", statements=by_thing)
    role_and_alias(node, device.name, PUBLISH)
    assert ask(node, device.identity, device.name, device.name).status == 200
    check(ask(node, device.identity, device.name), 403, "Access Denied")
    assert refusal(own, device)["missingVariables"] == ["iot:Connection.Thing.ThingName"]
    check(ask(node, device.identity, name, device.name), 403, "Access Denied")


def test_an_exclusive_thing(node, factory, alias):
    device = factory(alias, statements=may_assume(alias), exclusive=True)
    assert ask(node, device.identity, alias, device.name).status == 200
    check(ask(node, device.identity, alias, f"{device.name}-other"), 403, "Invalid thing name passed")


def test_names_with_all_that_they_may_have(node, factory, name):
    alias = f"{name}=,@-_"
    role_and_alias(node, alias, PUBLISH)
    device = factory("strange", statements=may_assume(alias))
    assert ask(node, device.identity, alias).status == 200


# --- what it refuses, in this order ---


def test_1_a_thing_that_is_not_attached(node, factory, alias, device, iot, own):
    """Before anything else, also where no policy allows it and no such alias exists."""
    other = factory("other")
    nothing = factory("nothing", statements=[])
    for identity, asked, thing in [
        (device.identity, alias, other.name),
        (device.identity, alias, "unknown"),
        (device.identity, alias, ""),
        (nothing.identity, "unknown", "unknown"),
    ]:
        check(ask(node, identity, asked, thing), 403, "Invalid thing name passed")
    found = refusal(own, nothing)
    assert "'unknown' does not exist or is not attached" in found["reason"]
    assert (found["action"], found["thingName"]) == ("iot:AssumeRoleWithCertificate", "unknown")
    assert found["effect"] == "the request was answered 403 (Invalid thing name passed)"
    iot.detach_thing_principal(thingName=device.name, principal=device.arn)
    until(lambda: ask(node, device.identity, alias, device.name).body.get("message"))
    check(ask(node, device.identity, alias, device.name), 403, "Invalid thing name passed")


def test_2_a_policy_that_does_not_allow_it(node, factory, alias, own):
    """Before it is told whether there is such an alias."""
    nothing = factory("nothing", statements=[])
    denied = factory("denied", statements=[*may_assume(alias), allow("*", "*", effect="Deny")])
    another = factory("another", statements=may_assume(f"{alias}-other"))
    for device in (nothing, denied, another):
        check(ask(node, device.identity, alias, device.name), 403, "Access Denied")
    check(ask(node, nothing.identity, "unknown"), 403, "Access Denied")
    found = refusal(own, another)
    assert (found["action"], found["decision"]) == ("iot:AssumeRoleWithCertificate", "IMPLICIT_DENY")
    assert found["resource"] == arn(f"rolealias/{alias}")
    assert found["policies"][0]["statements"][0]["verdict"] == "resource differs"
    assert refusal(own, denied)["decision"] == "EXPLICIT_DENY"


def test_3_an_alias_that_does_not_exist(node, factory, name, own):
    device = factory("device", statements=[allow("*", "*")])
    check(ask(node, device.identity, name), 404, "Role alias does not exist")
    assert refusal(own, device)["reason"] == f"Role alias {name} does not exist"
    check(ask(node, device.identity, "no alias can be called this"), 404, "Role alias does not exist")


@pytest.mark.parametrize("kind", ["missing", "another service", "an account", "another alias"])
def test_4_a_role_that_is_missing_or_does_not_trust(node, factory, iot, iam, name, own, kind):
    elsewhere = {"StringEquals": {"aws:SourceArn": arn("rolealias/other")}}
    trust = {
        "another service": trusting("iot.amazonaws.com"),
        "an account": trusting().replace('"Service": "credentials.iot.amazonaws.com"', f'"AWS": "{ACCOUNT}"'),
        "another alias": trusting(Condition=elsewhere),
    }
    role_and_alias(node, name, trust=trust.get(kind, trusting()), credentialDurationSeconds=43200)
    if kind == "missing":
        iam.delete_role(RoleName=name)
    device = factory(name, statements=may_assume(name))
    check(ask(node, device.identity, name), 400, NO_ROLE)
    assert f"role/{name} does not exist, or does not trust" in refusal(own, device)["reason"]


def test_5_a_duration_beyond_the_roles(node, factory, iot, iam, name, own):
    role_and_alias(node, name, PUBLISH, credentialDurationSeconds=3601)
    device = factory(name, statements=may_assume(name))
    check(ask(node, device.identity, name), 400, TOO_LONG)
    assert "MaxSessionDuration" in refusal(own, device)["reason"]
    iam.update_role(RoleName=name, MaxSessionDuration=7200)
    assert ask(node, device.identity, name).status == 200


def test_a_trust_policy_may_name_the_alias_and_the_account(node, factory, name):
    """Against a confused deputy (AWS IoT Developer Guide, Cross-service confused deputy prevention)."""
    here = {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnEquals": {"aws:SourceArn": arn(f"rolealias/{name}")},
    }
    role_and_alias(node, name, trust=trusting(Condition=here))
    device = factory(name, statements=may_assume(name))
    assert ask(node, device.identity, name).status == 200


@pytest.mark.parametrize(
    "odd", ["a\0b", "a b", "%", "ü", "日本", "*", "${iot:CertificateId}", "x" * 128, "x" * 385]
)
def test_odd_names_are_refused_as_others_are(node, factory, own, odd):
    device = factory("odd", statements=may_assume("x"))
    answer = ask(node, device.identity, odd)
    assert answer.status == 403
    if len(odd) <= 128:
        assert answer.body == {"message": "Access Denied"}
        assert refusal(own, device)["action"] == "iot:AssumeRoleWithCertificate"


@pytest.mark.parametrize("odd", [" ", "ü", "a/b", "${iot:CertificateId}", "x" * 5000])
def test_odd_things_are_refused_as_others_are(node, alias, device, own, odd):
    check(ask(node, device.identity, alias, odd), 403, "Invalid thing name passed")
    assert len(refusal(own, device).get("thingName", "")) <= 128


# --- who may come at all ---


def test_without_a_certificate(node, alias, own):
    check(ask(node, None, alias), 403, "Access Denied")
    assert "no client certificate" in own.list_refusals(maxResults=1)["refusals"][0]["reason"]


def test_a_certificate_that_is_not_active(node, factory, alias, iot, own):
    device = factory(alias, statements=may_assume(alias))
    assert ask(node, device.identity, alias).status == 200
    iot.update_certificate(certificateId=device.certificate_id, newStatus="INACTIVE")
    until(lambda: ask(node, device.identity, alias).status != 200)
    check(ask(node, device.identity, alias), 403, "Access Denied")
    assert "INACTIVE" in refusal(own, device)["reason"]


def test_over_the_plain_port_it_is_a_request_like_any_other(node, alias):
    """There is no certificate to be had, and for who has signed it is no operation."""
    answer = call(node, "GET", f"/role-aliases/{alias}/credentials")
    assert (answer.status, answer.code) == (404, "UnknownOperationException")


def test_other_methods_and_paths_go_on(node, alias, device):
    with secure(node, identity=device.identity) as sock:
        sock.sendall(f"POST /role-aliases/{alias}/credentials HTTP/1.1\r\nHost: localhost\r\n".encode())
        sock.sendall(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        assert b" 403 " in sock.recv(65536)[:20]


def test_it_is_audited_and_keeps_no_secret(node, alias, device, sql):
    found = ask(node, device.identity, alias).body["credentials"]
    rows = sql(
        "SELECT principal, outcome, detail FROM audit WHERE operation = 'AssumeRole' "
        f"AND resource = 'arn:aws:iam::{ACCOUNT}:role/{alias}'"
    )
    assert [row[:2] for row in rows] == [("credentials.iot.amazonaws.com", "Success")]
    assert device.certificate_id in rows[0][2]
    tables = {"resource": "body", "audit": "detail", "refusal": "body", "change": "what"}
    everything = "".join(repr(sql(f"SELECT {column} FROM {table}")) for table, column in tables.items())
    for secret in (found["secretAccessKey"], found["sessionToken"]):
        assert secret not in everything
        assert secret not in node.log
