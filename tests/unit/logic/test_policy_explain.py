import json

import pytest

from sekisho.logic.policy import NamedPolicy, PolicySet, parse_policy

A = "arn:aws:iot:us-east-1:123456789012:"


def explain(statement, action, resource, variables=None, context=None, version="2012-10-17"):
    text = json.dumps({"Version": version, "Statement": [{"Effect": "Allow", "Sid": "S"} | statement]})
    bound = PolicySet([NamedPolicy("p", "3", parse_policy(text))]).bind(variables or {})
    return bound.explain(action, A + resource, context or {})


def only(explanation):
    ((name, version_id, ((index, sid, effect, verdict, why),)),) = explanation.policies
    assert (name, version_id, index, sid, effect) == ("p", "3", 0, "S", "Allow")
    return verdict, why


def said(resource, action, asked, variables=None, **options):
    return only(explain({"Action": action, "Resource": resource}, action, asked, variables, **options))


def test_it_matches():
    verdict, why = said(A + "client/${iot:ClientId}", "iot:Connect", "client/d", {"iot:ClientId": "d"})
    assert verdict == "matches"
    assert why == f"resource {A}client/${{iot:ClientId}} became {A}client/d, which covers it"


def test_action_differs():
    explanation = explain({"Action": ["iot:Connect"], "Resource": "*"}, "iot:Publish", "topic/a")
    assert only(explanation) == (
        "action differs",
        "the action is iot:Publish, this statement is about iot:Connect",
    )


def test_action_prefix():
    explanation = explain({"Action": ["iotdata:Pub*"], "Resource": "*"}, "iot:Publish", "topic/a")
    assert 'iotdata:Pub* has the prefix "iotdata" instead of "iot"' in only(explanation)[1]


def test_not_action():
    explanation = explain({"NotAction": "iot:Publish", "Resource": "*"}, "iot:Publish", "topic/a")
    assert only(explanation) == ("action differs", "NotAction leaves iot:Publish out: iot:Publish")


def test_mqtt_wildcards_are_literal():
    verdict, why = said(
        A + "topic/${iot:Connection.Thing.ThingName}/#",
        "iot:Publish",
        "topic/device-1/up",
        {"iot:Connection.Thing.ThingName": "device-1"},
    )
    assert verdict == "resource differs"
    assert f"became {A}topic/device-1/#" in why
    assert "wildcard # is literal in policies" in why


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (A + "client/Device", "only in upper and lower case"),
        ("arn:aws:iot:eu-west-1:123456789012:client/device", 'its region is "eu-west-1", the request is for'),
        (
            "arn:aws:iot:us-east-1:1:client/device",
            'its account is "1", the request is for account "123456789012"',
        ),
        (A + "topic/device", 'iot:Connect is checked against "client/…", not against "topic/…"'),
        (A + "client/devices", 'the request is for "client/device", they part at "s"'),
        (A + "client/dev", 'the request is for "client/device", they part at "its end"'),
        ("arn:nonsense", f"the request is for {A}client/device"),
    ],
)
def test_the_difference_is_named(resource, words):
    verdict, why = said(resource, "iot:Connect", "client/device")
    assert verdict == "resource differs"
    assert words in why


def test_the_nearest_of_several_is_shown():
    resources = [A + "topic/x", A + "topic/device/down", "*" + "zzz"]
    explanation = explain({"Action": "iot:Publish", "Resource": resources}, "iot:Publish", "topic/device/up")
    assert "topic/device/down" in only(explanation)[1]


def test_a_missing_variable():
    explanation = explain(
        {
            "Action": "iot:Connect",
            "Resource": [A + "client/${iot:Connection.Thing.ThingName}", A + "client/zz"],
        },
        "iot:Connect",
        "client/device",
    )
    verdict, why = only(explanation)
    assert verdict == "variable missing"
    assert "${iot:Connection.Thing.ThingName} has no value here" in why
    assert explanation.missing == ["iot:Connection.Thing.ThingName"]


def test_an_old_version():
    verdict, why = said(
        A + "client/${iot:ClientId}", "iot:Connect", "client/d", {"iot:ClientId": "d"}, version="2008-10-17"
    )
    assert verdict == "resource differs"
    assert '"Version": "2012-10-17"' in why


def test_not_resource():
    explanation = explain({"Action": "*", "NotResource": A + "client/d"}, "iot:Connect", "client/d")
    assert only(explanation) == ("resource differs", f"NotResource leaves it out: resource {A}client/d")
    explanation = explain({"Action": "*", "NotResource": A + "client/e"}, "iot:Connect", "client/d")
    assert only(explanation) == ("matches", "no NotResource names it")


def test_conditions():
    statement = {
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringEquals": {"iot:DomainName": "a.example"}},
    }
    explanation = explain(statement, "iot:Connect", "client/d", {"iot:DomainName": "b.example"})
    assert only(explanation) == (
        "condition false",
        "StringEquals on iot:DomainName: the policy has a.example, the request b.example",
    )
    assert explanation.variables == {"iot:DomainName": "b.example"}
    explanation = explain(statement, "iot:Connect", "client/d")
    assert only(explanation)[1] == "StringEquals on iot:DomainName: the request has no such key"
    assert explanation.missing == ["iot:DomainName"]
    explanation = explain(statement, "iot:Connect", "client/d", context={"iot:DomainName": "a.example"})
    assert only(explanation) == ("matches", "resource * covers it and its conditions hold")


def test_a_missing_variable_in_a_condition():
    statement = {"Action": "*", "Resource": "*", "Condition": {"StringEquals": {"iot:ClientId": "${x:y}"}}}
    explanation = explain(statement, "iot:Connect", "client/d", {"iot:ClientId": "d"})
    assert only(explanation) == (
        "variable missing",
        "StringEquals on iot:ClientId: ${x:y} has no value here",
    )
    assert explanation.missing == ["x:y"]


def test_used_variables_and_their_values():
    explanation = explain(
        {"Action": "iot:Connect", "Resource": A + "client/${iot:ClientId}${x, 'd'}"},
        "iot:Connect",
        "client/ad",
        {"iot:ClientId": "a"},
    )
    assert explanation.outcome == "ALLOWED"
    assert explanation.variables == {"iot:ClientId": "a"}
    assert explanation.missing == []


def test_what_is_absent_is_told_also_where_it_did_no_harm():
    condition = {
        "StringNotEquals": {"iot:DomainName": "a"},
        "Null": {"iot:Connection.Thing.ThingTypeName": "true"},
        "StringEqualsIfExists": {"aws:SourceIp": "10.0.0.1"},
    }
    statement = {"Action": "*", "Resource": A + "client/${iot:ClientId, 'd'}", "Condition": condition}
    explanation = explain(statement, "iot:Connect", "client/d")
    assert explanation.outcome == "ALLOWED"
    assert explanation.missing == []
    assert explanation.absent == ["iot:DomainName", "iot:Connection.Thing.ThingTypeName", "aws:SourceIp"]
    explanation = explain(statement | {"Resource": A + "client/${x:y}"}, "iot:Connect", "client/d")
    assert (explanation.missing, explanation.absent[0]) == (["x:y"], "x:y")
