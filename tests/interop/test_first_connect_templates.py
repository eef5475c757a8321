"""Just-in-time provisioning: what a template makes of a certificate that connects for the first time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from interop.devices import until
from interop.first_connects import ROLE, events, reason, ref, status, template, unregistered
from interop.first_connects import folder as folder
from interop.first_connects import name as name
from interop.first_connects import newcomer as newcomer
from interop.first_connects import registered as registered
from interop.packets import connect_packet, publish_packet


@pytest.mark.parametrize("named", [False, True], ids=["by its text", "by its name"])
def test_jitp_with_paho(iot, own, registered, newcomer, observer, name, named):
    """The first connection ends, the second is in: thing, policy and certificate are there."""
    body = template("CommonName", "SerialNumber", "Country", "Organization", "StateName")
    body = json.loads(body)
    body["Resources"]["thing"]["Properties"]["AttributePayload"] = {
        "serial": ref("SerialNumber"),
        "from": {"Fn::Join": ["-", [ref("Country"), ref("StateName")]]},
        "maker": ref("Organization"),
    }
    text = json.dumps(body)
    config = {"templateBody": text, "roleArn": ROLE}
    if named:
        iot.create_provisioning_template(
            templateName=name, templateBody=text, provisioningRoleArn=ROLE, type="JITP", enabled=True
        )
        config = {"templateName": name}
    ca = registered(registrationConfig=config)
    events(observer, ca)
    subject = {
        "SERIAL_NUMBER": "0007",
        "COUNTRY_NAME": "JP",
        "STATE_OR_PROVINCE_NAME": "Gifu",
        "ORGANIZATION_NAME": "Seki",
    }
    device = newcomer(ca, name, ca, names=subject)
    assert not device.paho(name)
    assert f"provisioned as thing {name}" in reason(own, device)
    assert device.paho(name)
    found = iot.describe_certificate(certificateId=device.id)["certificateDescription"]
    assert (found["status"], found["caCertificateId"]) == ("ACTIVE", ca.id)
    assert iot.list_thing_principals(thingName=name)["principals"] == [found["certificateArn"]]
    assert iot.describe_thing(thingName=name)["attributes"] == {
        "serial": "0007",
        "from": "JP-Gifu",
        "maker": "Seki",
    }
    assert len(iot.list_attached_policies(target=found["certificateArn"])["policies"]) == 1
    assert observer.messages() == []


def test_what_the_subject_lacks_comes_from_the_default(iot, registered, newcomer, name):
    body = template("CommonName", defaults={"Country": "JP"})
    body = json.loads(body)
    body["Resources"]["thing"]["Properties"]["AttributePayload"] = {"from": ref("Country")}
    ca = registered(registrationConfig={"templateBody": json.dumps(body), "roleArn": ROLE})
    device = newcomer(ca, name)
    assert device.is_refused(name)
    assert not device.is_refused(name)
    assert iot.describe_thing(thingName=name)["attributes"] == {"from": "JP"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (template("CommonName", "SerialNumber"), "SerialNumber: no value is given"),
        (
            template(
                "CommonName", policy={"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "missing"}}
            ),
            "policy missing does not exist",
        ),
        (
            template(
                "CommonName",
                certificate={"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": "0" * 64}},
            ),
            "not that of the connecting client",
        ),
    ],
    ids=["a missing parameter", "a missing policy", "another certificate"],
)
def test_what_cannot_be_provisioned_is_refused_whole(iot, own, registered, newcomer, name, text, words):
    ca = registered(registrationConfig={"templateBody": text, "roleArn": ROLE})
    device = newcomer(ca, name)
    for _ in range(2):
        assert device.is_refused(name)
    assert words in reason(own, device)
    assert unregistered(iot, device.id)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=name)
    # A template that fits, and the same device is provisioned.
    config = {"templateBody": template("CommonName"), "roleArn": ROLE}
    iot.update_ca_certificate(certificateId=ca.id, registrationConfig=config)
    assert device.is_refused(name)
    until(lambda: not device.is_refused(name))  # the broker hears of the change a little later


def test_a_named_template_must_be_enabled(iot, own, registered, newcomer, name):
    iot.create_provisioning_template(
        templateName=name,
        templateBody=template("CommonName"),
        provisioningRoleArn=ROLE,
        type="JITP",
    )
    ca = registered(registrationConfig={"templateName": name})
    device = newcomer(ca, name)
    assert device.is_refused(name)
    assert "is not enabled" in reason(own, device)
    iot.update_provisioning_template(templateName=name, enabled=True)
    assert device.is_refused(name)
    until(lambda: not device.is_refused(name))


def test_a_template_may_leave_it_inactive(iot, registered, newcomer, name):
    text = template("CommonName", status="INACTIVE")
    ca = registered(registrationConfig={"templateBody": text, "roleArn": ROLE})
    device = newcomer(ca, name)
    for _ in range(2):
        assert device.is_refused(name)
    assert status(iot, device.id) == "INACTIVE"


def test_a_ca_whose_devices_wait_gets_a_template(iot, registered, newcomer, name):
    """Who was registered without being provisioned is provisioned when it comes again."""
    ca = registered()
    device = newcomer(ca, name)
    assert device.is_refused(name)
    assert status(iot, device.id) == "PENDING_ACTIVATION"
    config = {"templateBody": template("CommonName"), "roleArn": ROLE}
    iot.update_ca_certificate(certificateId=ca.id, registrationConfig=config)
    assert device.is_refused(name)
    until(lambda: not device.is_refused(name))  # the broker hears of the change a little later


def test_a_device_that_was_deleted_while_connected_does_not_come_back_by_itself(
    iot, registered, newcomer, name
):
    """A live connection is judged again, but not registered again; only a CONNECT does that."""
    ca = registered(registrationConfig={"templateBody": template("CommonName"), "roleArn": ROLE})
    device = newcomer(ca, name)
    assert device.is_refused(name)
    with device.wire() as wire:
        assert wire.connect(name).code == 0
        iot.update_certificate(certificateId=device.id, newStatus="INACTIVE")
        assert wire.until_closed() is None
    arn = f"arn:aws:iot:us-east-1:000000000000:cert/{device.id}"
    iot.detach_thing_principal(thingName=name, principal=arn)
    iot.delete_certificate(certificateId=device.id, forceDelete=True)
    assert unregistered(iot, device.id)


def test_many_at_once(iot, registered, newcomer, name):
    """A batch is switched on: each gets its own thing, and what they share is made once."""
    ca = registered(registrationConfig={"templateBody": template("CommonName"), "roleArn": ROLE})
    devices = {f"{name}-{number}": newcomer(ca, f"{name}-{number}") for number in range(30)}
    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(lambda one: one[1].is_refused(one[0]), devices.items()))
        assert not any(pool.map(lambda one: one[1].is_refused(one[0]), devices.items()))
    pages = iot.get_paginator("list_certificates").paginate()
    active = {
        one["certificateId"] for page in pages for one in page["certificates"] if one["status"] == "ACTIVE"
    }
    assert {device.id for device in devices.values()} <= active


def test_one_device_twice_at_once(iot, registered, newcomer, observer, name):
    """Both connections are told the same, and the certificate is registered once."""
    ca = registered()
    told = events(observer, ca)
    device = newcomer(ca, name)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda number: device.is_refused(f"{name}-{number}"), range(8)))
    first = [told()["certificateRegistrationTimestamp"] is None for _ in range(8)]
    assert first.count(True) == 1
    [one] = iot.list_certificates_by_ca(caCertificateId=ca.id)["certificates"]
    assert one["certificateId"] == device.id


def test_what_it_has_sent_before_it_was_registered_is_not_taken(iot, registered, newcomer, observer, name):
    """A client that does not wait for its CONNACK: nothing of what follows the first CONNECT counts."""
    ca = registered(registrationConfig={"templateBody": template("CommonName"), "roleArn": ROLE})
    device = newcomer(ca, name)
    assert observer.subscribe("works/#") == [1]
    with device.wire() as wire:
        wire.send(connect_packet(name) + publish_packet("works/1", b"hello"))
        assert wire.until_closed() is None
        assert wire.received == 0
    assert status(iot, device.id) == "ACTIVE"
    assert observer.messages() == []
