"""Normative statements about subscriptions that only a whole node can keep, in raw bytes.

Cited as in `unit/mqtt/statements.py`.
"""

from __future__ import annotations

import pytest

from interop.normative import home as home
from interop.normative import name as name
from interop.normative import other as other
from interop.normative import subscribe
from interop.normative import wire as wire
from interop.packets import SUBACK, packet, publish_packet, subscribe_packet
from interop.places import Seen


@pytest.mark.parametrize("published", [0, 1])
@pytest.mark.parametrize("granted", [0, 1])
def test_the_lesser_qos_counts(wire, other, name, published, granted):
    """[MQTT-3.8.4-7] [MQTT-3.8.4-8] [3.1.1 MQTT-3.8.4-5] [3.1.1 MQTT-3.8.4-6]"""
    assert wire.subscribe(name, qos=granted) == [granted]
    other.publish(name, b"x", qos=published)
    assert wire.message().qos == min(published, granted)


def test_a_subscription_to_the_same_filter_replaces(wire, other, name):
    """[MQTT-3.8.4-3] [3.1.1 MQTT-3.8.4-3]"""
    for qos in (1, 0, 1):
        assert wire.subscribe(name, qos=qos) == [qos]
        other.publish(name, b"%d" % qos)
        assert [(message.payload, message.qos) for message in wire.messages()] == [(b"%d" % qos, qos)]


def test_nothing_is_lost_while_a_subscription_is_replaced(wire, name, version):
    """[MQTT-3.8.4-4] [3.1.1 MQTT-3.8.4-3]"""
    wire.subscribe(name)
    wire.send(
        b"".join(
            publish_packet(name, b"%d" % number, version) + subscribe_packet([name], version, packet_id=9)
            for number in range(20)
        )
    )
    for _ in range(20):
        wire.take(SUBACK)
    assert [message.payload for message in wire.messages()] == [b"%d" % number for number in range(20)]


def test_a_subscribe_of_many_filters_is_many_subscriptions(wire, other, name, version):
    """One after the other, answered together in their order [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.9.3-1]
    [3.1.1 MQTT-3.8.4-4] [3.1.1 MQTT-3.8.4-5] [3.1.1 MQTT-3.9.3-1]."""
    invalid = 0x8F if version == 5 else 0x80
    filters = ((f"{name}/a", 1), (f"{name}/#/b", 1), (f"{name}/c", 0), (f"{name}/a", 0), (f"{name}/d", 1))
    assert subscribe(wire, *filters) == [1, invalid, 0, 0, 1]
    for level in "acd":
        other.publish(f"{name}/{level}", b"")
    assert [message.qos for message in wire.messages()] == [0, 0, 1]


def test_unsubscribe_compares_characters(wire, other, name, version):
    """Wildcards, too; many filters are handled one after the other and answered in their order
    [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [3.1.1 MQTT-3.10.4-1]
    [3.1.1 MQTT-3.10.4-2] [3.1.1 MQTT-3.10.4-6]."""
    wire.subscribe(f"{name}/+", f"{name}/a", f"{name}/b/#")
    filters = (f"{name}/#", f"{name}/+", f"{name.upper()}/a", f"{name}/+", f"{name}/b/c")
    codes = wire.unsubscribe(*filters)
    assert codes == ([0x11, 0, 0x11, 0x11, 0x11] if version == 5 else [])
    for topic in ("a", "b", "b/c"):
        other.publish(f"{name}/{topic}", topic.encode())
    assert [message.payload for message in wire.messages()] == [b"a", b"b/c"]
    wire.unsubscribe(f"{name}/a")
    other.publish(f"{name}/a", b"a")
    assert wire.messages() == []


def test_unsubscribe_does_not_end_a_delivery_that_has_begun(wire, other, name):
    """[MQTT-3.10.4-3] [MQTT-4.3.2-3] [3.1.1 MQTT-3.10.4-3]"""
    wire.subscribe(name)
    wire.acknowledges = False
    other.publish(name, b"begun")
    first = Seen(wire)
    wire.unsubscribe(name)
    again = Seen(wire)
    assert (again.payload, again.packet_id, again.dup) == (b"begun", first.packet_id, 1)
    wire.send(packet(0x40, first.packet_id.to_bytes(2)))
    other.publish(name, b"later")
    wire.ping()
    assert not any(message.payload == b"later" for message in wire.messages())


@pytest.mark.parametrize("granted", [0, 1])
def test_a_shared_subscription_keeps_its_qos(wire, other, name, granted):
    """[MQTT-4.8.2-3]"""
    assert wire.subscribe(f"$share/group/{name}", qos=granted) == [granted]
    for qos in (0, 1):
        other.publish(name, b"x", qos=qos)
        assert wire.message().qos == min(qos, granted)


def test_what_a_member_refuses_goes_to_no_other(home, name, other):
    """[MQTT-4.8.2-6]: with a persistent session, where a message passes on when its member goes."""
    key = f"$share/group/{name}"
    with home.persistent(f"1-{name}", 5)[0] as one, home.persistent(f"2-{name}", 5)[0] as two:
        for wire in (one, two):
            wire.subscribe(key)
            wire.acknowledges = False
        sent = [b"%d" % number for number in range(8)]
        for payload in sent:
            other.publish(name, payload)
        taken = []
        for wire in (one, two):
            wire.ping()
            while wire._inbox:
                taken.append(wire._inbox.popleft()[1].payload)
        assert sorted(taken) == sent
        for wire in (one, two):
            for number in sorted(wire.watch.open):
                wire.send(packet(0x40, number.to_bytes(2) + b"\x80"))
            wire.ping()
        one.disconnect()
        assert two.messages() == []
