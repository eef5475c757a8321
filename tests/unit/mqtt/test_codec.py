"""Packets against their bytes, in both directions; each case names the clause that it is about."""

import re

import pytest

from sekisho.mqtt.codec import Framer, MalformedPacket, decode, encode, encode_publish
from sekisho.mqtt.packets import (
    Auth,
    Connack,
    Disconnect,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Will,
)
from unit.mqtt.cases import GOOD, LONG, N, connect


def octets(text):
    return bytes.fromhex(text)


def one_frame(raw):
    framer = Framer()
    (frame,) = framer.feed(raw)
    assert framer.idle  # the length in the table is right
    return frame


@pytest.mark.parametrize("name", [*GOOD, *LONG])
def test_decode(name):
    version, text, packet = (GOOD | LONG)[name]
    decoded = decode(*one_frame(octets(text)), version)
    assert decoded == packet
    assert type(decoded) is type(packet)


@pytest.mark.parametrize("name", GOOD)
def test_encode(name):
    version, text, packet = GOOD[name]
    assert encode(packet, version).hex(" ") == octets(text).hex(" ")


@pytest.mark.parametrize("name", GOOD)
def test_no_prefix_of_a_packet_is_another(name):
    """A body cut anywhere is malformed, or, where its last fields are optional, reads as less."""
    version, text, packet = GOOD[name]
    first, body = one_frame(octets(text))
    for end in range(len(body)):
        try:
            assert decode(first, body[:end], version) != packet
        except MalformedPacket as error:
            assert error.text


def test_a_3_1_1_client_reads_every_refused_subscription_as_0x80():
    """[3.1.1 MQTT-3.9.3-2]"""
    assert encode(Suback(1, (1, 0x87, 0x8F), N), 4) == octets("90 05 0001 01 80 80")


def test_3_1_1_leaves_out_what_it_cannot_say():
    packet = Publish("a", b"x", 0, False, False, 0, {"content_type": "t"})
    assert encode(packet, 4) == octets("30 04 0001 61 78")
    assert encode(Puback(1, 0x87, {"reason_string": "x"}), 4) == octets("40 02 0001")
    assert encode(Disconnect(0x8B, N), 4) == octets("e0 00")
    assert encode(Unsuback(1, (0, 0x11), N), 4) == octets("b0 02 0001")
    subscription = Subscription("a", 1, True, True, 2)
    assert encode(Subscribe(1, (subscription,), N), 4) == octets("82 06 0001 0001 61 01")


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize(
    "size", [0, 100, 121, 122, 123, 124, 125, 16000, 16374, 16375, 16376, 16377, 16378, 2097152]
)
def test_publish_at_the_steps_of_the_remaining_length(version, size):
    """[MQTT-1.5.5-1]"""
    raw = encode_publish(version, "a/b", bytes(size), 1, False, True, 7)
    packet = decode(*one_frame(raw), version)
    assert packet == Publish("a/b", bytes(size), 1, False, True, 7, N)
    assert raw == encode(packet, version)


def test_publish_takes_topics_up_to_65535_bytes():
    """[MQTT-4.7.3-3] [3.1.1 MQTT-4.7.3-3]"""
    assert decode(*one_frame(encode_publish(4, "a" * 65535, b"", 0, False, False, 0)), 4).topic == "a" * 65535
    with pytest.raises(ValueError, match="65535"):
        encode_publish(4, "a" * 65536, b"", 0, False, False, 0)


# what cannot be sent -> (version, packet, words)
UNSENDABLE = {
    "unknown property": (5, Publish("a", b"", 0, False, False, 0, {"colour": 1}), "colour"),
    "misplaced property": (5, Puback(1, 0, {"topic_alias": 1}), "topic_alias does not belong in PUBACK"),
    "property of a wrong type": (
        5,
        Connack(0, False, {"reason_string": 1}),
        "reason_string must not be of type int",
    ),
    "number out of range": (5, Connack(0, False, {"maximum_qos": 2}), "maximum_qos must not be 2"),
    "repeatable property not a tuple": (
        5,
        Publish("a", b"", 0, False, False, 0, {"user_property": 1}),
        "a tuple",
    ),
    "binary too long": (
        5,
        Auth(0x18, {"authentication_data": bytes(65536)}),
        "authentication_data is longer",
    ),
    "text with U+0000": (5, Disconnect(0, {"reason_string": "a\0"}), "reason_string contains U+0000"),
    "text with a surrogate": (5, Disconnect(0, {"reason_string": "\ud800"}), "surrogate"),
    "reason that 3.1.1 has no return code for": (4, Connack(0x9B, False, N), "0x9B"),
    "AUTH in 3.1.1": (4, Auth(0, N), "AUTH"),
}


@pytest.mark.parametrize("name", UNSENDABLE)
def test_unsendable(name):
    version, packet, words = UNSENDABLE[name]
    with pytest.raises(ValueError, match=re.escape(words)):
        encode(packet, version)


def test_no_secret_in_a_repr():
    will = Will("w", b"p", 0, False, N)
    packet = connect(5, "c", True, 0, "hunter1", b"hunter2", will, {"authentication_data": b"hunter3"})
    assert "hunter" not in repr(packet)
    assert "authentication_data" in repr(packet)
    assert "hunter" not in repr(Auth(0, {"authentication_data": b"hunter4"}))
