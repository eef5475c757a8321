"""Just-in-time registration and provisioning: a certificate of a registered CA connects at last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.authorities import DAY, Authority
from interop.authorities import Newcomer, device_key
from interop.devices import NUMBERS, allow, document
from interop.wire import connect_packet, publish_packet

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


# --- registration ---


def test_jitr_with_paho(iot, own, registered, newcomer, observer, name):
    """The device comes, an event says so, the back end decides, the device comes again and is in."""
    ca = registered()
    told = events(observer, ca)
    device = newcomer(ca, name, ca)
    assert not device.paho(name)
    event = told()
    timestamp = event.pop("timestamp")
    assert isinstance(timestamp, int)
    assert event == {
        "certificateId": device.id,
        "caCertificateId": ca.id,
        "certificateStatus": "PENDING_ACTIVATION",
        "awsAccountId": "000000000000",
        "certificateRegistrationTimestamp": None,
    }
    found = iot.describe_certificate(certificateId=device.id)["certificateDescription"]
    assert (found["status"], found["caCertificateId"]) == ("PENDING_ACTIVATION", ca.id)
    assert found["certificateMode"] == "DEFAULT"
    assert f"on $aws/events/certificates/registered/{ca.id} said" in reason(own, device)

    iot.create_policy(policyName=name, policyDocument=document(allow("Connect", f"client/{name}")))
    iot.attach_policy(policyName=name, target=found["certificateArn"])
    iot.update_certificate(certificateId=device.id, newStatus="ACTIVE")
    assert device.paho(name)
    [listed] = iot.list_certificates_by_ca(caCertificateId=ca.id)["certificates"]
    assert listed["certificateId"] == device.id


def test_the_event_comes_at_each_connect_while_it_is_pending(
    iot, registered, newcomer, observer, name, version
):
    ca = registered()
    told = events(observer, ca)
    device = newcomer(ca, name, ca)
    for _ in range(3):
        assert device.is_refused(name, version)
    first, *later = (told() for _ in range(3))
    assert first["certificateRegistrationTimestamp"] is None
    for event in later:
        assert event["certificateRegistrationTimestamp"] == first["timestamp"]
        assert event["certificateStatus"] == "PENDING_ACTIVATION"
    assert status(iot, device.id) == "PENDING_ACTIVATION"
    iot.update_certificate(certificateId=device.id, newStatus="INACTIVE")
    assert device.is_refused(name, version)
    assert status(iot, device.id) == "INACTIVE"
    assert observer.messages() == []


def test_a_ca_that_was_switched_off_says_nothing_of_who_waits(iot, own, registered, newcomer, observer, name):
    ca = registered()
    told = events(observer, ca)
    device = newcomer(ca, name)
    assert device.is_refused(name)
    assert told()["certificateId"] == device.id
    iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE")
    assert device.is_refused(name)
    assert f"is PENDING_ACTIVATION, and CA certificate {ca.id} is INACTIVE" in reason(own, device)
    assert observer.messages() == []


def test_a_handshake_alone_registers_nothing(iot, registered, newcomer, name):
    ca = registered()
    device = newcomer(ca, name, ca)
    with device.wire() as wire:
        wire.send(b"\x10")
    assert unregistered(iot, device.id)


@pytest.mark.parametrize("mode", ["DEFAULT", "SNI_ONLY"])
def test_without_its_ca_in_the_chain(iot, own, registered, newcomer, name, mode):
    """Then the client must say whom it wants (SNI)."""
    ca = registered(mode)
    device = newcomer(ca, name)
    assert device.is_refused(name, server_name=None)
    assert reason(own, device).startswith("SNI_MISUSED")
    assert unregistered(iot, device.id)
    assert device.is_refused(name)
    found = iot.describe_certificate(certificateId=device.id)["certificateDescription"]
    assert (found["status"], found["certificateMode"]) == ("PENDING_ACTIVATION", mode)


@pytest.mark.parametrize("mode", ["DEFAULT", "SNI_ONLY"])
def test_with_its_ca_in_the_chain_and_no_server_name(iot, own, registered, newcomer, name, mode):
    ca = registered(mode)
    device = newcomer(ca, name, ca)
    assert device.is_refused(name, server_name=None)
    if mode == "DEFAULT":
        assert "is registered by CA" in reason(own, device)
        assert status(iot, device.id) == "PENDING_ACTIVATION"
    else:
        assert reason(own, device).startswith("SNI_MISUSED")
        assert unregistered(iot, device.id)


# --- who is not registered, and why ---


def test_its_ca_is_not_registered(iot, own, newcomer, name):
    ca = Authority(name)
    device = newcomer(ca, name, ca)
    assert device.is_refused(name)
    assert reason(own, device).startswith("DEVICE_CERTIFICATE_NOT_REGISTERED")
    assert "its issuer is no CA that is registered" in reason(own, device)
    assert unregistered(iot, device.id)


def test_another_key_under_the_name_of_a_ca(iot, own, registered, newcomer, name):
    ca, impostor = registered(), Authority(name)
    device = newcomer(impostor, name, impostor)
    assert device.is_refused(name)
    assert f"CA certificate {ca.id} has its issuer's name, but has not signed it" in reason(own, device)
    assert unregistered(iot, device.id)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"active": False}, "is INACTIVE"),
        ({"allowAutoRegistration": False}, "autoRegistrationStatus DISABLE"),
    ],
    ids=["inactive", "not automatic"],
)
def test_a_ca_that_does_not_register_now(iot, own, registered, newcomer, name, more, words):
    ca = registered(**more)
    device = newcomer(ca, name, ca)
    assert device.is_refused(name)
    assert ca.id in reason(own, device)
    assert words in reason(own, device)
    assert unregistered(iot, device.id)
    iot.update_ca_certificate(certificateId=ca.id, newStatus="ACTIVE", newAutoRegistrationStatus="ENABLE")
    assert device.is_refused(name)
    assert status(iot, device.id) == "PENDING_ACTIVATION"


@pytest.mark.parametrize(
    ("how", "words"),
    [({"begins": -2 * DAY, "ends": -DAY}, "expired at"), ({"begins": DAY}, "not valid before")],
)
def test_a_certificate_out_of_its_time(iot, own, registered, newcomer, name, how, words):
    ca = registered()
    device = newcomer(ca, name, ca, **how)
    assert device.is_refused(name)
    assert words in reason(own, device)
    assert unregistered(iot, device.id)


def test_one_of_two_cas_with_one_name_has_signed(iot, registered, newcomer, name):
    registered()
    second = Authority(name)
    second.register(iot, allowAutoRegistration=True)
    device = newcomer(second, name)
    assert device.is_refused(name)
    found = iot.describe_certificate(certificateId=device.id)["certificateDescription"]
    assert found["caCertificateId"] == second.id


# --- provisioning ---


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
    assert not device.is_refused(name)


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
    assert not device.is_refused(name)


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
    assert not device.is_refused(name)


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
