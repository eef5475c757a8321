"""What a device may do, told without one: TestAuthorization, GetEffectivePolicies, ExplainAuthorization."""

from __future__ import annotations

import json

import pytest

from api.making import UNCHECKED, UNKNOWN_ID, arn, certificate, csr, document, not_implemented, refused
from interop.devices import allow, deny

CONNECT, PUBLISH, SUBSCRIBE, RECEIVE = "CONNECT", "PUBLISH", "SUBSCRIBE", "RECEIVE"


def ask(action, *resources):
    return {"actionType": action, "resources": [arn(resource) for resource in resources]}


def results(iot, principal, *infos, **more):
    return iot.test_authorization(principal=principal, authInfos=list(infos), **more)["authResults"]


def decisions(iot, principal, *infos, **more):
    return [one["authDecision"] for one in results(iot, principal, *infos, **more)]


@pytest.fixture
def policy(iot, name):
    """Makes a policy of the statements, attached to the certificate if there is one."""

    def make(*statements, cert=None, suffix=""):
        text = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iot.create_policy(policyName=f"{name}{suffix}", policyDocument=text)
        if cert is not None:
            iot.attach_policy(policyName=f"{name}{suffix}", target=cert.arn)
        return f"{name}{suffix}"

    return make


def shown(*names):
    return [{"policyName": one, "policyArn": arn(f"policy/{one}")} for one in names]


# --- TestAuthorization --------------------------------------------------------------------------------------


def test_each_policy_is_told_by_what_it_says(iot, cert, policy):
    allows = policy(allow("Publish", "topic/a/*"), cert=cert, suffix="-1")
    denies = policy(deny("Publish", "topic/a/secret"), cert=cert, suffix="-2")
    silent = policy(allow("Subscribe", "topicfilter/a"), cert=cert, suffix="-3")
    infos = [ask(PUBLISH, "topic/a/b"), ask(PUBLISH, "topic/a/secret"), ask(RECEIVE, "topic/a/b")]
    allowed, denied, nothing = results(iot, cert.arn, *infos)
    assert allowed == {
        "authInfo": infos[0],
        "allowed": {"policies": shown(allows)},
        "denied": {
            "implicitDeny": {"policies": shown(denies, silent)},
            "explicitDeny": {"policies": []},
        },
        "authDecision": "ALLOWED",
        "missingContextValues": [],
    }
    assert denied["authDecision"] == "EXPLICIT_DENY"
    assert denied["allowed"]["policies"] == shown(allows)
    assert denied["denied"]["explicitDeny"]["policies"] == shown(denies)
    assert denied["denied"]["implicitDeny"]["policies"] == shown(silent)
    assert nothing["authDecision"] == "IMPLICIT_DENY"
    assert nothing["denied"]["implicitDeny"]["policies"] == shown(allows, denies, silent)


def test_the_four_actions(iot, cert, policy):
    policy(
        allow("Connect", "client/c"),
        allow("Publish", "topic/p"),
        allow("Subscribe", "topicfilter/s"),
        allow("Receive", "topic/r"),
        cert=cert,
    )
    resources = {CONNECT: "client/c", PUBLISH: "topic/p", SUBSCRIBE: "topicfilter/s", RECEIVE: "topic/r"}
    for action in resources:
        found = decisions(iot, cert.arn, *(ask(action, resource) for resource in resources.values()))
        assert [decision == "ALLOWED" for decision in found] == [action == one for one in resources]


def test_several_resources_are_allowed_together_or_not(iot, cert, policy):
    made = policy(allow("Publish", "topic/a", "topic/b"), deny("Publish", "topic/c"), cert=cert)
    both, some, one_denied = results(
        iot,
        cert.arn,
        ask(PUBLISH, "topic/a", "topic/b"),
        ask(PUBLISH, "topic/a", "topic/x"),
        ask(PUBLISH, "topic/a", "topic/x", "topic/c"),
    )
    assert (both["authDecision"], some["authDecision"]) == ("ALLOWED", "IMPLICIT_DENY")
    assert one_denied["authDecision"] == "EXPLICIT_DENY"
    assert some["allowed"]["policies"] == some["denied"]["implicitDeny"]["policies"] == shown(made)
    assert one_denied["denied"]["explicitDeny"]["policies"] == shown(made)


def test_no_policy_allows_nothing(iot, cert):
    [found] = results(iot, cert.arn, ask(CONNECT, "client/a"))
    assert found["authDecision"] == "IMPLICIT_DENY"
    assert found["allowed"] == {"policies": []}


def test_what_a_certificate_is_in_is_not_asked(iot, policy):
    inactive = certificate(iot, active=False)
    policy(allow("Connect", "client/a"), cert=inactive)
    assert decisions(iot, inactive.arn, ask(CONNECT, "client/a")) == ["ALLOWED"]


def test_policies_added_and_left_out(iot, cert, policy):
    skipped = policy(allow("Publish", "topic/a"), cert=cert, suffix="-1")
    added = policy(deny("Publish", "topic/*"), suffix="-2")
    asked = ask(PUBLISH, "topic/a")
    assert decisions(iot, cert.arn, asked) == ["ALLOWED"]
    assert decisions(iot, cert.arn, asked, policyNamesToAdd=[added]) == ["EXPLICIT_DENY"]
    assert decisions(iot, cert.arn, asked, policyNamesToSkip=[skipped]) == ["IMPLICIT_DENY"]
    assert decisions(iot, cert.arn, asked, policyNamesToSkip=[added]) == ["ALLOWED"]
    both = {"policyNamesToAdd": [skipped], "policyNamesToSkip": [skipped]}
    assert decisions(iot, cert.arn, asked, **both) == ["IMPLICIT_DENY"]
    for member in ("policyNamesToAdd", "policyNamesToSkip"):
        with refused("ResourceNotFoundException", 404, "no-such-policy"):
            results(iot, cert.arn, asked, **{member: ["no-such-policy"]})
        with refused("LimitExceededException", 410, member, "11"):
            results(iot, cert.arn, asked, **{member: [added] * 11})


def test_the_version_in_force_counts(iot, cert, policy):
    made = policy(allow("Publish", "topic/a"), cert=cert)
    iot.create_policy_version(policyName=made, policyDocument=document("b"))
    asked = [ask(PUBLISH, "topic/a"), ask(PUBLISH, "topic/b")]
    assert decisions(iot, cert.arn, *asked) == ["ALLOWED", "IMPLICIT_DENY"]
    iot.set_default_policy_version(policyName=made, policyVersionId="2")
    assert decisions(iot, cert.arn, *asked) == ["IMPLICIT_DENY", "ALLOWED"]


# --- variables ----------------------------------------------------------------------------------------------


def test_what_nobody_has_said_is_missing(iot, cert, policy):
    policy(
        allow("Publish", "topic/${iot:ClientId}", "topic/${iot:Connection.Thing.ThingName}"),
        allow("Publish", "topic/x", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        allow("Publish", "topic/y", Condition={"StringNotEquals": {"iot:DomainName": "a"}}),
        allow("Publish", "topic/${iot:Certificate.Subject.CommonName}", "topic/${iot:CertificateId}"),
        cert=cert,
    )
    [found] = results(iot, cert.arn, ask(PUBLISH, "topic/${iot:ClientId}"))
    assert found["authDecision"] == "IMPLICIT_DENY"
    assert found["missingContextValues"] == [
        "iot:ClientId",
        "iot:Connection.Thing.ThingName",
        "aws:SourceIp",
        "iot:DomainName",
    ]
    [found] = results(iot, cert.arn, ask(PUBLISH, "topic/c"), clientId="c")
    assert found["authDecision"] == "ALLOWED"
    assert "iot:ClientId" not in found["missingContextValues"]
    assert "iot:Connection.Thing.ThingName" in found["missingContextValues"]
    both = [ask(PUBLISH, "topic/device"), ask(PUBLISH, f"topic/{cert.id}")]
    assert decisions(iot, cert.arn, *both) == ["ALLOWED"] * 2


def test_the_thing_is_the_one_that_the_client_id_names(iot, name, cert, policy):
    attributes = {"attributes": {"site": "north"}}
    iot.create_thing_type(thingTypeName=name)
    iot.create_thing(thingName=name, thingTypeName=name, attributePayload=attributes)
    policy(
        allow("Connect", "client/${iot:Connection.Thing.ThingName}"),
        allow(
            "Publish",
            "topic/${iot:Connection.Thing.ThingTypeName}/${iot:Connection.Thing.Attributes[site]}",
            Condition={"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
        ),
        cert=cert,
    )
    asked = [ask(CONNECT, f"client/{name}"), ask(PUBLISH, f"topic/{name}/north")]
    assert decisions(iot, cert.arn, *asked, clientId=name) == ["IMPLICIT_DENY"] * 2
    iot.attach_thing_principal(thingName=name, principal=cert.arn)
    assert decisions(iot, cert.arn, *asked, clientId=name) == ["ALLOWED"] * 2
    assert decisions(iot, cert.arn, *asked, clientId="other") == ["IMPLICIT_DENY"] * 2
    assert decisions(iot, cert.arn, *asked) == ["IMPLICIT_DENY"] * 2
    [found] = results(iot, cert.arn, asked[1])
    assert "iot:Connection.Thing.IsAttached" in found["missingContextValues"]
    [found] = results(iot, cert.arn, asked[1], clientId="other")
    assert "iot:Connection.Thing.IsAttached" not in found["missingContextValues"]


def test_an_exclusive_thing_needs_no_client_id(iot, name, cert, policy):
    iot.create_thing(thingName=name)
    iot.attach_thing_principal(thingName=name, principal=cert.arn, thingPrincipalType="EXCLUSIVE_THING")
    policy(allow("Publish", "topic/${iot:Connection.Thing.ThingName}"), cert=cert)
    for more in ({}, {"clientId": "anything"}):
        [found] = results(iot, cert.arn, ask(PUBLISH, f"topic/{name}"), **more)
        assert (found["authDecision"], found["missingContextValues"]) == ("ALLOWED", [])


def test_values_of_the_certificate(iot, policy):
    made = iot.create_certificate_from_csr(
        certificateSigningRequest=csr("lamp", ORGANIZATION_NAME="Example Corp"), setAsActive=True
    )
    cert = certificate(iot, "other")
    organization = {"iot:Certificate.Subject.Organization.List": ["Example Corp", "AnyCompany"]}
    made_policy = policy(allow("Publish", "topic/a", Condition={"ForAnyValue:StringEquals": organization}))
    for principal, decision in ((made["certificateArn"], "ALLOWED"), (cert.arn, "IMPLICIT_DENY")):
        asked = ask(PUBLISH, "topic/a")
        assert decisions(iot, principal, asked, policyNamesToAdd=[made_policy]) == [decision]


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("infos", "words"),
    [
        ([{"actionType": CONNECT, "resources": []}], ["authInfos 0", "resources"]),
        ([ask(CONNECT, "client/a"), {"resources": [arn("client/a")]}], ["authInfos 1", "actionType"]),
        ([{"actionType": CONNECT, "resources": ["client/a"]}], ["authInfos 0", "client/a", "not an ARN"]),
        ([{"actionType": "READ", "resources": [arn("client/a")]}], ["authInfos.1.member.actionType"]),
        ([{"actionType": CONNECT, "resources": [arn("client/" + "a" * 2048)]}], ["resources", "2048"]),
        ([{"actionType": CONNECT}], ["resources"]),
        ([], ["authInfos", "1"]),
        ([ask(CONNECT, "client/a")] * 11, ["authInfos", "10"]),
    ],
)
def test_what_is_not_a_question(node, cert, infos, words):
    iot = node.client("iot", config=UNCHECKED)
    with refused("InvalidRequestException", 400, *words):
        iot.test_authorization(principal=cert.arn, authInfos=infos)


def test_too_many_resources(iot, cert):
    many = [ask(PUBLISH, *(f"topic/{number}" for number in range(51)))] * 2
    with refused("LimitExceededException", 410, "102", "100"):
        results(iot, cert.arn, *many)


@pytest.mark.parametrize("operation", ["test_authorization", "get_effective_policies"])
def test_principals_that_are_none(iot, operation):
    more = {"authInfos": [ask(CONNECT, "client/a")]} if operation == "test_authorization" else {}

    def call(**members):
        return getattr(iot, operation)(**more, **members)

    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        call(principal=arn(f"cert/{UNKNOWN_ID}"))
    with refused("ResourceNotFoundException", 404, "no-such-group"):
        call(principal=arn("thinggroup/no-such-group"))
    with refused("InvalidRequestException", 400, "principal"):
        call()
    for wrong in ("x", arn("thing/a"), "arn:aws:iam::000000000000:user/ann"):
        with refused("InvalidRequestException", 400, wrong):
            call(principal=wrong)
    for elsewhere in (arn(f"cert/{UNKNOWN_ID}", region="eu-west-1"), arn("thinggroup/a", account="1" * 12)):
        with refused("InvalidRequestException", 400, elsewhere):
            call(principal=elsewhere)
    with not_implemented("Cognito"):
        call(principal="us-east-1:11111111-2222-3333-4444-555555555555")
    with not_implemented("cognitoIdentityPoolId"):
        call(cognitoIdentityPoolId="us-east-1:11111111-2222-3333-4444-555555555555")


# --- GetEffectivePolicies -----------------------------------------------------------------------------------


def test_effective_policies_of_a_certificate(iot, name, cert, policy):
    assert iot.get_effective_policies(principal=cert.arn)["effectivePolicies"] == []
    made = [policy(allow("Publish", f"topic/{n}"), cert=cert, suffix=f"-{n}") for n in "ab"]
    iot.create_policy_version(policyName=made[0], policyDocument=document("c"), setAsDefault=True)
    found = iot.get_effective_policies(principal=cert.arn)["effectivePolicies"]
    texts = [iot.get_policy(policyName=one)["policyDocument"] for one in made]
    assert texts[0] == document("c")
    assert found == [one | {"policyDocument": text} for one, text in zip(shown(*made), texts, strict=True)]
    iot.create_thing(thingName=name)
    assert iot.get_effective_policies(principal=cert.arn, thingName=name)["effectivePolicies"] == found
    assert iot.get_effective_policies(thingName=name)["effectivePolicies"] == []


def test_effective_policies_of_a_thing_that_is_none(iot, name, cert):
    for more in ({}, {"principal": cert.arn}):
        with refused("ResourceNotFoundException", 404, name):
            iot.get_effective_policies(thingName=name, **more)


# --- ExplainAuthorization -----------------------------------------------------------------------------------


def test_a_decision_with_its_evidence(own, iot, name, cert, policy):
    iot.create_thing(thingName=name)
    iot.attach_thing_principal(thingName=name, principal=cert.arn)
    made = policy(
        allow("Connect", "client/x"),
        allow(
            "Publish",
            "topic/${iot:Connection.Thing.ThingName}/*",
            Sid="own",
            Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        ),
        cert=cert,
    )
    resource = arn(f"topic/{name}/up")
    about = {"principal": cert.arn, "action": "iot:Publish", "resource": resource, "clientId": name}
    found = own.explain_authorization(**about, sourceIp="10.1.2.3")
    del found["ResponseMetadata"]
    [[first, second]] = [one.pop("statements") for one in found["policies"]]
    assert found == {
        **about,
        "decision": "ALLOWED",
        "decidedBy": {"policyName": made, "versionId": "1", "index": 1, "sid": "own"},
        "thingName": name,
        "thingGroups": [],
        "policies": [{"policyName": made, "versionId": "1", "attachedTo": [cert.arn]}],
        "variables": {"iot:Connection.Thing.ThingName": name, "aws:SourceIp": "10.1.2.3"},
        "missingVariables": [],
    }
    assert (first["index"], first["verdict"]) == (0, "action differs")
    assert (second["sid"], second["effect"], second["verdict"]) == ("own", "Allow", "matches")
    assert f"became {arn(f'topic/{name}/*')}" in second["why"]

    outside = own.explain_authorization(**about, sourceIp="192.0.2.1")
    assert outside["decision"] == "IMPLICIT_DENY"
    assert "decidedBy" not in outside
    assert outside["policies"][0]["statements"][1]["verdict"] == "condition false"
    unsaid = own.explain_authorization(**about)
    assert (unsaid["decision"], unsaid["missingVariables"]) == ("IMPLICIT_DENY", ["aws:SourceIp"])


def test_what_a_connect_comes_with(own, cert, policy):
    made = policy(
        allow(
            "Connect",
            "client/*",
            Condition={
                "ForAllValues:StringEquals": {"iot:ConnectAttributes": ["LastWill"]},
                "ArnEquals": {"iot:LastWillTopic": arn("topic/will")},
            },
        )
    )

    def decision(**more):
        about = {"principal": cert.arn, "action": "iot:Connect", "resource": arn("client/a")}
        return own.explain_authorization(**about, policyNamesToAdd=[made], **more)["decision"]

    assert decision(connectAttributes=["LastWill"], lastWillTopic="will") == "ALLOWED"
    assert decision(connectAttributes=["LastWill"], lastWillTopic="other") == "IMPLICIT_DENY"
    assert decision(connectAttributes=["LastWill", "PersistentConnect"], lastWillTopic="will") != "ALLOWED"
    assert decision(connectAttributes=["LastWill"]) == "IMPLICIT_DENY"


def test_what_cannot_be_explained(own, cert):
    with refused("InvalidRequestException", 400, "resource", "topic/a"):
        own.explain_authorization(principal=cert.arn, action="iot:Publish", resource="topic/a")
    with refused("InvalidRequestException", 400, "sourceIp", "10.1.2"):
        own.explain_authorization(
            principal=cert.arn, action="iot:Publish", resource=arn("topic/a"), sourceIp="10.1.2"
        )
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        own.explain_authorization(
            principal=arn(f"cert/{UNKNOWN_ID}"), action="iot:Publish", resource=arn("topic/a")
        )
