import json

import pytest

from sekisho.logic.policy import EMPTY, IMPLICIT_DENY, Decision, NamedPolicy, PolicySet, iot_arn, parse_policy

REGION, ACCOUNT = "us-east-1", "123456789012"


def arn(resource):
    return iot_arn(REGION, ACCOUNT, resource)


def allow(action, *resources, **more):
    return {"Effect": "Allow", "Action": action, "Resource": [arn(r) for r in resources]} | more


def deny(action, *resources, **more):
    return allow(action, *resources, **more) | {"Effect": "Deny"}


def policies(*documents, version="2012-10-17"):
    return PolicySet(
        NamedPolicy(f"p{index}", "1", parse_policy(json.dumps({"Version": version, "Statement": statements})))
        for index, statements in enumerate(documents)
    )


def outcome(statements, action, resource, variables=None, context=None, **options):
    bound = policies(statements, **options).bind(variables or {})
    decision = bound.decide(action, arn(resource), context or {})
    assert bound.explain(action, arn(resource), context or {}).outcome == decision.outcome
    return decision.outcome


RESTRICTED = [
    allow("iot:Subscribe", "topicfilter/some/*"),
    allow("iot:Receive", "topic/some/*"),
    deny("iot:Subscribe", "topicfilter/some/restricted/#"),
]
THING = {
    "iot:Connection.Thing.ThingName": "device-1",
    "iot:Connection.Thing.Attributes[site]": "north",
    "iot:Connection.Thing.IsAttached": "true",
    "iot:ClientId": "device-1",
}
ATTACHED = [
    allow(
        "iot:Connect",
        "client/${iot:Connection.Thing.ThingName}",
        Condition={"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}},
    )
]
LAST_WILL = [
    allow(
        "iot:Connect",
        "client/*",
        Condition={"ForAllValues:StringEquals": {"iot:ConnectAttributes": ["PersistentConnect"]}},
    )
]


# AWS IoT Developer Guide, "AWS IoT Core policies" with its pages of examples, unless said otherwise.
@pytest.mark.parametrize(
    ("name", "statements", "action", "resource", "variables", "expected"),
    [
        ("default deny", [allow("iot:Publish", "*")], "iot:Connect", "client/a", {}, None),
        ("allow", [allow("iot:Connect", "client/a")], "iot:Connect", "client/a", {}, True),
        ("actions ignore case", [allow("IoT:connect", "client/a")], "iot:Connect", "client/a", {}, True),
        ("resources do not", [allow("iot:Connect", "client/A")], "iot:Connect", "client/a", {}, None),
        ("action wildcard", [allow("iot:*", "client/a")], "iot:Connect", "client/a", {}, True),
        ("action wildcard within", [allow("iot:?onn*", "client/a")], "iot:Connect", "client/a", {}, True),
        ("any action", [allow("*", "client/a")], "iot:Connect", "client/a", {}, True),
        ("other service", [allow("iotjobsdata:*", "client/a")], "iot:Connect", "client/a", {}, None),
        (
            "deny wins",
            [allow("iot:*", "*"), deny("iot:Connect", "client/a")],
            "iot:Connect",
            "client/a",
            {},
            False,
        ),
        ("deny first wins", [deny("*", "client/*"), allow("*", "*")], "iot:Connect", "client/a", {}, False),
        ("# is literal in a deny", RESTRICTED, "iot:Subscribe", "topicfilter/some/restricted/x", {}, True),
        (
            "the literal filter is denied",
            RESTRICTED,
            "iot:Subscribe",
            "topicfilter/some/restricted/#",
            {},
            False,
        ),
        ("a wider filter is allowed", RESTRICTED, "iot:Subscribe", "topicfilter/some/#", {}, True),
        ("receive is apart", RESTRICTED, "iot:Receive", "topic/some/restricted/x", {}, True),
        ("thing name", ATTACHED, "iot:Connect", "client/device-1", THING, True),
        ("other client id", ATTACHED, "iot:Connect", "client/device-2", THING, None),
        (
            "not attached",
            ATTACHED,
            "iot:Connect",
            "client/device-1",
            {"iot:Connection.Thing.IsAttached": "false"},
            None,
        ),
        (
            "attribute",
            [allow("iot:Publish", "topic/${iot:Connection.Thing.Attributes[site]}/?")],
            "iot:Publish",
            "topic/north/1",
            THING,
            True,
        ),
        (
            "client id is no restriction",
            [allow("iot:Connect", "client/${iot:ClientId}")],
            "iot:Connect",
            "client/whatever",
            {"iot:ClientId": "whatever"},
            True,
        ),
        (
            "a + in a client id widens a filter",
            [allow("iot:Subscribe", "topicfilter/${iot:ClientId}/x")],
            "iot:Subscribe",
            "topicfilter/+/x",
            {"iot:ClientId": "+"},
            True,
        ),
        (
            "certificate values by index",
            [allow("iot:Publish", "topic/${iot:Certificate.Subject.OrganizationalUnit.1}")],
            "iot:Publish",
            "topic/b",
            {"iot:Certificate.Subject.OrganizationalUnit": ["a", "b"]},
            True,
        ),
        (
            "an unresolved variable matches nothing, its own text neither",
            [allow("iot:Publish", "topic/${iot:Connection.Thing.ThingName}")],
            "iot:Publish",
            "topic/${iot:Connection.Thing.ThingName}",
            {},
            None,
        ),
        (
            "not resource",
            [{"Effect": "Deny", "Action": "iot:*", "NotResource": arn("topic/a*")}, allow("*", "*")],
            "iot:Publish",
            "topic/b",
            {},
            False,
        ),
        (
            "not resource leaves out",
            [{"Effect": "Deny", "Action": "iot:*", "NotResource": arn("topic/a*")}, allow("*", "*")],
            "iot:Publish",
            "topic/ab",
            {},
            True,
        ),
        (
            "not action",
            [{"Effect": "Allow", "NotAction": "iot:Connect", "Resource": "*"}],
            "iot:Publish",
            "topic/a",
            {},
            True,
        ),
        (
            "not action leaves out",
            [{"Effect": "Allow", "NotAction": "IOT:Connect", "Resource": "*"}],
            "iot:Connect",
            "client/a",
            {},
            None,
        ),
        (
            "source address",
            [allow("iot:Connect", "client/a", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})],
            "iot:Connect",
            "client/a",
            {"aws:SourceIp": "10.1.2.3"},
            True,
        ),
        (
            "an IAM action",
            [allow("iot:CreateThing", "thing/${aws:username}-*")],
            "iot:CreateThing",
            "thing/ann-1",
            {"aws:username": "ann"},
            True,
        ),
    ],
)
def test_decisions(name, statements, action, resource, variables, expected):
    wanted = {True: "ALLOWED", False: "EXPLICIT_DENY", None: "IMPLICIT_DENY"}[expected]
    assert outcome(statements, action, resource, variables) == wanted


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (["PersistentConnect"], "ALLOWED"),
        (["PersistentConnect", "LastWill"], "IMPLICIT_DENY"),
        ([], "ALLOWED"),
    ],
)
def test_connect_attributes_come_with_the_request(attributes, expected):
    context = {"iot:ConnectAttributes": attributes}
    assert outcome(LAST_WILL, "iot:Connect", "client/a", context=context) == expected


def test_context_goes_before_variables():
    statements = [allow("iot:Connect", "client/a", Condition={"StringEquals": {"x:y": "1"}})]
    assert outcome(statements, "iot:Connect", "client/a", {"x:y": "2"}, {"X:Y": "1"}) == "ALLOWED"


def test_old_versions_have_no_variables():
    statements = [allow("iot:Connect", "client/${iot:ClientId}")]
    args = (statements, "iot:Connect", "client/a", {"iot:ClientId": "a"})
    assert outcome(*args) == "ALLOWED"
    assert outcome(*args, version="2008-10-17") == "IMPLICIT_DENY"


def test_a_decision_names_its_policy_and_statement():
    chosen = policies(
        [allow("iot:Connect", "client/a")], [allow("iot:*", "x"), deny("iot:Publish", "topic/*")]
    )
    bound = chosen.bind({})
    assert bound.decide("iot:Connect", arn("client/a")) == Decision("ALLOWED", "p0", 0)
    assert bound.decide("iot:Publish", arn("topic/a")) == Decision("EXPLICIT_DENY", "p1", 1)
    assert bound.decide("iot:Subscribe", arn("topicfilter/a")) is IMPLICIT_DENY
    assert bound.decide("iot:Connect", arn("client/a")).allowed
    assert not IMPLICIT_DENY.allowed


def test_equal_sets_are_one_key():
    one, two = policies([allow("iot:Connect", "client/a")]), policies([allow("iot:Connect", "client/a")])
    other = policies([allow("iot:Connect", "client/b")])
    assert one == two
    assert len({one, two, other, EMPTY}) == 3
    assert one != "one"


def test_what_needs_no_variable_is_shared():
    chosen = policies([allow("iot:Connect", "client/*"), allow("iot:Publish", "topic/${iot:ClientId}")])
    one, two = chosen.bind({"iot:ClientId": "1"}), chosen.bind({"iot:ClientId": "2"})
    assert one._load("iot:Connect") is two._load("iot:Connect")
    assert one._load("iot:Publish") is not two._load("iot:Publish")
    assert one.decide("iot:Publish", arn("topic/1")) is two.decide("iot:Publish", arn("topic/2"))


def test_a_bound_keeps_only_what_the_set_mentions():
    chosen = policies([allow("iot:Connect", "client/${iot:ClientId}")])
    assert chosen.bind({"iot:ClientId": "a", "iot:DomainName": "b"})._values == {"iot:clientid": "a"}


def test_the_number_of_kept_actions_is_bounded():
    bound = policies([allow("iot:*", "client/*")]).bind({})
    for index in range(1000):
        assert bound.decide(f"iot:Action{index}", arn("client/a")).allowed
    assert len(bound._rules) <= 256
    assert len(bound.policies._about) <= 256


def test_the_empty_set_denies():
    assert EMPTY.bind({}).decide("iot:Connect", arn("client/a")) is IMPLICIT_DENY
    assert EMPTY.bind({}).explain("iot:Connect", arn("client/a")).policies == []


def test_a_policy_is_a_value_and_compiled_once():
    document = parse_policy(
        json.dumps({"Version": "2012-10-17", "Statement": [allow("iot:Connect", "client/a")]})
    )
    other = parse_policy(
        json.dumps({"Version": "2012-10-17", "Statement": [allow("iot:Connect", "client/b")]})
    )
    one, same = NamedPolicy("p", "1", document), NamedPolicy("p", "1", document)
    assert one == same
    assert len({one, same, NamedPolicy("p", "2", document), NamedPolicy("p", "1", other)}) == 3
    assert one != "p"
    first, second = PolicySet([one]), PolicySet([one, NamedPolicy("q", "1", other)])
    assert first.statements[0] is second.statements[0]
