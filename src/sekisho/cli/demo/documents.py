"""What the demo puts into the node: policies that allow what is needed and no more, and the template."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

TEMPLATE = "sekisho-demo"
CLAIM_POLICY = "sekisho-demo-claim"
DEVICE_POLICY = "sekisho-demo-device"
OBSERVER_POLICY = "sekisho-demo-observer"
THING_TYPE = "demo-sensor"
OBSERVER = "demo-observer"
NEWCOMER = "new-"
"""Begins the client id of a device that has nothing but the claim certificate."""

CSR_TOPIC = "$aws/certificates/create-from-csr/json"
REGISTER_TOPIC = f"$aws/provisioning-templates/{TEMPLATE}/provision/json"


class Arns(NamedTuple):
    region: str
    account: str

    def __call__(self, resource: str) -> str:
        return f"arn:aws:iot:{self.region}:{self.account}:{resource}"

    @property
    def role(self) -> str:
        """Templates must name a role (AWS assumes it); the node needs none."""
        return f"arn:aws:iam::{self.account}:role/sekisho-demo"


def claim_policy(arn: Arns) -> str:
    """Ask for a certificate and register, nothing else (AWS IoT Developer Guide, Provisioning by claim)."""
    answers = [f"{topic}/{answer}" for topic in (CSR_TOPIC, REGISTER_TOPIC) for answer in _ANSWERS]
    return _policy(
        _allow("ConnectAsNewcomer", "Connect", arn(f"client/{NEWCOMER}*")),
        _allow("Ask", "Publish", *(arn(f"topic/{topic}") for topic in (CSR_TOPIC, REGISTER_TOPIC))),
        _allow("ListenForAnswers", "Subscribe", *(arn(f"topicfilter/{answer}") for answer in answers)),
        _allow("GetAnswers", "Receive", *(arn(f"topic/{answer}") for answer in answers)),
    )


def device_policy(arn: Arns) -> str:
    """One policy for all devices: its variables confine each to its own name and topics."""
    own = "devices/${iot:Connection.Thing.ThingTypeName}/${iot:Connection.Thing.ThingName}"
    return _policy(
        _allow("ConnectAsItself", "Connect", arn("client/${iot:Connection.Thing.ThingName}")),
        _allow("ReportTelemetry", "Publish", arn(f"topic/{own}/telemetry")),
        _allow("ListenForCommands", "Subscribe", arn(f"topicfilter/{own}/commands")),
        _allow("GetCommands", "Receive", arn(f"topic/{own}/commands")),
    )


def observer_policy(arn: Arns) -> str:
    """See the telemetry of all devices."""
    return _policy(
        _allow("ConnectAsItself", "Connect", arn(f"client/{OBSERVER}")),
        _allow("ListenToTelemetry", "Subscribe", arn(f"topicfilter/{TELEMETRY}")),
        _allow("GetTelemetry", "Receive", arn(f"topic/{TELEMETRY.replace('+', '*')}")),
    )


TELEMETRY = f"devices/{THING_TYPE}/+/telemetry"

_ANSWERS = ("accepted", "rejected")


def template() -> str:
    """Serial number in; thing, attached certificate and policy, and the device's topics out."""
    serial = {"Ref": "SerialNumber"}
    name = {"Fn::Join": ["", ["sensor-", serial]]}
    return json.dumps(
        {
            "Parameters": {"SerialNumber": {"Type": "String"}},
            "Resources": {
                "thing": {
                    "Type": "AWS::IoT::Thing",
                    "Properties": {
                        "ThingName": name,
                        "ThingTypeName": THING_TYPE,
                        "AttributePayload": {"serial": serial},
                    },
                },
                "certificate": {
                    "Type": "AWS::IoT::Certificate",
                    "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"},
                },
                "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": DEVICE_POLICY}},
            },
            "DeviceConfiguration": {
                "topics": {"Fn::Join": ["", [f"devices/{THING_TYPE}/sensor-", serial]]},
            },
        }
    )


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _allow(sid: str, action: str, *resources: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": f"iot:{action}", "Resource": resources}
