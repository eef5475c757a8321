"""What the examples of the AWS IoT Developer Guide allow and deny, page by page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sekisho.logic.policy import Bound, NamedPolicy, PolicySet, iot_arn, parse_policy
from sekisho.logic.variables import connection_variables

ALLOWED, DENIED, NOTHING = "ALLOWED", "EXPLICIT_DENY", "IMPLICIT_DENY"
THING, CLIENT = "${iot:Connection.Thing.ThingName}", "${iot:ClientId}"


def arn(resource: str) -> str:
    return resource if resource == "*" else iot_arn("us-east-1", "123456789012", resource)


def says(effect: str, actions: str, *resources: str, **more: Any) -> dict[str, Any]:
    """``says("Allow", "Publish RetainPublish", "topic/a")``."""
    named = [f"iot:{action}" for action in actions.split()]
    return {"Effect": effect, "Action": named, "Resource": [arn(one) for one in resources]} | more


def allow(actions: str, *resources: str, **more: Any) -> dict[str, Any]:
    return says("Allow", actions, *resources, **more)


def deny(actions: str, *resources: str, **more: Any) -> dict[str, Any]:
    return says("Deny", actions, *resources, **more)


def bind(
    statements: list[dict[str, Any]],
    client: str = "client1",
    thing: Any = None,
    certificate: dict[str, list[str]] | None = None,
) -> Bound:
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return PolicySet([NamedPolicy("p", "1", parse_policy(text))]).bind(
        connection_variables(
            client_id=client,
            certificate_id="ab12",
            certificate=certificate or {},
            thing=thing,
            source_ip="123.45.167.89",
            domain_name="data.example.com",
        )
    )


def decided(bound: Bound, action: str, resource: str, **context: Any) -> str:
    named = {f"iot:{name}": value for name, value in context.items()}
    found = bound.decide(f"iot:{action}", arn(resource), named).outcome
    assert bound.explain(f"iot:{action}", arn(resource), named).outcome == found
    return found


# --- Publish/Subscribe policy examples, Connect and publish policy examples ---------------------------------

OF_THING = [allow("Connect", f"client/{THING}")]
OF_CLIENTS = [allow("Connect", "client/client1", "client/client2", "client/client3")]
ROOMS = [allow("Subscribe", f"topicfilter/{THING}/room*"), allow("Receive", f"topic/{THING}/room*")]
RESTRICTED = [allow("Subscribe", "topicfilter/a/*"), deny("Subscribe", "topicfilter/a/restricted/*")]
UNRESTRICTED = [
    *RESTRICTED,
    {"Effect": "Allow", "Action": "iot:Receive", "NotResource": arn("topic/a/restricted/*")},
]
SILENCED = [allow("Subscribe", "topicfilter/device/update"), deny("Receive", "topic/device/update")]
PLUS, STAR = (
    [allow("Subscribe", "topicfilter/some/+/topic")],
    [allow("Subscribe", "topicfilter/some/*/topic")],
)
ONES = [allow("Publish", "topic/some/?????/topic"), allow("Subscribe", "topicfilter/some/sensor???/topic")]
BUT_BAR = [allow("Publish", f"topic/{CLIENT}/*"), deny("Publish", f"topic/{CLIENT}/bar")]
THINGS_BAR = [allow("Publish", f"topic/{THING}/*"), deny("Publish", f"topic/{THING}/bar")]
MONITOR = [
    allow("Publish Receive", "topic/iotmonitor/provisioning/987654321098"),
    allow("Subscribe", "topicfilter/iotmonitor/provisioning/987654321098"),
]
RETAINED = [allow("Publish RetainPublish", "topic/device/sample/configuration")]
READERS = [allow("ListRetainedMessages", "*"), allow("GetRetainedMessage", "topic/foo")]


@pytest.mark.parametrize(
    ("statements", "action", "resource", "expected"),
    [
        (OF_THING, "Connect", "client/lamp", ALLOWED),
        (OF_THING, "Connect", "client/other", NOTHING),
        (OF_CLIENTS, "Connect", "client/client2", ALLOWED),
        (OF_CLIENTS, "Connect", "client/client4", NOTHING),
        ([allow("Publish", f"topic/{THING}/*")], "Publish", "topic/lamp/a/b", ALLOWED),
        ([allow("Publish", f"topic/{THING}/*")], "Publish", "topic/lamps/a", NOTHING),
        ([allow("Publish", f"topic/{THING}/*")], "Publish", "topic/lamp", NOTHING),
        ([allow("Publish", f"topic/{CLIENT}/*")], "Publish", "topic/lamp/a", ALLOWED),
        (ROOMS, "Subscribe", "topicfilter/lamp/room1", ALLOWED),
        (ROOMS, "Subscribe", "topicfilter/lamp/room1/#", ALLOWED),
        (ROOMS, "Subscribe", "topicfilter/lamp/hall", NOTHING),
        (ROOMS, "Receive", "topic/lamp/room2", ALLOWED),
        (ROOMS, "Publish", "topic/lamp/room2", NOTHING),
        (RESTRICTED, "Subscribe", "topicfilter/a/#", ALLOWED),
        (RESTRICTED, "Subscribe", "topicfilter/a/restricted/x", DENIED),
        (UNRESTRICTED, "Receive", "topic/a/restricted/x", NOTHING),
        (UNRESTRICTED, "Receive", "topic/a/free", ALLOWED),
        (SILENCED, "Subscribe", "topicfilter/device/update", ALLOWED),
        (SILENCED, "Receive", "topic/device/update", DENIED),
        (PLUS, "Subscribe", "topicfilter/some/+/topic", ALLOWED),
        (PLUS, "Subscribe", "topicfilter/some/string1/topic", NOTHING),
        (STAR, "Subscribe", "topicfilter/some/+/topic", ALLOWED),
        (STAR, "Subscribe", "topicfilter/some/string1/topic", ALLOWED),
        (STAR, "Subscribe", "topicfilter/some/a/b/topic", ALLOWED),
        (STAR, "Subscribe", "topicfilter/some/#", NOTHING),
        (ONES, "Publish", "topic/some/12345/topic", ALLOWED),
        (ONES, "Publish", "topic/some/1234/topic", NOTHING),
        (ONES, "Subscribe", "topicfilter/some/sensor001/topic", ALLOWED),
        (ONES, "Subscribe", "topicfilter/some/sensor1/topic", NOTHING),
        (BUT_BAR, "Publish", "topic/lamp/foo", ALLOWED),
        (BUT_BAR, "Publish", "topic/lamp/bar", DENIED),
        (BUT_BAR, "Publish", "topic/other/bar", NOTHING),
        (THINGS_BAR, "Publish", "topic/lamp/foo", ALLOWED),
        (THINGS_BAR, "Publish", "topic/lamp/bar", DENIED),
        (MONITOR, "Receive", "topic/iotmonitor/provisioning/987654321098", ALLOWED),
        (MONITOR, "Subscribe", "topicfilter/iotmonitor/provisioning/987654321098", ALLOWED),
        (MONITOR, "Subscribe", "topicfilter/iotmonitor/#", NOTHING),
        # Retained message policy examples
        (RETAINED, "RetainPublish", "topic/device/sample/configuration", ALLOWED),
        (RETAINED, "RetainPublish", "topic/device/sample", NOTHING),
        (READERS, "ListRetainedMessages", "*", ALLOWED),
        (READERS, "GetRetainedMessage", "topic/foo", ALLOWED),
        (READERS, "GetRetainedMessage", "topic/bar", NOTHING),
        # The variables' names are those of the page "Thing policy variables" and no others.
        ([allow("Publish", "topic/${iot:Thing.ThingName}")], "Publish", "topic/lamp", NOTHING),
    ],
)
def test_publish_and_subscribe(statements, action, resource, expected):
    bound = bind(statements, "lamp", ("lamp", None, {}))
    assert decided(bound, action, resource) == expected


def test_without_a_thing_its_variables_match_nothing():
    for statements in (OF_THING, [allow("Publish", f"topic/{THING}/*")], ROOMS):
        bound = bind(statements, "lamp")
        for resource in ("client/lamp", f"client/{THING}", "topic/lamp/room1", f"topic/{THING}/a"):
            for action in ("Connect", "Publish", "Receive"):
                assert decided(bound, action, resource) == NOTHING


# --- Connect policy examples --------------------------------------------------------------------------------


def attributes(operator: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {"iot:ConnectAttributes": list(values)}}}


def connects(how: Any, operator: str, *values: str) -> dict[str, Any]:
    return how("Connect", "*", **attributes(operator, *values))


P, W, NEW = "PersistentConnect", "LastWill", "SomethingNew"
WAYS = {"": [], "P": [P], "W": [W], "PW": [P, W], "N": [NEW], "PN": [P, NEW], "WN": [W, NEW]}
ALL, ANY = "ForAllValues:StringEquals", "ForAnyValue:StringEquals"


@pytest.mark.parametrize(
    ("name", "statements", "may"),
    [
        ("allows PersistentConnect", [connects(allow, ALL, P)], ["", "P"]),
        ("disallows it", [connects(allow, "ForAllValues:StringNotEquals", P)], ["", "W", "N", "WN"]),
        ("the same by a deny", [allow("Connect", "*"), connects(deny, ANY, P)], ["", "W", "N", "WN"]),
        ("allows both", [connects(allow, ALL, P, W)], ["", "P", "W", "PW"]),
        ("clean, with or without a will", [connects(allow, ALL, W)], ["", "W"]),
        ("default features alone", [connects(allow, ALL)], [""]),
        ("only with PersistentConnect", [connects(allow, ANY, P)], ["P", "PW", "PN"]),
        (
            "must have both",
            [
                connects(allow, ALL, P, W),
                connects(deny, ALL, P),
                connects(deny, ALL, W),
                connects(deny, ALL),
            ],
            ["PW"],
        ),
        ("no persistence, a will perhaps", [connects(deny, ANY, P), connects(allow, ALL, W)], ["", "W"]),
    ],
)
def test_connect_attributes(name, statements, may):
    bound = bind(statements)
    found = [
        way
        for way, present in WAYS.items()
        if decided(bound, "Connect", "client/client1", **({"ConnectAttributes": present} if present else {}))
        == ALLOWED
    ]
    assert found == may, name


TOPIC = allow(
    "Connect", "*", Condition={"ArnEquals": {"iot:LastWillTopic": arn("topic/my/lastwill/topicName")}}
)


@pytest.mark.parametrize(
    ("statements", "topic", "present", "expected"),
    [
        ([TOPIC], "my/lastwill/topicName", [W], ALLOWED),
        ([TOPIC], "my/lastwill/other", [W], NOTHING),
        ([TOPIC], None, [], NOTHING),
        ([TOPIC], "my/lastwill/topicName", [P, W], ALLOWED),
        ([TOPIC, connects(deny, ANY, P)], "my/lastwill/topicName", [W], ALLOWED),
        ([TOPIC, connects(deny, ANY, P)], "my/lastwill/topicName", [P, W], DENIED),
    ],
)
def test_the_topic_of_a_will(statements, topic, present, expected):
    context: dict[str, Any] = {"ConnectAttributes": present} if present else {}
    if topic is not None:
        context["LastWillTopic"] = arn(f"topic/{topic}")
    assert decided(bind(statements), "Connect", "client/client1", **context) == expected


def test_client_ids_that_are_denied():
    statements = [deny("Connect", "client/client1", "client/client2"), *OF_THING]
    assert decided(bind(statements, "client1", ("client1", None, {})), "Connect", "client/client1") == DENIED
    assert decided(bind(statements, "lamp", ("lamp", None, {})), "Connect", "client/lamp") == ALLOWED


# --- Thing policy examples ----------------------------------------------------------------------------------

IS_ATTACHED = {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
ATTACHED = [allow("Connect", "*", Condition=IS_ATTACHED)]
OF_TYPE = [
    allow(
        "Publish",
        "topic/device/stats",
        Condition={
            "StringEquals": {
                "iot:Connection.Thing.Attributes[attributeName]": "attributeValue",
                "iot:Connection.Thing.ThingTypeName": "Thing_Type_Name",
            },
            "Bool": {"iot:Connection.Thing.IsAttached": "true"},
        },
    )
]
OF_ATTRIBUTE = [allow("Publish", "topic/${iot:Connection.Thing.Attributes[attributeName]}/*")]
RIGHT = ("lamp", "Thing_Type_Name", {"attributeName": "attributeValue"})


@pytest.mark.parametrize(
    ("statements", "thing", "action", "resource", "expected"),
    [
        (ATTACHED, ("lamp", None, {}), "Connect", "client/lamp", ALLOWED),
        (ATTACHED, None, "Connect", "client/lamp", NOTHING),
        (OF_TYPE, RIGHT, "Publish", "topic/device/stats", ALLOWED),
        (OF_TYPE, ("lamp", "Other", RIGHT[2]), "Publish", "topic/device/stats", NOTHING),
        (OF_TYPE, ("lamp", RIGHT[1], {}), "Publish", "topic/device/stats", NOTHING),
        (OF_TYPE, ("lamp", None, RIGHT[2]), "Publish", "topic/device/stats", NOTHING),
        (OF_TYPE, None, "Publish", "topic/device/stats", NOTHING),
        (OF_ATTRIBUTE, RIGHT, "Publish", "topic/attributeValue/a", ALLOWED),
        (OF_ATTRIBUTE, RIGHT, "Publish", "topic/other/a", NOTHING),
        (OF_ATTRIBUTE, None, "Publish", "topic/attributeValue/a", NOTHING),
    ],
)
def test_things(statements, thing, action, resource, expected):
    assert decided(bind(statements, "lamp", thing), action, resource) == expected


# --- Certificate policy examples, X.509 certificate policy variables ----------------------------------------

NAME, ORGANIZATION = "iot:Certificate.Subject.CommonName", "iot:Certificate.Subject.Organization"


def admin(operator: str, key: str, value: Any = "Administrator") -> list[dict[str, Any]]:
    return [allow("Publish", "topic/admin/*", Condition={operator: {key: value}})]


SECOND = [allow("Publish", f"topic/${{{NAME}.1}}")]
COMPANIES = admin("ForAllValues:StringEquals", f"{ORGANIZATION}.List", ["Example Corp", "AnyCompany"])


@pytest.mark.parametrize(
    ("statements", "certificate", "resource", "expected"),
    [
        ([allow("Publish", "topic/${iot:CertificateId}")], {}, "topic/ab12", ALLOWED),
        ([allow("Publish", "topic/${iot:CertificateId}")], {}, "topic/cd34", NOTHING),
        ([allow("Publish", f"topic/${{{NAME}}}")], {NAME: ["lamp", "x"]}, "topic/lamp", ALLOWED),
        ([allow("Publish", f"topic/${{{NAME}}}")], {NAME: ["lamp", "x"]}, "topic/x", NOTHING),
        ([allow("Publish", f"topic/${{{NAME}}}")], {}, "topic/", NOTHING),
        (admin("StringEquals", f"{NAME}.2"), {NAME: ["a", "b", "Administrator"]}, "topic/admin/x", ALLOWED),
        (admin("StringEquals", f"{NAME}.2"), {NAME: ["a", "Administrator", "c"]}, "topic/admin/x", NOTHING),
        (admin("StringEquals", f"{NAME}.2"), {NAME: ["a", "b"]}, "topic/admin/x", NOTHING),
        (admin(ANY, f"{NAME}.List"), {NAME: ["a", "Administrator"]}, "topic/admin/x", ALLOWED),
        (admin(ANY, f"{NAME}.List"), {NAME: ["a", "b"]}, "topic/admin/x", NOTHING),
        (admin(ANY, f"{NAME}.List"), {}, "topic/admin/x", NOTHING),
        (SECOND, {NAME: ["a", "b"]}, "topic/b", ALLOWED),
        (SECOND, {NAME: ["a"]}, "topic/a", NOTHING),
        (SECOND, {NAME: ["a"]}, f"topic/${{{NAME}.1}}", NOTHING),
        (COMPANIES, {ORGANIZATION: ["AnyCompany", "Example Corp"]}, "topic/admin/x", ALLOWED),
        (COMPANIES, {ORGANIZATION: ["AnyCompany", "Other"]}, "topic/admin/x", NOTHING),
        # "X.509 Certificate policy variable limitations"
        ([allow("Publish", f"topic/${{{NAME}}}")], {NAME: ["a*"]}, "topic/a*", NOTHING),
        ([allow("Publish", f"topic/${{{NAME}}}")], {NAME: ["+"]}, "topic/+", NOTHING),
        ([allow("Publish", f"topic/${{{NAME}}}")], {NAME: ["x" * 1025]}, "topic/" + "x" * 1025, NOTHING),
        (admin(ANY, f"{NAME}.List"), {NAME: [*"abcde", "Administrator"]}, "topic/admin/x", NOTHING),
        (admin("Null", NAME, "false"), {NAME: ["a"]}, "topic/admin/x", ALLOWED),
        (admin(ANY, "iot:Certificate.AvailableKeys", NAME), {NAME: ["a"]}, "topic/admin/x", ALLOWED),
        (admin(ANY, "iot:Certificate.AvailableKeys", NAME), {ORGANIZATION: ["a"]}, "topic/admin/x", NOTHING),
    ],
)
def test_certificates(statements, certificate, resource, expected):
    assert decided(bind(statements, certificate=certificate), "Publish", resource) == expected


# --- Basic policy variables, policy variables ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "client", "action", "asked", "expected"),
    [
        (f"topic/my/topic/{CLIENT}", "c", "Publish", "topic/my/topic/c", ALLOWED),
        (f"topicfilter/my/{CLIENT}/topic", "+", "Subscribe", "topicfilter/my/+/topic", ALLOWED),
        (f"client/{CLIENT}", "anything", "Connect", "client/anything", ALLOWED),
        (f"topic/{CLIENT}", "*", "Publish", "topic/*", ALLOWED),
        (f"topic/{CLIENT}", "*", "Publish", "topic/anything", NOTHING),
        ("topic/a${*}b", "c", "Publish", "topic/a*b", ALLOWED),
        ("topic/a${*}b", "c", "Publish", "topic/axb", NOTHING),
        ("topic/a${?}", "c", "Publish", "topic/a?", ALLOWED),
        ("topic/a${?}", "c", "Publish", "topic/ax", NOTHING),
        ("topic/${$}{iot:ClientId}", "c", "Publish", "topic/${iot:ClientId}", ALLOWED),
        ("topic/${$}aws/x", "c", "Publish", "topic/$aws/x", ALLOWED),
        ("topic/$aws/x", "c", "Publish", "topic/$aws/x", ALLOWED),
        ("topic/${iot:NoSuchVariable}", "c", "Publish", "topic/${iot:NoSuchVariable}", NOTHING),
        ("topic/${IOT:clientid}", "c", "Publish", "topic/c", ALLOWED),
    ],
)
def test_variables_and_escapes(resource, client, action, asked, expected):
    assert decided(bind([allow(action, resource)], client), action, asked) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"IpAddress": {"aws:SourceIp": "123.45.167.89"}}, ALLOWED),
        ({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}}, NOTHING),
        ({"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}}, ALLOWED),
        ({"StringEquals": {"iot:DomainName": "data.example.com"}}, ALLOWED),
        ({"StringEquals": {"iot:DomainName": "other.example.com"}}, NOTHING),
        ({"StringEquals": {"iot:ClientId": "${iot:ClientId}"}}, ALLOWED),
    ],
)
def test_conditions_on_where_a_client_is(condition, expected):
    bound = bind([allow("Connect", "*", Condition=condition)])
    assert decided(bound, "Connect", "client/client1") == expected
