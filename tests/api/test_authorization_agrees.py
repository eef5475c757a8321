"""What TestAuthorization says is what a live connection may do: policies that hypothesis makes, and a client.

``SEKISHO_EXAMPLES=1000`` tries so many, and others than those of every day.
"""

from __future__ import annotations

import itertools
import os
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from api.making import arn
from interop.devices import ANYTHING, document

THING, SITE = "agree-lamp", "north"
NUMBERS = itertools.count(1)
UNTOLD = {"aws:SourceIp", "iot:DomainName", "iot:ConnectAttributes"}
"""What TestAuthorization cannot be told, and a connection has."""

CLIENTS = [THING, "b", "+"]
TOPICS = ["a", "a/b", "b", f"{THING}/x", "north/x"]
FILTERS = ["a", "a/#", "+/x", "#", f"{THING}/+"]
ASKED = {"Publish": TOPICS, "Subscribe": FILTERS}
HEARD = ["watch/a", "watch/b", f"watch/{THING}", "watch/north"]

VALUES = ["${iot:ClientId}", "${iot:Connection.Thing.ThingName}", "${iot:Certificate.Subject.CommonName}"]
VALUES += ["${iot:Connection.Thing.Attributes[site]}", "${iot:Connection.Thing.ThingTypeName}", "a", "b", "*"]
SHAPES = ["{}", "{}", "{}/*", "{}/x", "?", "+", "*/x", "#", "a${{*}}", "+/x"]

names = st.builds(str.format, st.sampled_from(SHAPES), st.sampled_from(VALUES))
conditions = st.sampled_from(
    [
        {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
        {"Bool": {"iot:Connection.Thing.IsAttached": ["false"]}},
        {"StringEquals": {"iot:ClientId": ["b", "+"]}},
        {"StringNotLike": {"iot:Connection.Thing.ThingName": "agree-*"}},
        {"StringEqualsIfExists": {"iot:Connection.Thing.ThingName": "other"}},
        {"ForAnyValue:StringEquals": {"iot:Certificate.Subject.CommonName.List": ["a", "z"]}},
        {"ForAllValues:StringLike": {"iot:Certificate.AvailableKeys": "iot:Certificate.*"}},
        {"Null": {"iot:Connection.Thing.ThingTypeName": "true"}},
        {
            "StringEquals": {
                "iot:Connection.Thing.Attributes[site]": "${iot:Connection.Thing.Attributes[site]}"
            }
        },
        {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
        {"NotIpAddress": {"aws:SourceIp": "127.0.0.1"}},
    ]
)
KINDS = {"Connect": "client", "Publish": "topic", "Subscribe": "topicfilter", "Receive": "topic"}


@st.composite
def statements(draw: Any) -> dict[str, Any]:
    action = draw(st.sampled_from([*KINDS, "Publish", "Subscribe"]))
    prefix = "watch/" if action == "Receive" else ""
    asked = names if action in ("Connect", "Receive") else names | st.sampled_from(ASKED[action])
    found = draw(st.lists(asked, min_size=1, max_size=3))
    resources = [arn(f"{KINDS[action]}/{prefix}{name}") for name in found]
    if draw(st.integers(0, 5)) == 0:
        resources = ["*"]
    about = draw(st.sampled_from(["Action"] * 6 + ["NotAction"]))
    what = draw(st.sampled_from(["Resource"] * 6 + ["NotResource"]))
    statement = {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"])),
        about: f"iot:{action}",
        what: resources,
    }
    if draw(st.integers(0, 3)) == 0:
        statement["Condition"] = draw(conditions)
    return statement


class Case(NamedTuple):
    documents: list[list[dict[str, Any]]]
    client_id: str
    attached: str


may_connect = [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}]
cases = st.builds(
    Case,
    st.lists(st.lists(statements(), min_size=1, max_size=4), min_size=1, max_size=4).flatmap(
        lambda found: st.sampled_from([found, [*found, may_connect], [*found, may_connect]])
    ),
    st.sampled_from(CLIENTS),
    st.sampled_from(["", "NON_EXCLUSIVE_THING", "NON_EXCLUSIVE_THING", "EXCLUSIVE_THING"]),
)


@pytest.fixture(scope="module")
def observer(factory, iot):
    """A client that may do anything; the thing is there."""
    iot.create_thing(thingName=THING, attributePayload={"attributes": {"site": SITE}})
    with factory("observer", statements=ANYTHING).online() as wire:
        yield wire


WATCH = {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": arn("topicfilter/watch/#")}


@settings(
    max_examples=int(os.environ.get("SEKISHO_EXAMPLES", "40")),
    derandomize="SEKISHO_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(cases)
def test_it_agrees_with_a_connection(iot, own, factory, observer, case: Case):
    """A certificate and policies of each case's own, so that nothing that was known before counts."""
    device = factory("agree", statements=[], thing=False)
    for number, one in enumerate([*case.documents, [WATCH]]):
        name = f"agree-{next(NUMBERS)}-{number}"
        iot.create_policy(policyName=name, policyDocument=document(*one))
        iot.attach_policy(policyName=name, target=device.arn)
    if case.attached:
        iot.attach_thing_principal(thingName=THING, principal=device.arn, thingPrincipalType=case.attached)
    live = what_it_may(device, case.client_id, observer)
    told = {"principal": device.arn, "clientId": case.client_id}
    infos = [{"actionType": action.upper(), "resources": [resource]} for action, resource in live]
    found = [
        one
        for at in range(0, len(infos), 10)
        for one in iot.test_authorization(**told, authInfos=infos[at : at + 10])["authResults"]
    ]
    for ((action, resource), allowed), one in zip(live.items(), found, strict=True):
        decision = one["authDecision"]
        if not UNTOLD.isdisjoint(one["missingContextValues"]):
            about = {"action": f"iot:{action}", "resource": resource, "sourceIp": "127.0.0.1"}
            decision = own.explain_authorization(**told, **about)["decision"]
        note(f"{action} {resource}: live {allowed}, told {decision}: {one}")
        assert (decision == "ALLOWED") == allowed
    if case.attached:
        iot.detach_thing_principal(thingName=THING, principal=device.arn)


def what_it_may(device: Any, client_id: str, observer: Any) -> dict[tuple[str, str], bool]:
    """(action, ARN) → whether the node let it."""
    found = {}
    with device.wire() as wire:
        may = wire.connect(client_id, 5).code == 0
        found["Connect", arn(f"client/{client_id}")] = may
        if not may:
            return found
        for topic in TOPICS:
            found["Publish", arn(f"topic/{topic}")] = wire.publish(topic, b"?") != 0x87
        for filter in FILTERS:
            [code] = wire.subscribe(filter)
            found["Subscribe", arn(f"topicfilter/{filter}")] = code < 0x80
            wire.unsubscribe(filter)
        wire.messages()  # of its own
        [code] = wire.subscribe("watch/#")
        if code < 0x80:  # a deny may forbid even that
            for topic in HEARD:
                observer.publish(topic, b"?")
            heard = {message.topic for message in wire.messages()}
            found |= {("Receive", arn(f"topic/{topic}")): topic in heard for topic in HEARD}
    return found
