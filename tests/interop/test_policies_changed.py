"""Policies that change under a living connection."""

from __future__ import annotations

import random
import threading
import time

import pytest

from interop.devices import WITHIN, allow, deny, document, least_privilege, until
from interop.packets import connect_packet, packet, read_text
from interop.places import RECEIVE_MAXIMUM, short
from interop.verdicts import NOT_AUTHORIZED, assert_cut_within, may_publish
from interop.wire import Closed


def test_another_default_version(device, iot):
    one = device("one")
    base = least_privilege(one.name)
    with one.online(version=5) as wire:
        assert not may_publish(wire, "new/topic")
        wider = document(*base, allow("Publish", "topic/new/*"))
        made = iot.create_policy_version(policyName=one.policy, policyDocument=wider)
        assert not may_publish(wire, "new/topic")
        iot.set_default_policy_version(policyName=one.policy, policyVersionId=made["policyVersionId"])
        until(lambda: may_publish(wire, "new/topic"), WITHIN)
        iot.set_default_policy_version(policyName=one.policy, policyVersionId="1")
        until(lambda: not may_publish(wire, "new/topic"), WITHIN)
        assert may_publish(wire, f"devices/{one.name}/a")


def test_a_new_version_at_once_default(device, iot):
    one = device("one")
    with one.online(version=5) as wire:
        assert may_publish(wire, f"devices/{one.name}/a")
        iot.create_policy_version(
            policyName=one.policy, policyDocument=document(allow("Connect", "*")), setAsDefault=True
        )
        until(lambda: not may_publish(wire, f"devices/{one.name}/a"), WITHIN)


def test_a_policy_attached_and_detached(device, iot):
    one = device("one")
    extra = f"{one.name}-extra"
    iot.create_policy(policyName=extra, policyDocument=document(allow("Publish", "topic/extra")))
    with one.online(version=5) as wire:
        assert not may_publish(wire, "extra")
        iot.attach_policy(policyName=extra, target=one.arn)
        until(lambda: may_publish(wire, "extra"), WITHIN)
        iot.detach_policy(policyName=extra, target=one.arn)
        until(lambda: not may_publish(wire, "extra"), WITHIN)


def test_without_the_right_to_connect_the_connection_ends(device, iot, version):
    one = device("one")
    with one.online(version=version) as wire:
        wire.ping()
        started = time.monotonic()
        iot.detach_policy(policyName=one.policy, target=one.arn)
        assert_cut_within(wire, started, NOT_AUTHORIZED if version == 5 else None)


def test_a_thing_is_detached_from_its_certificate(device, iot, version):
    """The least-privilege policy lets in only the attached thing."""
    one = device("one")
    with one.online(version=version) as wire:
        wire.ping()
        started = time.monotonic()
        iot.detach_thing_principal(thingName=one.name, principal=one.arn)
        assert_cut_within(wire, started, NOT_AUTHORIZED if version == 5 else None)


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED", "deleted"])
def test_a_certificate_is_withdrawn(device, iot, status, version):
    one, bystander = device("one"), device("bystander")
    with one.online(version=version) as wire, bystander.online() as other:
        wire.ping()
        started = time.monotonic()
        if status == "deleted":
            iot.update_certificate(certificateId=one.certificate_id, newStatus="INACTIVE")
            iot.detach_thing_principal(thingName=one.name, principal=one.arn)
            iot.delete_certificate(certificateId=one.certificate_id, forceDelete=True)
        else:
            iot.update_certificate(certificateId=one.certificate_id, newStatus=status)
        assert_cut_within(wire, started, NOT_AUTHORIZED if version == 5 else None)
        other.ping()
    with one.wire() as wire, pytest.raises(Closed):
        wire.connect(one.name)


def test_every_connection_of_a_withdrawn_certificate_ends(device, iot):
    many = device("many", statements=[allow("*", "*")])
    wires = [many.online(f"many-{number}", version=5) for number in range(10)]
    iot.update_certificate(certificateId=many.certificate_id, newStatus="REVOKED")
    started = time.monotonic()
    for wire in wires:
        assert_cut_within(wire, started, NOT_AUTHORIZED)
        wire.close()


def test_a_withdrawn_receive_silences_a_subscription(device, iot, observer, version):
    one = device("one")
    topic = f"devices/{one.name}/a"
    with one.online(version=version) as wire:
        assert wire.subscribe(topic) == [1]
        observer.publish(topic, b"heard")
        assert wire.message().payload == b"heard"
        silent = [*least_privilege(one.name), deny("Receive", "*"), allow("Publish", "topic/marker")]
        iot.create_policy_version(policyName=one.policy, policyDocument=document(*silent), setAsDefault=True)

        def silenced():
            observer.publish(topic, b"?")
            return wire.messages() == []

        until(silenced, WITHIN)
        observer.publish(topic, b"unheard")
        assert wire.messages() == []
        assert wire.publish("marker") == 0  # the connection lives
        iot.set_default_policy_version(policyName=one.policy, policyVersionId="1")

        def heard():
            observer.publish(topic, b"again")
            return wire.messages()

        until(heard, WITHIN)


def test_a_withdrawn_receive_holds_for_what_waits_for_room(device, iot, observer):
    one = device("one")
    topic, other = f"devices/{one.name}/a", f"devices/{one.name}/b"
    with one.online(version=5, properties=short(RECEIVE_MAXIMUM, 1)) as wire:
        assert wire.subscribe(topic, other) == [1, 1]
        wire.acknowledges = False
        for payload in (b"first", b"waits"):
            observer.publish(topic, payload)
        first, message = wire.publication()
        assert message.payload == b"first"
        silent = [
            *least_privilege(one.name),
            deny("Receive", f"topic/{topic}"),
            deny("Publish", f"topic/{topic}"),
        ]
        iot.create_policy_version(policyName=one.policy, policyDocument=document(*silent), setAsDefault=True)
        until(lambda: not may_publish(wire, topic), WITHIN)  # the connection goes by the new version
        observer.publish(other, b"after")
        wire.acknowledges = True
        packet_id = first.body[read_text(first.body, 0)[1] :][:2]
        wire.send(packet(0x40, packet_id))
        assert wire.message().payload == b"after"


def test_no_connection_that_is_being_accepted_slips_past_a_change(device, iot):
    """A certificate is withdrawn while twenty connections are being judged, again and again."""
    fleet = device("fleet", statements=[allow("*", "*")])
    pauses = random.Random(20191125)

    def withdraw():
        iot.update_certificate(certificateId=fleet.certificate_id, newStatus="INACTIVE")

    for _ in range(20):
        wires = [fleet.wire() for _ in range(20)]
        withdrawing = threading.Thread(target=withdraw)
        withdrawing.start()
        time.sleep(pauses.uniform(0, 0.006))
        for number, wire in enumerate(wires):
            wire.version = 5
            wire.send(connect_packet(f"fleet-{number}", 5))
        withdrawing.join()
        started = time.monotonic()
        for wire in wires:
            assert wire.until_closed(started + WITHIN - time.monotonic()) in (None, NOT_AUTHORIZED)
            wire.close()
        iot.update_certificate(certificateId=fleet.certificate_id, newStatus="ACTIVE")
