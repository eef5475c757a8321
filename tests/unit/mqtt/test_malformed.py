"""Bytes that are no packet, each case named after the clause that it breaks."""

import pytest

from sekisho.mqtt.codec import Framer, MalformedPacket, decode

MQTT4 = "00 04 4d 51 54 54 04"
MQTT5 = "00 04 4d 51 54 54 05"

MALFORMED, PROTOCOL, LEVEL, ALIAS = 0x81, 0x82, 0x84, 0x94

# name with its clause -> (version, bytes, reason, words in the text)
BAD = {
    "2.1.2 packet type 0": (4, "00 00", MALFORMED, "packet type 0"),
    "MQTT-2.2.2-2 flags of SUBSCRIBE": (4, "80 06 0001 0001 61 00", MALFORMED, "flags of SUBSCRIBE"),
    "MQTT-2.2.2-2 flags of PINGREQ": (4, "c1 00", MALFORMED, "flags of PINGREQ"),
    "MQTT-3.6.1-1 flags of PUBREL": (5, "60 02 0001", MALFORMED, "flags of PUBREL"),
    "3.15 AUTH in 3.1.1": (4, "f0 00", MALFORMED, "AUTH"),
    "MQTT-3.1.2-1 protocol name": (4, "10 0d 0004 4d515458 04 02 003c 0001 63", LEVEL, "unknown protocol"),
    "MQTT-3.1.2-2 level 3": (4, "10 0f 0006 4d5149736470 03 02 003c 0001 63", LEVEL, "MQIsdp at level 3"),
    "MQTT-3.1.2-2 level 6": (5, "10 0d 0004 4d515454 06 02 003c 0001 63", LEVEL, "level 6"),
    "3.1.2.2 no level": (4, "10 06 0004 4d515454", MALFORMED, "protocol level"),
    "3.1.2.3 no flags": (4, f"10 07 {MQTT4}", MALFORMED, "flags"),
    "MQTT-3.1.2-3 reserved flag": (4, f"10 0d {MQTT4} 03 003c 0001 63", MALFORMED, "reserved"),
    "MQTT-3.1.2-14 will QoS 3": (4, f"10 12 {MQTT4} 1e 003c 0001 63 0001 77 0000", MALFORMED, "QoS 3"),
    "MQTT-3.1.2-13 will QoS without will": (4, f"10 0d {MQTT4} 0a 003c 0001 63", MALFORMED, "without a will"),
    "MQTT-3.1.2-15 will retain without will": (
        4,
        f"10 0d {MQTT4} 22 003c 0001 63",
        MALFORMED,
        "without a will",
    ),
    "MQTT-3.1.2-22 password without user name": (
        4,
        f"10 10 {MQTT4} 42 003c 0001 63 0001 70",
        MALFORMED,
        "password",
    ),
    "3.1.3 CONNECT with bytes left over": (
        4,
        f"10 0e {MQTT4} 02 003c 0001 63 00",
        MALFORMED,
        "1 bytes follow",
    ),
    "3.1.3 CONNECT cut short": (4, f"10 0d {MQTT4} 02 003c 0002 63", MALFORMED, "client identifier"),
    "MQTT-1.5.4-1 surrogate in a client identifier": (
        4,
        f"10 0f {MQTT4} 02 003c 0003 eda080",
        MALFORMED,
        "client identifier is not well-formed",
    ),
    "MQTT-1.5.4-2 U+0000 in a user name": (
        4,
        f"10 11 {MQTT4} 82 003c 0001 63 0002 7500",
        MALFORMED,
        "user name contains U+0000",
    ),
    "3.1.2.11.10 authentication data without method": (
        5,
        f"10 11 {MQTT5} 02 003c 04 16 0001 64 0000",
        PROTOCOL,
        "authentication_method",
    ),
    "MQTT-3.2.2-1 CONNACK flags": (4, "20 02 02 00", MALFORMED, "CONNACK flag"),
    "3.2.2.3 CONNACK return code 6": (4, "20 02 00 06", MALFORMED, "return code"),
    "3.2.2.2 CONNACK 5 with a reason of others": (5, "20 03 00 8d 00", PROTOCOL, "0x8D"),
    "3.2 CONNACK cut short": (5, "20 01 00", MALFORMED, "CONNACK"),
    "MQTT-3.3.1-4 PUBLISH of QoS 3": (4, "36 05 0001 61 0001", MALFORMED, "QoS 3"),
    "MQTT-3.3.1-2 duplicate of QoS 0": (4, "38 03 0001 61", MALFORMED, "duplicate"),
    "MQTT-2.3.1-1 PUBLISH with identifier 0": (4, "32 05 0001 61 0000", MALFORMED, "identifier is 0"),
    "3.3.2 PUBLISH without an identifier": (4, "32 03 0001 61", MALFORMED, "packet identifier"),
    "3.3.2 PUBLISH, empty": (4, "30 00", MALFORMED, "topic name"),
    "3.3.2 PUBLISH cut in its topic": (4, "30 03 0002 61", MALFORMED, "topic name"),
    "3.3.2 PUBLISH 5 cut in its topic": (5, "30 03 0002 61", MALFORMED, "ends within"),
    "3.3.2 PUBLISH 5 without properties": (5, "30 03 0001 61", MALFORMED, "property length"),
    "MQTT-1.5.4-1 topic not UTF-8": (4, "30 03 0001 ff", MALFORMED, "not well-formed"),
    "MQTT-1.5.4-1 topic with a surrogate": (4, "30 05 0003 edbfbf", MALFORMED, "not well-formed"),
    "MQTT-1.5.4-1 topic, overlong form": (4, "30 04 0002 c080", MALFORMED, "not well-formed"),
    "MQTT-1.5.4-2 topic with U+0000": (4, "30 03 0001 00", MALFORMED, "U+0000"),
    "MQTT-2.3.1-1 PUBACK with identifier 0": (4, "40 02 0000", MALFORMED, "identifier is 0"),
    "3.4.2 PUBACK with a reason in 3.1.1": (4, "40 03 0001 00", MALFORMED, "follow"),
    "3.4.2 PUBACK cut short": (4, "40 01 00", MALFORMED, "packet identifier"),
    "3.4.2.1 PUBACK 5 with a reason of others": (5, "40 03 0001 92", PROTOCOL, "0x92"),
    "3.6.2.1 PUBREL 5 with a reason of others": (5, "62 03 0001 90", PROTOCOL, "PUBREL"),
    "MQTT-3.8.3-3 SUBSCRIBE without filter": (4, "82 02 0001", PROTOCOL, "no topic filter"),
    "MQTT-3-8.3-4 SUBSCRIBE with options of 5": (4, "82 06 0001 0001 61 04", MALFORMED, "reserved"),
    "MQTT-3.8.3-5 SUBSCRIBE 5, reserved option": (5, "82 07 0001 00 0001 61 40", MALFORMED, "reserved"),
    "3.8.3.1 SUBSCRIBE QoS 3": (4, "82 06 0001 0001 61 03", MALFORMED, "QoS 3"),
    "3.8.3.1 SUBSCRIBE 5, retain handling 3": (5, "82 07 0001 00 0001 61 30", PROTOCOL, "retain handling"),
    "3.8.3 SUBSCRIBE without options": (4, "82 05 0001 0001 61", MALFORMED, "options"),
    "MQTT-3.9.3-2 SUBACK return code": (4, "90 03 0001 87", MALFORMED, "0x87"),
    "3.9.3 SUBACK without reason": (5, "90 03 0001 00", MALFORMED, "no reason"),
    "MQTT-3.10.3-2 UNSUBSCRIBE without filter": (5, "a2 03 0001 00", PROTOCOL, "no topic filter"),
    "3.11 UNSUBACK 3.1.1 with a payload": (4, "b0 03 0001 00", MALFORMED, "follow"),
    "3.11.3 UNSUBACK without reason": (5, "b0 03 0001 00", MALFORMED, "no reason"),
    "3.12 PINGREQ with a body": (4, "c0 01 00", MALFORMED, "PINGREQ"),
    "3.13 PINGRESP with a body": (4, "d0 01 00", MALFORMED, "PINGRESP"),
    "3.14 DISCONNECT with a body in 3.1.1": (4, "e0 01 00", MALFORMED, "DISCONNECT"),
    "3.14.2.1 DISCONNECT 5 with a reason of others": (5, "e0 01 85", PROTOCOL, "0x85"),
    "3.14.2.2 DISCONNECT 5 with bytes left over": (5, "e0 03 00 00 00", MALFORMED, "follow"),
    "3.15.2.1 AUTH with a reason of others": (5, "f0 02 01 00", PROTOCOL, "AUTH"),
    "2.2.2.2 unknown property": (5, "30 06 0001 61 02 7f00", MALFORMED, "0x7F"),
    "2.2.2.2 misplaced property": (5, "30 09 0001 61 05 1100000001", MALFORMED, "session_expiry_interval"),
    "2.2.2.2 will property in CONNECT": (
        5,
        f"10 12 {MQTT5} 02 003c 05 18 00000001 0000",
        MALFORMED,
        "will_delay_interval",
    ),
    "2.2.2.2 server's property in CONNECT": (
        5,
        f"10 0f {MQTT5} 02 003c 02 2401 0000",
        MALFORMED,
        "maximum_qos",
    ),
    "2.2.2.2 property cut short": (5, "30 06 0001 61 02 2300", MALFORMED, "topic_alias"),
    "2.2.2.1 properties beyond the packet": (5, "30 05 0001 61 09 01", MALFORMED, "properties"),
    "2.2.2.1 property reaching beyond its length": (
        5,
        "30 09 0001 61 03 03 0002 6162",
        MALFORMED,
        "content_type",
    ),
    "MQTT-1.5.5-1 property length longer than need be": (5, "30 05 0001 61 8000", MALFORMED, "shortest"),
    "1.5.5 property length of five bytes": (5, "30 08 0001 61 80808080 01", MALFORMED, "four bytes"),
    "3.3.2.3 property given twice": (5, "30 08 0001 61 04 01000100", PROTOCOL, "payload_format_indicator"),
    "3.8.2.1.2 subscription identifier twice": (
        5,
        "82 0b 0001 04 0b010b02 0001 61 00",
        PROTOCOL,
        "subscription_identifier is given twice",
    ),
    "3.8.2.1.2 subscription identifier 0": (5, "82 09 0001 02 0b00 0001 61 00", PROTOCOL, "must not be 0"),
    "3.3.2.3.2 payload format 2": (
        5,
        "30 06 0001 61 02 0102",
        PROTOCOL,
        "payload_format_indicator must not be 2",
    ),
    "3.1.2.11.3 receive maximum 0": (5, f"10 10 {MQTT5} 02 003c 03 210000 0000", PROTOCOL, "receive_maximum"),
    "3.1.2.11.4 packet size 0": (
        5,
        f"10 12 {MQTT5} 02 003c 05 2700000000 0000",
        PROTOCOL,
        "maximum_packet_size",
    ),
    "MQTT-3.3.2-8 topic alias 0": (5, "30 07 0001 61 03 230000", ALIAS, "topic_alias must not be 0"),
    "1.5.7 user property not UTF-8": (5, "30 0b 0001 61 07 26 0001 ff 0001 62", MALFORMED, "user_property"),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed(name):
    version, text, reason, words = BAD[name]
    framer = Framer()
    (frame,) = framer.feed(bytes.fromhex(text))
    assert framer.idle  # the length in the table is right
    with pytest.raises(MalformedPacket) as caught:
        decode(*frame, version)
    assert caught.value.reason == reason
    assert words in caught.value.text
