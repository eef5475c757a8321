"""Registered CAs, devices with their certificates, and templates for both."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from api.authorities import Authority
from interop.authorities import Newcomer, device_key
from interop.devices import NUMBERS, allow, document

ROLE = "arn:aws:iam::000000000000:role/provisioning"
SUBJECT = "AWS::IoT::Certificate::"


def ref(parameter: str) -> dict[str, str]:
    return {"Ref": SUBJECT + parameter}


def template(*parameters: str, defaults: Mapping[str, str] = {}, status: str = "ACTIVE", **resources) -> str:
    declared = {SUBJECT + name: {"Type": "String"} for name in (*parameters, "Id")}
    declared |= {SUBJECT + name: {"Type": "String", "Default": value} for name, value in defaults.items()}
    return json.dumps(
        {
            "Parameters": declared,
            "Resources": {
                "thing": {
                    "Type": "AWS::IoT::Thing",
                    "Properties": {"ThingName": ref("CommonName"), "AttributePayload": {}},
                },
                "certificate": {
                    "Type": "AWS::IoT::Certificate",
                    "Properties": {"CertificateId": ref("Id"), "Status": status},
                },
                "policy": {
                    "Type": "AWS::IoT::Policy",
                    "Properties": {
                        "PolicyDocument": document(
                            allow("Connect", "client/${iot:Connection.Thing.ThingName}")
                        )
                    },
                },
            }
            | resources,
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("newcomers")


@pytest.fixture
def newcomer(node, folder):
    def make(ca: Authority, name: str, *above: Authority, names=(), **how) -> Newcomer:
        return Newcomer(node, folder, ca.sign(name, device_key(), names, **how), *above)

    return make


@pytest.fixture
def registered(iot, name):
    """Makes a CA that is registered, ACTIVE and registers by itself."""

    def make(mode: str = "DEFAULT", **more) -> Authority:
        ca = Authority(name)
        ca.register(iot, mode=mode, **({"allowAutoRegistration": True} | more))
        return ca

    return make


def events(observer, ca: Authority):
    """The observer, who sees the events of the CA."""
    assert observer.subscribe(f"$aws/events/certificates/registered/{ca.id}") == [1]
    return lambda: json.loads(observer.message().payload)


def status(iot, id):
    return iot.describe_certificate(certificateId=id)["certificateDescription"]["status"]


def unregistered(iot, id) -> bool:
    try:
        iot.describe_certificate(certificateId=id)
    except iot.exceptions.ResourceNotFoundException:
        return True
    return False


def reason(own, newcomer):
    refusal = own.list_refusals(certificateId=newcomer.id, maxResults=1)["refusals"][0]
    assert refusal["action"] == "iot:Connect"
    return refusal["reason"]


@pytest.fixture
def name(request):
    """A client id and a common name of the test's own, short enough for a template's name as well."""
    words = request.node.name.translate(str.maketrans("[] _", "----")).removeprefix("test-")
    return f"{words[:28].strip('-')}-{next(NUMBERS)}"
