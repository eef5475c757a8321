"""The operation behind just-in-time registration, asked for as the node asks for it (tests/interop has the
devices)."""

from __future__ import annotations

import json

import pytest

from api.authorities import Authority
from api.making import ROLE, UNKNOWN_ID, arn, document, refused

COMMON_NAME, ID = "AWS::IoT::Certificate::CommonName", "AWS::IoT::Certificate::Id"
STRING = {"Type": "String"}


def template(policy: dict[str, object]) -> str:
    return json.dumps(
        {
            "Parameters": {COMMON_NAME: STRING, ID: STRING},
            "Resources": {
                "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": COMMON_NAME}}},
                "certificate": {
                    "Type": "AWS::IoT::Certificate",
                    "Properties": {"CertificateId": {"Ref": ID}},
                },
                "policy": {"Type": "AWS::IoT::Policy", "Properties": policy},
            },
        }
    )


@pytest.fixture
def ca(iot, name) -> Authority:
    """A CA that registers by itself."""
    authority = Authority(name)
    authority.register(iot, allowAutoRegistration=True)
    return authority


def described(iot, id):
    return iot.describe_certificate(certificateId=id)["certificateDescription"]


def connect(own, leaf, ca):
    return own.register_certificate_on_connect(certificatePem=leaf.pem, caCertificateId=ca.id)


def test_it_is_registered_and_waits(iot, own, ca, name):
    leaf = ca.sign(name)
    for _ in range(2):
        made = connect(own, leaf, ca)
        made.pop("ResponseMetadata")
        assert made == {
            "certificateId": leaf.id,
            "certificateArn": arn(f"cert/{leaf.id}"),
            "caCertificateId": ca.id,
            "status": "PENDING_ACTIVATION",
        }
    found = described(iot, leaf.id)
    assert (found["status"], found["customerVersion"]) == ("PENDING_ACTIVATION", 1)
    [listed] = iot.list_certificates_by_ca(caCertificateId=ca.id)["certificates"]
    assert listed["status"] == "PENDING_ACTIVATION"


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_what_somebody_has_decided_stays(iot, own, ca, name, status):
    leaf = ca.sign(name)
    connect(own, leaf, ca)
    iot.update_certificate(certificateId=leaf.id, newStatus=status)
    assert connect(own, leaf, ca)["status"] == status
    assert described(iot, leaf.id)["status"] == status


def test_it_is_provisioned(iot, own, ca, name):
    config = {"templateBody": template({"PolicyDocument": document(name)}), "roleArn": ROLE}
    iot.update_ca_certificate(certificateId=ca.id, registrationConfig=config)
    leaf = ca.sign(name)
    made = connect(own, leaf, ca)
    assert (made["status"], made["thingName"]) == ("ACTIVE", name)
    assert iot.list_thing_principals(thingName=name)["principals"] == [arn(f"cert/{leaf.id}")]
    assert len(iot.list_attached_policies(target=arn(f"cert/{leaf.id}"))["policies"]) == 1


def test_all_of_it_or_nothing(iot, own, ca, name):
    """The policy comes last; when it is not there, neither is what came before it."""
    config = {"templateBody": template({"PolicyName": name}), "roleArn": ROLE}
    iot.update_ca_certificate(certificateId=ca.id, registrationConfig=config)
    leaf = ca.sign(name)
    with refused("InvalidRequestException", 400, f"policy {name} does not exist"):
        connect(own, leaf, ca)
    for describe, members in (
        (iot.describe_certificate, {"certificateId": leaf.id}),
        (iot.describe_thing, {"thingName": name}),
    ):
        with refused("ResourceNotFoundException", 404):
            describe(**members)


def test_what_is_refused(iot, own, ca, name):
    leaf, stranger = ca.sign(name), Authority(name)
    stranger.register(iot, allowAutoRegistration=True)
    with refused("CertificateValidationException", 400, "has not signed"):
        connect(own, leaf, stranger)
    with refused("CertificateValidationException", 400, "not PEM"):
        own.register_certificate_on_connect(certificatePem="x", caCertificateId=ca.id)
    with refused("ResourceNotFoundException", 404, UNKNOWN_ID):
        own.register_certificate_on_connect(certificatePem=leaf.pem, caCertificateId=UNKNOWN_ID)
    iot.update_ca_certificate(certificateId=ca.id, newAutoRegistrationStatus="DISABLE")
    with refused("CertificateStateException", 406, "autoRegistrationStatus DISABLE"):
        connect(own, leaf, ca)
    iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE", newAutoRegistrationStatus="ENABLE")
    with refused("CertificateStateException", 406, "INACTIVE"):
        connect(own, leaf, ca)
