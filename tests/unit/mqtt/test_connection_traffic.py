"""Scripts of a connection that is open: what breaks it, what does not, and what it counts."""

import math
from dataclasses import replace

import pytest

from sekisho.mqtt.codec import encode
from sekisho.mqtt.connection import Connection, State
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import (
    NO_PROPERTIES,
    Auth,
    Connack,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Unsuback,
    Unsubscribe,
    Violation,
)
from sekisho.mqtt.profile import EXTENDED, STRICT
from unit.mqtt.scripts import LIMITS, N, connect, opened, publish, sent, subscribe, told, violation

# -- what an open connection refuses

# name -> (profile, version, packet, reason)
VIOLATIONS = {
    "MQTT-3.1.0-2 second CONNECT": (STRICT, 5, connect(), 0x82),
    "3.1.1 MQTT-3.1.0-2 second CONNECT": (STRICT, 4, connect(4), 0x82),
    "2.1.2 CONNACK": (STRICT, 5, Connack(0, False, N), 0x82),
    "2.1.2 SUBACK": (STRICT, 4, Suback(1, (0,), N), 0x82),
    "2.1.2 UNSUBACK": (STRICT, 5, Unsuback(1, (0,), N), 0x82),
    "2.1.2 PINGRESP": (STRICT, 4, Pingresp(), 0x82),
    "MQTT-4.12.0-7 AUTH": (STRICT, 5, Auth(0x19, {"authentication_method": "m"}), 0x82),
    "MQTT-3.2.2-11 PUBLISH of QoS 2": (STRICT, 5, publish(qos=2), 0x9B),
    "AWS: PUBLISH of QoS 2 in 3.1.1": (STRICT, 4, publish(qos=2), 0x9B),
    "AWS: SUBSCRIBE of QoS 2": (STRICT, 5, subscribe("a", qos=2), 0x9B),
    "AWS: PUBREC": (STRICT, 5, Pubrec(1, 0, N), 0x82),
    "AWS: PUBREL": (STRICT, 5, Pubrel(1, 0, N), 0x82),
    "AWS: PUBCOMP": (STRICT, 4, Pubcomp(1, 0, N), 0x82),
    "AWS: subscription identifier": (STRICT, 5, subscribe("a", subscription_identifier=(1,)), 0xA1),
    "AWS: nine filters": (STRICT, 5, subscribe(*"abcdefghi"), 0x97),
    "MQTT-3.3.2-2 wildcard in a topic": (STRICT, 5, publish("a/+"), 0x90),
    "3.1.1 MQTT-3.3.2-2 wildcard in a topic": (STRICT, 4, publish("a/#"), 0x90),
    "3.1.1 MQTT-4.7.3-1 empty topic": (STRICT, 4, publish(""), 0x90),
    "3.3.2.1 empty topic without alias": (STRICT, 5, publish(""), 0x82),
    "AWS: topic too deep": (STRICT, 5, publish("a/b/c/d/e/f/g/h/i"), 0x90),
    "AWS: topic too long": (STRICT, 4, publish("a" * 257), 0x90),
    "AWS: payload too large": (STRICT, 5, publish(payload=bytes(131_073)), 0x97),
    "MQTT-3.2.2-14 RETAIN": (replace(STRICT, retain_available=False), 5, publish(retain=True), 0x9A),
    "MQTT-3.3.4-6 subscription identifier in PUBLISH": (
        EXTENDED,
        5,
        publish(subscription_identifier=(1,)),
        0x82,
    ),
    "MQTT-3.3.2-14 response topic": (STRICT, 5, publish(response_topic="a/#"), 0x82),
    "MQTT-3.3.2-9, MQTT-3.2.2-17 topic alias above the maximum": (STRICT, 5, publish(topic_alias=9), 0x94),
    "3.3.2.3.4 topic alias without topic": (STRICT, 5, publish("", topic_alias=1), 0x82),
    "MQTT-3.8.3-4 shared and no_local": (STRICT, 5, subscribe("$share/g/a", no_local=True), 0x82),
    "3.14.2.2.2 session kept after all": (STRICT, 5, Disconnect(0, {"session_expiry_interval": 1}), 0x82),
    "3.14.2.2.5 server reference": (STRICT, 5, Disconnect(0, {"server_reference": "x"}), 0x82),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violations(name):
    profile, version, packet, reason = VIOLATIONS[name]
    connection = opened(version, profile)
    raw = encode(Pingreq(), version) + encode(packet, version) + encode(Pingreq(), version)
    packets = connection.receive(raw, 2.0)
    assert packets[0] == Pingreq()
    assert len(packets) == 2
    assert violation(packets).reason == reason
    assert connection.state is State.OPEN
    assert told(connection, Pingreq()) == []
    connection.disconnect(*packets[1])
    assert connection.state is State.CLOSED
    expected = [Disconnect(reason, {"reason_string": packets[1].text})] if version == 5 else []
    assert sent(connection) == expected


def test_a_stream_that_breaks_off_after_good_packets():
    """[MQTT-3.2.2-15]"""
    connection = opened()
    packets = connection.receive(encode(publish(), 5) + b"\x30\xff\xff\x7f" + bytes(10), 2.0)
    assert packets[0] == publish()
    assert violation(packets).reason == 0x95
    assert len(packets) == 2


# name -> (profile, version, packet)
FINE = {
    "largest payload": (STRICT, 5, publish(payload=bytes(131_072))),
    "basic ingest": (STRICT, 4, publish("$aws/rules/r/a/b/c/d/e/f/g/h")),
    "retained": (STRICT, 4, publish(retain=True)),
    "QoS 1": (STRICT, 4, publish(qos=1)),
    "eight filters": (STRICT, 4, subscribe(*"abcdefgh")),
    "an invalid filter is the broker's": (STRICT, 5, subscribe("a#")),
    "shared": (STRICT, 4, subscribe("$share/g/a")),
    "unsubscribe": (STRICT, 4, Unsubscribe(1, ("a", "b"), N)),
    "puback": (STRICT, 5, Puback(7, 0, N)),
    "disconnect with will": (STRICT, 5, Disconnect(4, N)),
    "QoS 2": (EXTENDED, 5, publish(qos=2)),
    "QoS 2 handshake": (EXTENDED, 4, Pubrel(1, 0, N)),
    "subscription identifier": (EXTENDED, 5, subscribe("a", qos=2, subscription_identifier=(7,))),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_fine(name):
    profile, version, packet = FINE[name]
    assert told(opened(version, profile), packet) == [packet]


def test_session_expiry_at_disconnect():
    later = Disconnect(0, {"session_expiry_interval": 10})
    assert told(opened(session_expiry_interval=5), later) == [later]
    never = Disconnect(0, {"session_expiry_interval": 0})
    assert told(opened(), never) == [never]
    connection = Connection(STRICT, LIMITS, 0.0)
    connection.receive(encode(connect(session_expiry_interval=5), 5), 1.0)
    connection.accept(False, None, {"session_expiry_interval": 0})  # what the server granted counts
    assert violation(told(connection, later)).reason == 0x82


# -- topic aliases


def test_topic_aliases():
    """[MQTT-3.3.2-12]"""
    connection = opened()
    assert told(connection, publish("a", topic_alias=1, content_type="t")) == [publish("a", content_type="t")]
    assert told(connection, publish("b", topic_alias=8)) == [publish("b")]
    assert told(connection, publish("", b"x", topic_alias=1)) == [publish("a", b"x")]
    assert told(connection, publish("", b"x", topic_alias=8)) == [publish("b", b"x")]
    assert told(connection, publish("c", topic_alias=1)) == [publish("c")]
    assert told(connection, publish("", topic_alias=1)) == [publish("c")]
    assert told(connection, publish("", topic_alias=1))[0].properties is NO_PROPERTIES
    assert violation(told(connection, publish("", topic_alias=2))).reason == 0x82


def test_more_topics_than_are_remembered():
    connection = opened(4)
    for number in range(300):
        assert told(connection, publish(f"t/{number}")) == [publish(f"t/{number}")]
    assert violation(told(connection, publish("t/#"))).reason == 0x90


# -- messages in flight


def test_receive_maximum():
    """[MQTT-3.3.4-7]: acknowledging makes room; one more than that is the client's fault."""
    connection = opened(limits=replace(LIMITS, inbound_inflight=2))
    told(connection, publish(qos=1, packet_id=1))
    assert not connection.inbound_full
    told(connection, publish(qos=1, packet_id=2))
    assert connection.inbound_full
    connection.acknowledge(1)
    assert sent(connection) == [Puback(1, 0, N)]
    assert told(connection, publish(qos=1, packet_id=3)) == [publish(qos=1, packet_id=3)]
    assert told(connection, publish()) == [publish()]
    assert violation(told(connection, publish(qos=1, packet_id=4))).reason == 0x93


def test_3_1_1_has_no_receive_maximum_to_break():
    connection = opened(4, limits=replace(LIMITS, inbound_inflight=2))
    for packet_id in range(1, 6):
        assert told(connection, publish(qos=1, packet_id=packet_id)) == [publish(qos=1, packet_id=packet_id)]
    assert connection.inbound_full
    for packet_id in range(1, 5):
        connection.acknowledge(packet_id)
    assert not connection.inbound_full


def test_qos_2_holds_its_slot_until_it_is_complete():
    connection = opened(profile=EXTENDED, limits=replace(LIMITS, inbound_inflight=1))
    told(connection, publish(qos=2, packet_id=1))
    connection.send(Pubrec(1, 0, N))
    assert connection.inbound_full
    told(connection, Pubrel(1, 0, N))
    connection.send(Pubcomp(1, 0, N))
    assert not connection.inbound_full
    told(connection, publish(qos=2, packet_id=2))
    connection.send(Pubrec(2, 0x87, N))
    assert not connection.inbound_full


@pytest.mark.parametrize(
    ("version", "problems", "expected"),
    [
        (5, 1, Puback(1, 0x87, {"reason_string": "no"})),
        (5, 0, Puback(1, 0x87, N)),  # [MQTT-3.1.2-29]
        (4, 1, Puback(1, 0, N)),
    ],
)
def test_negative_acknowledgements(version, problems, expected):
    wants = {"request_problem_information": problems} if version == 5 else {}
    connection = opened(version, **wants)
    connection.acknowledge(1, 0x87, "no")
    assert sent(connection) == [expected]
    connection.acknowledge(1, 0x87 if version == 5 else 0)
    assert sent(connection) == [Puback(1, expected.reason, N)]


@pytest.mark.parametrize("version", [4, 5])
def test_publish_and_settle(version):
    """[MQTT-4.3.2-3]"""
    connection = opened(version)
    first = connection.publish("a", b"1", 1, False, N, "one")
    second = connection.publish("b", b"2", 1, True, N, "two", dup=True)
    assert first != second
    assert connection.inflight == {first: "one", second: "two"}
    assert sent(connection) == [
        Publish("a", b"1", 1, False, False, first, N),
        Publish("b", b"2", 1, True, True, second, N),
    ]
    assert connection.settle(second) == "two"
    assert connection.settle(second) is None
    assert connection.settle(4711) is None
    assert connection.inflight == {first: "one"}


@pytest.mark.parametrize(("theirs", "ours", "window"), [(2, 100, 2), (65535, 3, 3)])
def test_the_outbound_window(theirs, ours, window):
    """[MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]"""
    connection = opened(limits=replace(LIMITS, outbound_inflight=ours), receive_maximum=theirs)
    for number in range(window):
        assert connection.can_send
        connection.publish("a", b"", 1, False, N, number)
    assert not connection.can_send
    with pytest.raises(RuntimeError):
        connection.publish("a", b"", 1, False, N, "more")
    connection.settle(1)
    assert connection.can_send


def test_packet_identifiers_go_round_and_skip_what_is_in_use():
    """[MQTT-2.2.1-4] [MQTT-4.3.2-1] [3.1.1 MQTT-2.3.1-4] [3.1.1 MQTT-4.3.2-1]"""
    connection = opened(4)
    assert connection.publish("a", b"", 1, False, N, "kept") == 1
    seen = set()
    for _ in range(65534):
        packet_id = connection.publish("a", b"", 1, False, N, "")
        connection.settle(packet_id)
        seen.add(packet_id)
    assert seen == set(range(2, 65536))
    assert connection.publish("a", b"", 1, False, N, "") == 2


def test_what_is_too_large_for_the_peer_counts_as_sent():
    """[MQTT-3.1.2-24], [MQTT-3.1.2-25]."""
    connection = opened(maximum_packet_size=20)
    connection.queue(Message("1", "r", "a", bytes(100)).wire(5))
    assert connection.publish("a", bytes(100), 1, False, N, "token") == 0
    assert (connection.pending, connection.inflight) == (0, {})
    packet_id = connection.publish("a", b"", 1, False, N, "token")
    assert sent(connection) == [publish("a", b"", 1, packet_id)]
    assert connection.inflight == {packet_id: "token"}


def test_3_1_1_gets_no_properties():
    connection = opened(4)
    connection.publish("a", b"", 1, False, {"content_type": "t"}, "token")
    assert sent(connection) == [publish("a", b"", 1, 1)]
    assert connection.peer_maximum_packet_size > 268_435_455
    assert math.isfinite(connection.deadline)


@pytest.mark.parametrize("version", [4, 5])
def test_a_topic_that_begins_as_the_last_one_is_another(version):
    connection = opened(version)
    topics = ["a", "a", "ab", "a", "b", "ab", "ab", "a/b"]
    raw = b"".join(encode(publish(topic), version) for topic in topics)
    for _ in range(2):
        assert [packet.topic for packet in connection.receive(raw, 2.0)] == topics
    [refused] = connection.receive(encode(publish(""), version), 2.0)
    assert isinstance(refused, Violation)
