"""Entries as CloudWatch has them, and those of refusals."""

from __future__ import annotations

import pytest

from sekisho.logic.log_entries import entry, of_refusal

REFUSAL = {"clientId": "lamp", "certificateId": "c" * 64, "sourceIp": "10.0.0.1", "at": 1.0}
MEMBERS = {
    "protocol": "MQTT",
    "clientId": "lamp",
    "principalId": "c" * 64,
    "sourceIp": "10.0.0.1",
}


def test_an_entry_is_as_the_guide_shows_it():
    body = entry(
        1502379443.4769,
        "INFO",
        "123456789012",
        "t",
        "Success",
        "Connect",
        protocol="MQTT",
        topicName="",
        x=None,
    )
    assert list(body.items()) == [
        ("timestamp", "2017-08-10 15:37:23.476"),
        ("logLevel", "INFO"),
        ("traceId", "t"),
        ("accountId", "123456789012"),
        ("status", "Success"),
        ("eventType", "Connect"),
        ("protocol", "MQTT"),
    ]


def test_what_policies_deny():
    resource = "arn:aws:iot:us-east-1:123456789012:topic/a:b/c"
    denied = {
        "action": "iot:Publish",
        "resource": resource,
        "decision": "IMPLICIT_DENY",
        "reason": "not authorized",
    }
    assert of_refusal(REFUSAL | denied) == (
        "Publish-In",
        MEMBERS | {"topicName": "a:b/c", "reason": "AUTHORIZATION_FAILURE", "details": "not authorized"},
    )


def test_who_is_not_authenticated():
    words = "DEVICE_CERTIFICATE_INACTIVE: certificate c is INACTIVE"
    refused = {"action": "iot:Connect", "resource": "lamp", "decision": "REFUSED", "reason": words}
    found = MEMBERS | {"topicName": None, "reason": words[:27], "details": words[29:]}
    assert of_refusal(REFUSAL | refused) == (
        "Connection.AuthNError",
        found | {"authenticationType": "AWS_X509"},
    )


def test_whom_a_custom_authorizer_lets_in_not():
    words = "CUSTOM_AUTHORIZER_NOT_FOUND: there is none"
    refused = {"action": "iot:Connect", "resource": "lamp", "decision": "REFUSED", "reason": words}
    event, members = of_refusal(REFUSAL | refused | {"authenticationType": "CUSTOM_AUTH"})
    assert (event, members["reason"]) == ("Connection.AuthNError", "CUSTOM_AUTHORIZER_NOT_FOUND")
    assert members["authenticationType"] == "CUSTOM_AUTH"


@pytest.mark.parametrize(
    ("words", "reason", "details"),
    [
        ("THROTTLED: too often", "THROTTLED", "too often"),
        ("the queue is full: 9 messages", "REFUSED", "the queue is full: 9 messages"),
    ],
)
def test_other_refusals(words, reason, details):
    refused = {"action": "iot:Receive", "resource": "arn:x", "decision": "REFUSED", "reason": words}
    event, members = of_refusal(REFUSAL | refused)
    assert (event, members["reason"], members["details"]) == ("Publish-Out", reason, details)
    assert members["topicName"] == "arn:x"


@pytest.mark.parametrize(
    "other",
    [
        {"action": "mqtt"},
        {"action": "iot:Connect", "decision": "EXTENDED"},
        {"action": "sekisho:InvokeFunction"},
    ],
)
def test_what_has_no_entry(other):
    assert of_refusal(REFUSAL | {"resource": "", "reason": "r"} | other) is None
    assert of_refusal({"action": "iot:Publish", "resource": "", "reason": "of a request over HTTP"}) is None
