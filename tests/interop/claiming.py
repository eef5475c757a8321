"""Devices with a claim certificate, their templates, and what they ask."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from interop.devices import allow, document, new_csr, new_key
from interop.wire import Wire

TEMPLATE = "factory"
CREATE = "$aws/certificates/create/json"
CSR = "$aws/certificates/create-from-csr/json"
SERIAL = {"Ref": "SerialNumber"}
NAME = {"Fn::Join": ["", ["made-", SERIAL]]}


def provision(template: str) -> str:
    return f"$aws/provisioning-templates/{template}/provision/json"


def body(**resources: Any) -> str:
    return json.dumps(
        {
            "Parameters": {
                "SerialNumber": {"Type": "String"},
                "Line": {"Type": "String", "Default": "one"},
            },
            "Resources": {
                "thing": {
                    "Type": "AWS::IoT::Thing",
                    "Properties": {
                        "ThingName": NAME,
                        "AttributePayload": {"serial": SERIAL, "line": {"Ref": "Line"}},
                    },
                },
                "certificate": {
                    "Type": "AWS::IoT::Certificate",
                    "Properties": {
                        "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"},
                        "Status": "Active",
                    },
                },
                "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "made"}},
            }
            | resources,
            "DeviceConfiguration": {"topic": {"Fn::Join": ["/", ["devices", SERIAL]]}},
        }
    )


CARELESS = {
    "Type": "AWS::IoT::Certificate",
    "Properties": {"CertificateId": {"Ref": "Line"}, "Status": "ACTIVE"},
}

ROLE = "arn:aws:iam::000000000000:role/provisioning"


@pytest.fixture(scope="session")
def templates(iot):
    """The template, one that is disabled, and one that cannot be carried out."""
    iot.create_policy(
        policyName="made",
        policyDocument=document(allow("Connect", "client/${iot:Connection.Thing.ThingName}")),
    )
    for name, text, enabled in (
        (TEMPLATE, body(), True),
        ("careless", body(certificate=CARELESS), True),
        ("closed", body(), False),
        (
            "broken",
            body(policy={"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "does-not-exist"}}),
            True,
        ),
    ):
        iot.create_provisioning_template(
            templateName=name, templateBody=text, enabled=enabled, provisioningRoleArn=ROLE
        )


def claim_statements(template: str = "*") -> list[dict[str, Any]]:
    """Whose policy this is may ask for a certificate and a thing, and nothing else."""
    asks = ("$aws/certificates/create*", f"$aws/provisioning-templates/{template}/provision/*")
    return [
        allow("Connect", "*"),
        allow("Publish", *(f"topic/{topic}" for topic in asks)),
        allow("Receive", *(f"topic/{topic}" for topic in asks)),
        allow("Subscribe", *(f"topicfilter/{topic}" for topic in asks)),
    ]


@pytest.fixture(scope="session")
def claim(device, templates):
    """The shared certificate."""
    return device("claim", thing=False, statements=claim_statements())


class Answer(NamedTuple):
    topic: str
    body: dict[str, Any]

    @property
    def accepted(self) -> bool:
        return self.topic.endswith("/accepted")


class Newcomer:
    """A device that has the claim certificate and has subscribed to every answer."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        for topic in (CREATE, CSR, "$aws/provisioning-templates/+/provision/json"):
            assert wire.subscribe(f"{topic}/accepted", f"{topic}/rejected") == [1, 1]

    def ask(self, topic: str, payload: bytes) -> Answer:
        assert self.wire.publish(topic, payload) == 0
        message = self.wire.message()
        assert message.topic.rpartition("/")[0] == topic
        return Answer(message.topic, json.loads(message.payload))

    def accepted(self, topic: str, **members: Any) -> dict[str, Any]:
        answer = self.ask(topic, json.dumps(members).encode())
        assert answer.accepted, answer.body
        return answer.body

    def rejected(self, topic: str, members: Any) -> dict[str, Any]:
        payload = members if isinstance(members, bytes) else json.dumps(members).encode()
        answer = self.ask(topic, payload)
        assert not answer.accepted
        assert set(answer.body) == {"statusCode", "errorCode", "errorMessage"}
        return answer.body

    def certificate(self) -> dict[str, Any]:
        _, csr = key_and_csr()
        return self.accepted(CSR, certificateSigningRequest=csr)


def key_and_csr(name: str = "newcomer") -> tuple[bytes, str]:
    key, key_pem = new_key()
    return key_pem, new_csr(key, name)


def status_of(iot, made: dict[str, Any]) -> str | None:
    """The state of a certificate that was made, None when it is gone."""
    try:
        found = iot.describe_certificate(certificateId=made["certificateId"])
    except iot.exceptions.ResourceNotFoundException:
        return None
    return found["certificateDescription"]["status"]


@pytest.fixture
def newcomer(claim, request):
    with claim.online(f"newcomer-{request.node.name}"[:100]) as wire:
        yield Newcomer(wire)
