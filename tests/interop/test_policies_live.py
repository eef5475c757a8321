"""Policies as devices feel them: enforced, with variables, and explained."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from interop.devices import WITHIN, allow, deny, document, until
from interop.verdicts import NOT_AUTHORIZED, may_publish
from interop.wire import Closed

# --- the four actions --------------------------------------------------------------------------------------


def test_an_unauthorized_publish_of_3_1_1_closes_the_connection(device, observer):
    """[3.1.1 MQTT-3.3.5-2]"""
    one = device("one")
    observer.subscribe("#")
    for qos in (0, 1):
        with one.online() as wire:
            with pytest.raises(Closed):
                wire.publish("devices/other/secret", b"forged", qos=qos)
                wire.ping()
            assert wire.until_closed() is None
    assert observer.messages() == []


def test_an_unauthorized_publish_of_5_is_answered(device, observer):
    one = device("one")
    observer.subscribe("#")
    with one.online(version=5) as wire:
        assert wire.publish("devices/other/secret", b"forged") == NOT_AUTHORIZED
        assert wire.publish(f"devices/{one.name}/mine", b"mine") == 0
        wire.publish("devices/other/secret", b"forged", qos=0)
        assert wire.until_closed() == NOT_AUTHORIZED
        assert "not authorized to publish to devices/other/secret" in wire.reason_text
    assert [message.payload for message in observer.messages()] == [b"mine"]


def test_an_unauthorized_subscribe_is_answered_filter_by_filter(device, version):
    one = device("one")
    with one.online(version=version) as wire:
        codes = wire.subscribe(f"devices/{one.name}/a", "devices/other/a", "#", f"devices/{one.name}/b")
        refused = NOT_AUTHORIZED if version == 5 else 0x80
        assert codes == [1, refused, refused, 1]
        wire.publish(f"devices/{one.name}/a", b"still here")
        assert wire.message().payload == b"still here"


def test_receive_is_checked_for_each_message(device, observer):
    name = "listener"
    listener = device(
        name,
        statements=[
            allow("Connect", "*"),
            allow("Subscribe", "topicfilter/news/*"),
            allow("Receive", "topic/news/*"),
            deny("Receive", "topic/news/secret/*"),
        ],
    )
    with listener.online() as wire:
        assert wire.subscribe("news/#") == [1]
        for topic in ("news/secret/1", "news/public", "news/secret/2"):
            observer.publish(topic, topic.encode())
        assert [message.topic for message in wire.messages()] == ["news/public"]


def test_connect_allows_nothing_else(device, version):
    only = device("only", statements=[allow("Connect", "*")])
    with only.online(version=version) as wire:
        assert wire.subscribe("a") == [NOT_AUTHORIZED if version == 5 else 0x80]
        if version == 5:
            assert wire.publish("a") == NOT_AUTHORIZED


def test_an_explicit_deny_wins(device, iot):
    two = device("two", statements=[allow("*", "*")])
    name = f"{two.name}-deny"
    iot.create_policy(policyName=name, policyDocument=document(deny("Publish", "topic/no/*")))
    iot.attach_policy(policyName=name, target=two.arn)
    with two.online(version=5) as wire:
        assert may_publish(wire, "yes/1")
        assert not may_publish(wire, "no/1")


# --- wildcards ---------------------------------------------------------------------------------------------


def test_wildcards_of_a_resource(device):
    wild = device(
        "wild",
        statements=[
            allow("Connect", "*"),
            allow("Publish", "topic/a/*/z", "topic/one?", "topic/star/${*}", "topic/+/#"),
        ],
    )
    with wild.online(version=5) as wire:
        yes = ["a/b/z", "a/b/c/d/z", "a//z", "one1", "star/*"]
        no = ["a/z", "a/b/z/y", "one", "one12", "star/x", "x/y"]
        assert [topic for topic in yes + no if may_publish(wire, topic)] == yes


def test_wildcards_of_mqtt_are_literal_in_a_policy(device):
    exact = device(
        "exact",
        statements=[allow("Connect", "*"), allow("Subscribe", "topicfilter/some/+/topic", "topicfilter/x/#")],
    )
    with exact.online(version=5) as wire:
        codes = wire.subscribe("some/+/topic", "some/any/topic", "x/#", "x/y", "#")
        assert codes == [1, NOT_AUTHORIZED, 1, NOT_AUTHORIZED, NOT_AUTHORIZED]


def test_an_allowed_wildcard_lets_in_what_receive_does_not_deny(device, observer):
    """The guide's warning: Deny on a filter does not stop a wider filter."""
    sly = device(
        "sly",
        statements=[
            allow("Connect", "*"),
            allow("Subscribe", "topicfilter/a/*"),
            allow("Receive", "topic/a/*"),
            deny("Subscribe", "topicfilter/a/restricted/#"),
        ],
    )
    with sly.online(version=5) as wire:
        assert wire.subscribe("a/restricted/#", "a/#") == [NOT_AUTHORIZED, 1]
        observer.publish("a/restricted/x", b"leak")
        assert wire.message().payload == b"leak"


# --- variables ---------------------------------------------------------------------------------------------


def test_the_thing_and_its_attributes(device, iot):
    site = device(
        "site",
        attributes={"site": "tokyo", "line": "7"},
        statements=[
            allow("Connect", "client/${iot:Connection.Thing.ThingName}"),
            allow(
                "Publish",
                "topic/${iot:Connection.Thing.Attributes[site]}/${iot:Connection.Thing.Attributes[line]}",
                "topic/${iot:Connection.Thing.Attributes[missing]}",
                "topic/type/${iot:Connection.Thing.ThingTypeName}",
            ),
        ],
    )
    with site.online(version=5) as wire:
        assert may_publish(wire, "tokyo/7")
        assert not may_publish(wire, "osaka/7")
        assert not may_publish(wire, "type/")
        iot.update_thing(
            thingName=site.name, attributePayload={"attributes": {"site": "osaka"}, "merge": True}
        )
        until(lambda: may_publish(wire, "osaka/7"), WITHIN)
        assert not may_publish(wire, "tokyo/7")


def test_the_certificate(device):
    named = device(
        "named",
        subject={"ORGANIZATION_NAME": "Acme", "SERIAL_NUMBER": "S-1"},
        statements=[
            allow("Connect", "client/${iot:Certificate.Subject.CommonName}"),
            allow(
                "Publish",
                "topic/${iot:Certificate.Subject.Organization}/${iot:Certificate.Subject.SerialNumber}",
                "topic/cert/${iot:CertificateId}",
                "topic/client/${iot:ClientId}",
                "topic/from/${aws:SourceIp}",
                "topic/country/${iot:Certificate.Subject.Country}",
            ),
        ],
    )
    with named.online(version=5) as wire:
        yes = [
            "Acme/S-1",
            f"cert/{named.certificate_id}",
            f"client/{named.name}",
            f"from/{wire.sock.getsockname()[0]}",
        ]
        no = ["Acme/S-2", "cert/0", "client/other", "country/", "country/JP"]
        assert [topic for topic in yes + no if may_publish(wire, topic)] == yes


def test_is_attached(device, iot):
    attached = {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
    statements = [
        allow("Connect", "*"),
        allow("Publish", "topic/attached", Condition=attached),
        allow("Publish", "topic/alone", Condition={"Bool": {"iot:Connection.Thing.IsAttached": ["false"]}}),
    ]
    one = device("one", statements=statements)
    with one.online(version=5) as wire:
        assert may_publish(wire, "attached")
        assert not may_publish(wire, "alone")
        iot.detach_thing_principal(thingName=one.name, principal=one.arn)
        until(lambda: may_publish(wire, "alone"), WITHIN)
        assert not may_publish(wire, "attached")
    # Attached to a thing, but not to the one that the client id names.
    iot.attach_thing_principal(thingName=one.name, principal=one.arn)
    with one.online("someone-else", version=5) as wire:
        assert not may_publish(wire, "attached")


def test_an_exclusive_thing_counts_whatever_the_client_id(device):
    own = device(
        "own",
        exclusive=True,
        statements=[
            allow("Connect", "*"),
            allow("Publish", "topic/${iot:Connection.Thing.ThingName}"),
        ],
    )
    with own.online("whatever", version=5) as wire:
        assert may_publish(wire, own.name)
        assert not may_publish(wire, "whatever")


def test_the_source_address_as_a_condition(device):
    here = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    there = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    device("here", statements=[allow("Connect", "*", Condition=here)]).online().close()
    away = device("there", statements=[allow("Connect", "*", Condition=there)])
    with away.wire() as wire:
        assert wire.connect(away.name, 5).code == NOT_AUTHORIZED


# --- explain -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def refused(device):
    """A device that has just tried to publish on another's topic, and what it may do."""
    one = device(
        "explained",
        attributes={"site": "tokyo"},
        statements=[
            allow("Connect", "client/${iot:Connection.Thing.ThingName}", Sid="AsItself"),
            allow("Publish", "topic/${iot:Connection.Thing.Attributes[site]}/*", Sid="OwnSite"),
            deny("Publish", "topic/nowhere", Sid="Nowhere"),
            allow("Publish", "topic/${iot:Connection.Thing.Attributes[floor]}", Sid="OwnFloor"),
        ],
    )
    with one.online(version=5) as wire:
        assert wire.publish("osaka/telemetry") == NOT_AUTHORIZED
        assert wire.publish("nowhere") == NOT_AUTHORIZED
    return one


def test_refusals_are_listed_with_their_evidence(refused, own):
    explicit, implicit = own.list_refusals(clientId=refused.name)["refusals"]
    for refusal, topic in ((explicit, "nowhere"), (implicit, "osaka/telemetry")):
        assert refusal["action"] == "iot:Publish"
        assert refusal["resource"] == f"arn:aws:iot:us-east-1:000000000000:topic/{topic}"
        assert refusal["clientId"] == refusal["thingName"] == refused.name
        assert refusal["certificateId"] == refused.certificate_id
        assert refusal["sourceIp"] == "127.0.0.1"
        assert refusal["effect"] == "PUBACK 0x87 (not authorized)"
    assert implicit["decision"] == "IMPLICIT_DENY"
    assert explicit["decision"] == "EXPLICIT_DENY"
    (policy,) = implicit["policies"]
    assert (policy["policyName"], policy["versionId"]) == (refused.policy, "1")
    statements = {statement["sid"]: statement for statement in policy["statements"]}
    assert set(statements) == {"AsItself", "OwnSite", "Nowhere", "OwnFloor"}
    assert statements["OwnSite"]["index"] == 1
    assert statements["Nowhere"]["effect"] == "Deny"
    assert implicit["variables"]["iot:Connection.Thing.Attributes[site]"] == "tokyo"
    assert implicit["missingVariables"] == ["iot:Connection.Thing.Attributes[floor]"]


def test_refusals_by_certificate_and_by_thing_in_pages(refused, own):
    for filters in ({"certificateId": refused.certificate_id}, {"thingName": refused.name}):
        first = own.list_refusals(maxResults=1, **filters)
        second = own.list_refusals(maxResults=1, nextToken=first["nextToken"], **filters)
        found = [page["refusals"][0]["resource"].rpartition("/")[2] for page in (first, second)]
        assert found == ["nowhere", "telemetry"]
    assert own.list_refusals(clientId="never-seen")["refusals"] == []


@pytest.mark.parametrize("by", ["client", "certificate", "thing"])
def test_sekisho_explain(node, refused, by):
    value = refused.certificate_id if by == "certificate" else refused.name
    command = [sys.executable, "-c", "from sekisho.cli import main; main()", "explain", f"--{by}", value]
    shown = subprocess.run([*command, "--data", node.data], check=True, capture_output=True, text=True).stdout
    for words in (
        "not authorized to publish to osaka/telemetry",
        "iot:Publish",
        "arn:aws:iot:us-east-1:000000000000:topic/osaka/telemetry",
        f"policy {refused.policy} (version 1)",
        "statement 1 OwnSite, Allow",
        "${iot:Connection.Thing.Attributes[site]} = tokyo",
        "${iot:Connection.Thing.Attributes[floor]} has no value on this connection",
        "denied: no statement allows it",
        "denied: a statement denies it",
    ):
        assert words in shown


def test_a_refused_receive_and_a_refused_subscribe_are_explained(device, own, observer):
    deaf = device("deaf", statements=[allow("Connect", "*"), allow("Subscribe", "topicfilter/a/*")])
    with deaf.online() as wire:
        assert wire.subscribe("a/b", "c") == [1, 0x80]
        observer.publish("a/b", b"?")
        assert wire.messages() == []
    refusals = own.list_refusals(clientId=deaf.name)["refusals"]
    assert [refusal["action"] for refusal in refusals] == ["iot:Receive", "iot:Subscribe"]
    assert [refusal["resource"].rpartition(":")[2] for refusal in refusals] == ["topic/a/b", "topicfilter/c"]
    assert json.dumps(refusals[0]["policies"])
