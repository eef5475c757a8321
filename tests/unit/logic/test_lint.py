"""What is found in policies that AWS takes, and that say what nobody asks for."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from sekisho.logic import lint as codes
from sekisho.logic.lint import Place, lint
from sekisho.logic.policy import NamedPolicy, PolicySet, parse_policy
from sekisho.logic.variables import connection_variables
from sekisho.logic.vocabulary import ACTIONS, EITHER
from unit.logic import test_policy_examples as examples

HERE = Place("us-east-1", "123456789012")
ARN = "arn:aws:iot:us-east-1:123456789012:"


def found(*statements, place=HERE, version="2012-10-17"):
    document = {"Version": version, "Statement": [{"Effect": "Allow", **one} for one in statements]}
    return lint(parse_policy(json.dumps(document)), place)


def one(action, resource, **more):
    """The code, value and words of the one thing that is found in a statement."""
    (finding,) = found({"Action": action, "Resource": resource, **more})
    assert (finding.statement, finding.sid) == (0, more.get("Sid"))
    return finding.element, finding.value, finding.code, finding.message


def test_what_is_right():
    assert (
        found(
            {"Action": "iot:Connect", "Resource": f"{ARN}client/${{iot:Connection.Thing.ThingName}}"},
            {"Action": ["iot:Publish", "iot:Receive"], "Resource": f"{ARN}topic/a/${{iot:ClientId}}/*"},
            {"Action": "iot:Subscribe", "Resource": f"{ARN}topicfilter/a/+/b/#"},
            {"Action": "iot:*", "Resource": "*"},
            {"Action": "*", "Resource": "arn:aws:iot:*"},
            {"Action": ["IOT:publish", "iot:subscribe"], "Resource": "arn:*:iot:*:*:topic*"},
            {
                "Action": ["iot:Publish", "iot:Subscribe"],
                "Resource": [f"{ARN}topic/a", f"{ARN}topicfilter/a"],
            },
            {"Action": ["iot:GetThingShadow", "iot:ListNamedShadowsForThing"], "Resource": f"{ARN}thing/a"},
            {"Action": ["iot:ListRetainedMessages", "iot:ListNamedShadowsForThing"], "Resource": "*"},
            {"Action": "iotjobsdata:*", "Resource": f"{ARN}thing/${{iot:Connection.Thing.ThingName}}"},
            {
                "Action": ["greengrass:Discover", "iot:Connect"],
                "Resource": [f"{ARN}thing/x", f"{ARN}client/x"],
            },
            {"Action": "iot:AssumeRoleWithCertificate", "Resource": f"{ARN}rolealias/x"},
            {"NotAction": "iot:Publish", "NotResource": f"{ARN}topic/a"},
            {"Action": "iot:Pub*", "Resource": f"{ARN}topic/${{iot:Certificate.Subject.CommonName.1}}"},
            {
                "Action": "iot:Publish",
                "Resource": f"{ARN}topic/${{*}}/${{iot:Connection.Thing.Attributes[A b]}}",
            },
        )
        == []
    )


@pytest.mark.parametrize(
    ("operator", "key", "value"),
    [
        ("Bool", "iot:Connection.Thing.IsAttached", "true"),
        ("IpAddress", "AWS:SourceIP", "10.0.0.0/8"),
        ("ForAnyValue:StringEquals", "iot:Certificate.Subject.Organization.List", "a"),
        ("ForAllValues:StringEquals", "iot:ConnectAttributes", ["LastWill"]),
        ("ArnLike", "iot:LastWillTopic", f"{ARN}topic/a"),
        ("StringLike", "iot:Connection.Thing.Attributes[x]", "${iot:ClientId}"),
        ("StringEquals", "iot:Certificate.AvailableKeys", "iot:Certificate.Subject.CommonName"),
    ],
)
def test_conditions_that_are_right(operator, key, value):
    condition = {operator: {key: value}}
    assert found({"Action": "iot:Connect", "Resource": f"{ARN}client/a", "Condition": condition}) == []


def test_the_examples_of_the_guide_are_right():
    """As far as the tests of the evaluator have them: those that it is to allow something by."""
    some = [examples.ATTACHED, examples.OF_TYPE, examples.OF_ATTRIBUTE, examples.READERS]
    for statements in some:
        assert found(*statements, place=None) == []


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("iot:Pubish", "did you mean iot:Publish?"),
        ("iot:Suscribe", "did you mean iot:Subscribe?"),
        ("iot:DescribeJobExecution", "did you mean iotjobsdata:DescribeJobExecution?"),
        ("iot:CreateThing", "no device is asked whether it may"),
        ("iot:Push*", "no device is asked whether it may"),
        ("s3:GetObject", 'have no actions of "s3"'),
        ("mqtt:Publish", "did you mean iot:Publish?"),
    ],
)
@pytest.mark.parametrize("element", ["Action", "NotAction"])
def test_actions(element, action, words):
    (finding,) = found({element: action, "Resource": "*"})
    assert (finding.element, finding.value, finding.code) == (element, action, codes.UNKNOWN_ACTION)
    assert words in finding.message


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ("topics/a", "did you mean topic?"),
        ("topicFilter/a", "did you mean topicfilter?"),
        ("thinggroup/a", "kinds are client, rolealias, thing, topic, topicfilter"),
        ("topic", "after topic there is a slash and a name missing"),
        ("cl?ient/a", None),
        ("top/*", "no device is asked for a resource of the kind"),
    ],
)
def test_kinds_of_resources(resource, words):
    said = found({"Action": "iot:*", "Resource": ARN + resource})
    assert [(one.code, one.value) for one in said] == (
        [(codes.UNKNOWN_RESOURCE_TYPE, ARN + resource)] if words else []
    )
    assert not words or words in said[0].message


def test_what_is_no_arn():
    element, value, code, words = one("iot:Publish", "arn:aws:iot:us-east-1:topic/a")
    assert (element, value, code) == (
        "Resource",
        "arn:aws:iot:us-east-1:topic/a",
        codes.UNKNOWN_RESOURCE_TYPE,
    )
    assert "arn:aws:iot:REGION:ACCOUNT:KIND/NAME" in words


def test_a_resource_that_fits_no_action():
    assert one("iot:Subscribe", f"{ARN}topic/a", Sid="mine") == (
        "Resource",
        f"{ARN}topic/a",
        codes.UNFIT_RESOURCE_TYPE,
        "none of the statement's actions is asked for this: iot:Subscribe is asked for topicfilter/…",
    )
    actions = ["iot:Connect", "iot:Publish"]
    assert one(actions, [f"{ARN}client/a", f"{ARN}topic/a", f"{ARN}topicfilter/a"])[1:3] == (
        f"{ARN}topicfilter/a",
        codes.UNFIT_RESOURCE_TYPE,
    )


def test_an_action_that_no_resource_fits():
    assert one(["iot:Connect", "iot:Publish"], [f"{ARN}topic/a"]) == (
        "Action",
        "iot:Connect",
        codes.NO_FIT_RESOURCE,
        "iot:Connect is asked for client/…, and none of the statement's resources is that",
    )
    assert one(["iot:GetRetainedMessage", "iot:ListRetainedMessages"], f"{ARN}topic/*")[1:3] == (
        "iot:ListRetainedMessages",
        codes.NO_FIT_RESOURCE,
    )
    # Of many at once it is not said.
    assert found({"Action": "iot:*", "Resource": f"{ARN}topic/*"}) == []
    # Nor as long as it is not known what is meant.
    said = found({"Action": ["iot:Pubish", "iot:Connect"], "Resource": f"{ARN}topic/*"})
    assert [one.code for one in said] == [codes.UNKNOWN_ACTION]


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        ("arn:aws:iot:us-east-1:999999999999:topic/a", 'the account is "999999999999", not 123456789012'),
        ("arn:aws:iot:eu-west-1:123456789012:topic/a", 'the region is "eu-west-1", not us-east-1'),
        ("arn:aws-cn:iot:us-east-1:123456789012:topic/a", 'the partition is "aws-cn", not aws'),
        ("arn:aws:iotdata:us-east-1:123456789012:topic/a", 'the service is "iotdata", not iot'),
        ("arn:aws:iot::123456789012:topic/a", "the region is empty, not us-east-1"),
        ("arn:aws:iot:us-east-1::topic/a", "the account is empty, not 123456789012"),
    ],
)
def test_another_place(arn, words):
    assert one("iot:Publish", arn) == ("Resource", arn, codes.OTHER_PLACE, words)
    anywhere = found({"Action": "iot:Publish", "Resource": arn}, place=None)
    assert len(anywhere) == ("iotdata" in arn or "::" in arn)


@pytest.mark.parametrize("name", ["topic/a/+/b", "topic/a/#", "topic/*/+", "client/+", "client/#"])
def test_wildcards_of_another_language(name):
    action = "iot:Connect" if name.startswith("client") else "iot:Publish"
    element, value, code, words = one(action, ARN + name)
    assert (element, value, code) == ("Resource", ARN + name, codes.MISPLACED_WILDCARD)
    assert "stand for themselves" in words


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("${iot:ClentId}", codes.UNKNOWN_VARIABLE, "did you mean iot:ClientId?"),
        ("${iot:Connection.Thing.Name}", codes.UNKNOWN_VARIABLE, "iot:Connection.Thing.ThingName?"),
        (
            "${iot:Connection.Thing.Attributes}",
            codes.UNKNOWN_VARIABLE,
            "iot:Connection.Thing.Attributes[name]?",
        ),
        ("${iot:Connection.Thing.Attributes[]}", codes.UNKNOWN_VARIABLE, "there is no variable"),
        ("${iot:ClientId.1}", codes.UNKNOWN_VARIABLE, "iot:ClientId?"),
        ("${iot:Certificate.Subject.Comonname}", codes.UNKNOWN_VARIABLE, "Subject.CommonName?"),
        ("${iot:ConnectAttributes}", codes.UNKNOWN_VARIABLE, "there is no variable"),
        ("${aws:username}", codes.UNKNOWN_VARIABLE, "there is no variable"),
        ("${iot:ClientId", codes.NO_VARIABLE, "is plain text"),
        ("${ }", codes.NO_VARIABLE, "is plain text"),
        (
            "{iot:ClientId}",
            codes.NO_VARIABLE,
            '"{iot:ClientId}" is plain text; a variable is written ${iot:Cl',
        ),
        ("$(iot:ClientId)", codes.NO_VARIABLE, "is plain text"),
    ],
)
def test_variables(text, code, words):
    resource = f"{ARN}topic/{text}/a"
    element, value, given, said = one("iot:Publish", resource)
    assert (element, value, given) == ("Resource", resource, code)
    assert words in said
    condition = {"StringEquals": {"iot:ClientId": text}}
    element, value, given, said = one("iot:Publish", f"{ARN}topic/a", Condition=condition)
    assert (element, value, given) == ("Condition StringEquals", text, code)


@pytest.mark.parametrize("version", ["2008-10-17", "2012-10-17"])
def test_variables_need_the_newer_version(version):
    said = found({"Action": "iot:Publish", "Resource": f"{ARN}topic/${{iot:ClientId}}"}, version=version)
    assert [one.code for one in said] == ([codes.NO_VARIABLE] if version == "2008-10-17" else [])


def test_condition_keys():
    condition = {"StringEquals": {"iot:ClentId": "a"}}
    element, value, code, words = one("iot:Connect", f"{ARN}client/a", Condition=condition)
    assert (element, value, code) == ("Condition StringEquals", "iot:ClentId", codes.UNKNOWN_CONDITION_KEY)
    assert words.endswith("did you mean iot:ClientId?")
    condition = {"ForAnyValue:StringEquals": {"iot:connectattributes": "LastWill"}}
    element, value, code, words = one("iot:Publish", f"{ARN}topic/a", Condition=condition)
    assert (value, code) == ("iot:connectattributes", codes.UNFIT_CONDITION_KEY)
    assert "iot:Connect alone" in words


def test_the_first_are_enough():
    text = "".join(f"${{x{n}}}" for n in range(200))
    statement = {"Action": "iot:Publish", "Resource": [f"{ARN}topic/{text}"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}})
    assert len(lint(parse_policy(document), HERE)) == codes.MOST
    assert len(lint(parse_policy(document), HERE, 3)) == 3


def test_several_come_in_the_order_of_the_statements():
    said = found(
        {"Sid": "first", "Action": ["iot:Pubish", "iot:Conect"], "Resource": f"{ARN}topic/${{x}}"},
        {"Action": "iot:Receive", "Resource": [f"{ARN}topic/a", f"{ARN}topic/#"]},
    )
    assert [(one.statement, one.sid, one.code) for one in said] == [
        (0, "first", codes.UNKNOWN_ACTION),
        (0, "first", codes.UNKNOWN_ACTION),
        (0, "first", codes.UNKNOWN_VARIABLE),
        (1, None, codes.MISPLACED_WILDCARD),
    ]


# --- what is found is true of the evaluator -----------------------------------------------------------------

ASKED = {
    "client": ["a", "lamp", "x/y"],
    "rolealias": ["a", "role"],
    "thing": ["a", "lamp", "lamp/shadow"],
    "topic": ["a", "a/b", "lamp/x", "$aws/things/lamp/x"],
    "topicfilter": ["a", "a/b", "a/+/b", "a/#", "lamp/x"],
}
ALL = {
    (action, resource)
    for action, kind in ACTIONS.items()
    for resource in (["*"] if kind == "*" or action in EITHER else [])
    + [f"{ARN}{kind}/{name}" for name in ASKED.get(kind, [])]
}
PIECES = [
    "a",
    "b",
    "/",
    "*",
    "?",
    "+",
    "#",
    "${iot:ClientId}",
    "${iot:ClentId}",
    "${*}",
    "lamp",
    "$aws/things/",
]
HEADS = [
    *(f"{ARN}{kind}/" for kind in ASKED),
    *(
        f"{ARN}topic",
        f"{ARN}top*/",
        f"{ARN}topics/",
        f"{ARN}*",
        "*",
        "arn:aws:iot:*:*:thing/",
        "arn:aws:iot:*",
    ),
    *("arn:aws:iot:us-east-1:topic/", "arn:aws:iot::123456789012:topic/", "arn:*:topic/", ARN),
]
NAMES = [*ACTIONS, "iot:Pubish", "iot:Pub*", "iot:*", "*", "iot:?onnect", "iot:CreateThing", "iotjobsdata:*"]


def allows(policy):
    bound = PolicySet([NamedPolicy("p", "1", policy)]).bind(
        connection_variables(
            client_id="lamp",
            certificate_id="ab12",
            certificate={},
            thing=("lamp", None, {}),
            source_ip="10.0.0.1",
            domain_name="data.example.com",
        )
    )
    return {asked for asked in ALL if bound.decide(*asked).outcome == "ALLOWED"}


def test_what_is_found_allows_nothing():
    """Of statements with one action and one resource: where anything is found, they match nothing that a
    device can ask for."""
    dice = random.Random(7)
    seen = Counter()
    for _ in range(4000):
        resource = dice.choice(HEADS) + "".join(dice.choices(PIECES, k=dice.randrange(4)))
        statement = {"Effect": "Allow", "Action": dice.choice(NAMES), "Resource": resource}
        policy = parse_policy(json.dumps({"Version": "2012-10-17", "Statement": statement}))
        said = {one.code for one in lint(policy, HERE)}
        allowed = allows(policy)
        if said:
            assert allowed == set(), (statement, said)
        seen[bool(said), bool(allowed)] += 1
    assert min(seen[True, False], seen[False, True]) > 200
