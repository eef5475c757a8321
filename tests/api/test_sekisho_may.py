"""``sekisho may``: whether a device may, in words."""

from __future__ import annotations

import json

import pytest

from api.making import UNKNOWN_ID, arn
from command import sekisho
from interop.devices import allow, deny


@pytest.fixture
def policy(iot, name, cert):
    statements = [
        allow("Publish", "topic/${iot:ClientId}/*", Sid="own"),
        deny("Publish", "topic/*/secret", Sid="secret"),
        allow("Connect", "client/*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        allow("GetThingShadow", "thing/lamp"),
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iot.create_policy(policyName=name, policyDocument=text)
    iot.attach_policy(policyName=name, target=cert.arn)
    return name


def test_answers_in_words(node, cert, policy):
    said = node.command("may", "publish", "lamp/up", "--certificate", cert.id, "--client", "lamp")
    assert said.splitlines()[:4] == [
        f"allowed by statement 0 own of policy {policy}",
        "  action      iot:Publish",
        f"  resource    {arn('topic/lamp/up')}",
        f"  policy {policy} (version 1), on cert/{cert.id}",
    ]
    assert "  ${iot:ClientId} = lamp" in said
    said = node.command("may", "publish", "lamp/up", "--certificate", cert.id)
    assert said.startswith("denied: no statement allows it\n")
    assert "${iot:ClientId} has no value" in said
    said = node.command("may", "publish", "lamp/secret", "--certificate", cert.id, "--client", "lamp")
    assert said.startswith(f"denied by statement 1 secret of policy {policy}\n")


def test_what_is_supposed(node, cert, policy):
    asked = ("may", "connect", "lamp", "--certificate", cert.id)
    assert node.command(*asked, "--from", "10.1.2.3").startswith("allowed")
    assert node.command(*asked, "--from", "192.0.2.1").startswith("denied")
    assert node.command(*asked, "--from", "10.1.2.3", "--skip", policy).startswith("denied")


def test_any_action(node, cert, policy):
    for resource in ("thing/lamp", arn("thing/lamp")):
        asked = ("may", "iot:GetThingShadow", resource, "--certificate", cert.id)
        assert node.command(*asked).startswith("allowed by statement 3 of policy")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("publish", "a"), "--certificate, or --group"),
        (("publish", "a", "--certificate", "a", "--group", "g"), "--certificate, or --group"),
        (("publish", "a/#", "--certificate", UNKNOWN_ID), "a/# is not a topic"),
        (("connect", "", "--certificate", UNKNOWN_ID), "The name is empty"),
        (("read", "a", "--certificate", UNKNOWN_ID), "read is none of connect, publish"),
        (("publish", "a", "--certificate", UNKNOWN_ID), f"Certificate {UNKNOWN_ID} does not exist"),
        (("publish", "a", "--group", "no-such-group"), "no-such-group does not exist"),
    ],
)
def test_what_cannot_be_asked(node, arguments, words):
    done = sekisho("may", *arguments, "--data", node.data, ok=False)
    assert done.returncode == 1
    assert words in done.stderr
