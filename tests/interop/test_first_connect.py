"""Just-in-time registration: a certificate of a registered CA connects for the first time."""

from __future__ import annotations

import pytest

from api.authorities import DAY, Authority
from interop.devices import allow, document
from interop.first_connects import events, reason, status, unregistered
from interop.first_connects import folder as folder
from interop.first_connects import name as name
from interop.first_connects import newcomer as newcomer
from interop.first_connects import registered as registered

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
