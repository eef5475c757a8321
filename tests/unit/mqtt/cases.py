"""Packets and what is none, as bytes: the tables that tests of decoding, encoding and connections share.

Each case is named after the clause or the normative statement that it is about; statements are cited as in
`statements.py`. `test_codec` and `test_malformed` read and write them, `test_shared_cases` sends them to a
connection.
"""

from sekisho.mqtt.packets import (
    NO_PROPERTIES,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)

N = NO_PROPERTIES
MQTT4 = "00 04 4d 51 54 54 04"
MQTT5 = "00 04 4d 51 54 54 05"


def connect(
    version=4, client_id="c", clean=True, keep_alive=60, username=None, password=None, will=None, props=N
):
    return Connect(version, client_id, clean, keep_alive, username, password, will, props)


# name with its clause -> (version, bytes, packet); read and written alike.
GOOD = {
    "3.1 CONNECT, least": (4, f"10 0d {MQTT4} 02 003c 0001 63", connect()),
    "3.1.3 CONNECT, empty client identifier": (
        4,
        f"10 0c {MQTT4} 02 0000 0000",
        connect(client_id="", keep_alive=0),
    ),
    "3.1.2.4 CONNECT, session kept": (4, f"10 0d {MQTT4} 00 003c 0001 63", connect(clean=False)),
    "3.1.1 MQTT-3.1.3-1 CONNECT, the payload's fields in their order": (
        4,
        f"10 1c {MQTT4} ee 003c 0001 63 0003 612f62 0002 6869 0001 75 0001 70",
        connect(username="u", password=b"p", will=Will("a/b", b"hi", 1, True, N)),
    ),
    "3.1.3.3 CONNECT, empty will payload": (
        4,
        f"10 12 {MQTT4} 06 003c 0001 63 0001 77 0000",
        connect(will=Will("w", b"", 0, False, N)),
    ),
    "3.1.2.8 CONNECT, user name without password": (
        4,
        f"10 10 {MQTT4} 82 003c 0001 63 0001 75",
        connect(username="u"),
    ),
    "3.1.2.9 CONNECT 5, password without user name": (
        5,
        f"10 11 {MQTT5} 42 003c 00 0001 63 0001 70",
        connect(5, password=b"p"),
    ),
    "3.1.2.11 CONNECT 5, every property": (
        5,
        f"10 31 {MQTT5} 02 003c 23 11 0000000a 21 0014 27 00010000 22 0005 19 01 17 00 26 0001 61 0001 62"
        " 15 0001 6d 16 0001 64 0001 63",
        connect(
            5,
            props={
                "session_expiry_interval": 10,
                "receive_maximum": 20,
                "maximum_packet_size": 65536,
                "topic_alias_maximum": 5,
                "request_response_information": 1,
                "request_problem_information": 0,
                "user_property": (("a", "b"),),
                "authentication_method": "m",
                "authentication_data": b"d",
            },
        ),
    ),
    "3.1.3.2 CONNECT 5, every will property": (
        5,
        f"10 34 {MQTT5} 0e 003c 00 0001 63 1f 18 00000005 01 01 02 0000003c 03 0001 74 08 0001 72 09 0001 00"
        " 26 0001 61 0001 62 0001 77 0001 70",
        connect(
            5,
            will=Will(
                "w",
                b"p",
                1,
                False,
                {
                    "will_delay_interval": 5,
                    "payload_format_indicator": 1,
                    "message_expiry_interval": 60,
                    "content_type": "t",
                    "response_topic": "r",
                    "correlation_data": b"\0",
                    "user_property": (("a", "b"),),
                },
            ),
        ),
    ),
    "MQTT-3.1.3-1 CONNECT 5, the payload's fields in their order": (
        5,
        f"10 1e {MQTT5} ee 003c 00 0001 63 00 0003 612f62 0002 6869 0001 75 0001 70",
        connect(5, username="u", password=b"p", will=Will("a/b", b"hi", 1, True, N)),
    ),
    "3.1.2.5 CONNECT 5, empty will": (
        5,
        f"10 14 {MQTT5} 06 003c 00 0001 63 00 0001 77 0000",
        connect(5, will=Will("w", b"", 0, False, N)),
    ),
    "MQTT-1.5.4-3 PUBLISH 5, UTF-8 of four bytes and U+FEFF": (
        5,
        "30 0d 000a efbbbf f09f9880 efbbbf 00",
        Publish("\ufeff😀\ufeff", b"", 0, False, False, 0, N),
    ),
    "3.2 CONNACK, accepted": (4, "20 02 00 00", Connack(0, False, N)),
    "3.2.2.2 CONNACK, session present": (4, "20 02 01 00", Connack(0, True, N)),
    "3.2.2.3 CONNACK, unacceptable level": (4, "20 02 00 01", Connack(0x84, False, N)),
    "3.2.2.3 CONNACK, identifier rejected": (4, "20 02 00 02", Connack(0x85, False, N)),
    "3.2.2.3 CONNACK, unavailable": (4, "20 02 00 03", Connack(0x88, False, N)),
    "3.2.2.3 CONNACK, bad user name or password": (4, "20 02 00 04", Connack(0x86, False, N)),
    "3.2.2.3 CONNACK, not authorized": (4, "20 02 00 05", Connack(0x87, False, N)),
    "MQTT-2.2.2-1 CONNACK 5, no properties are a length of zero": (5, "20 03 00 00 00", Connack(0, False, N)),
    "3.2.2.3 CONNACK 5, what AWS sends": (
        5,
        "20 17 01 00 14 11 00000e10 21 0064 24 01 27 00024800 22 0008 29 00",
        Connack(
            0,
            True,
            {
                "session_expiry_interval": 3600,
                "receive_maximum": 100,
                "maximum_qos": 1,
                "maximum_packet_size": 149504,
                "topic_alias_maximum": 8,
                "subscription_identifier_available": 0,
            },
        ),
    ),
    "3.2.2.3 CONNACK 5, the other properties": (
        5,
        "20 20 00 00 1d 25 01 12 0001 69 1f 0001 72 28 01 2a 01 13 04b0 1a 0001 69 1c 0001 73 15 0001 6d",
        Connack(
            0,
            False,
            {
                "retain_available": 1,
                "assigned_client_identifier": "i",
                "reason_string": "r",
                "wildcard_subscription_available": 1,
                "shared_subscription_available": 1,
                "server_keep_alive": 1200,
                "response_information": "i",
                "server_reference": "s",
                "authentication_method": "m",
            },
        ),
    ),
    "3.1.1 MQTT-2.3.1-5 PUBLISH, QoS 0 has no identifier": (
        4,
        "30 07 0003 612f62 6869",
        Publish("a/b", b"hi", 0, False, False, 0, N),
    ),
    "3.3.3 PUBLISH, empty payload": (4, "31 05 0003 612f62", Publish("a/b", b"", 0, True, False, 0, N)),
    "3.3.2.2 PUBLISH, QoS 1": (
        4,
        "32 09 0003 612f62 000a 6869",
        Publish("a/b", b"hi", 1, False, False, 10, N),
    ),
    "3.3.1 PUBLISH, every flag": (4, "3d 06 0001 61 ffff 78", Publish("a", b"x", 2, True, True, 65535, N)),
    "3.1.1 MQTT-1.5.3-3 PUBLISH, UTF-8 of four bytes and U+FEFF": (
        4,
        "30 09 0007 f09f9880 efbbbf",
        Publish("😀\ufeff", b"", 0, False, False, 0, N),
    ),
    "MQTT-2.2.1-2 PUBLISH 5, QoS 0 has no identifier": (
        5,
        "30 08 0003 612f62 00 6869",
        Publish("a/b", b"hi", 0, False, False, 0, N),
    ),
    "3.3.2.3.4 PUBLISH 5, alias only": (
        5,
        "32 09 0000 0001 03 23 0007 78",
        Publish("", b"x", 1, False, False, 1, {"topic_alias": 7}),
    ),
    "3.3.2.3.8 PUBLISH 5, several subscription identifiers": (
        5,
        "30 0b 0001 61 06 0b 01 0b ffff7f 78",
        Publish("a", b"x", 0, False, False, 0, {"subscription_identifier": (1, 2097151)}),
    ),
    "3.3.2.3.7 PUBLISH 5, user properties keep order and repeat": (
        5,
        "30 12 0001 61 0e 26 0001 6b 0001 32 26 0001 6b 0001 31",
        Publish("a", b"", 0, False, False, 0, {"user_property": (("k", "2"), ("k", "1"))}),
    ),
    "3.4 PUBACK": (4, "40 02 0102", Puback(258, 0, N)),
    "3.4.2.1 PUBACK 5, success left out": (5, "40 02 0102", Puback(258, 0, N)),
    "3.4.2.1 PUBACK 5, properties left out": (5, "40 03 0102 97", Puback(258, 0x97, N)),
    "3.4.2.2 PUBACK 5, reason string": (
        5,
        "40 08 0102 87 04 1f 0001 78",
        Puback(258, 0x87, {"reason_string": "x"}),
    ),
    "3.5 PUBREC": (4, "50 02 0001", Pubrec(1, 0, N)),
    "3.5.2.1 PUBREC 5, refused": (5, "50 03 0001 90", Pubrec(1, 0x90, N)),
    "3.6.1 PUBREL, its flags": (4, "62 02 0001", Pubrel(1, 0, N)),
    "3.6.2.1 PUBREL 5, unknown identifier": (5, "62 03 0001 92", Pubrel(1, 0x92, N)),
    "3.7 PUBCOMP": (4, "70 02 0001", Pubcomp(1, 0, N)),
    "3.7.2.1 PUBCOMP 5, unknown identifier": (5, "70 03 0001 92", Pubcomp(1, 0x92, N)),
    "3.8 SUBSCRIBE": (
        4,
        "82 0c 0001 0001 61 01 0003 622f23 00",
        Subscribe(1, (Subscription("a", 1, False, False, 0), Subscription("b/#", 0, False, False, 0)), N),
    ),
    "3.8.3.1 SUBSCRIBE 5, options": (
        5,
        "82 0c 0001 00 0001 61 2e 0002 2b2f 11",
        Subscribe(1, (Subscription("a", 2, True, True, 2), Subscription("+/", 1, False, False, 1)), N),
    ),
    "3.8.2.1.2 SUBSCRIBE 5, subscription identifier": (
        5,
        "82 0a 0001 03 0b 8001 0001 61 00",
        Subscribe(1, (Subscription("a", 0, False, False, 0),), {"subscription_identifier": (128,)}),
    ),
    "3.9 SUBACK": (4, "90 05 0001 00 01 80", Suback(1, (0, 1, 0x80), N)),
    "3.9.3 SUBACK 5": (5, "90 06 0001 00 02 87 8f", Suback(1, (2, 0x87, 0x8F), N)),
    "3.10 UNSUBSCRIBE": (4, "a2 08 0001 0001 61 0001 62", Unsubscribe(1, ("a", "b"), N)),
    "MQTT-2.2.2-1 UNSUBSCRIBE 5, no properties are a length of zero": (
        5,
        "a2 06 0001 00 0001 61",
        Unsubscribe(1, ("a",), N),
    ),
    "3.11 UNSUBACK": (4, "b0 02 0001", Unsuback(1, (), N)),
    "3.11.3 UNSUBACK 5": (5, "b0 05 0001 00 00 11", Unsuback(1, (0, 0x11), N)),
    "3.12 PINGREQ": (4, "c0 00", Pingreq()),
    "3.13 PINGRESP": (5, "d0 00", Pingresp()),
    "3.14 DISCONNECT": (4, "e0 00", Disconnect(0, N)),
    "3.14.2.1 DISCONNECT 5, normal": (5, "e0 00", Disconnect(0, N)),
    "3.14.2.1 DISCONNECT 5, with will": (5, "e0 01 04", Disconnect(4, N)),
    "3.14.2.2 DISCONNECT 5, session expiry": (
        5,
        "e0 07 00 05 11 0000000a",
        Disconnect(0, {"session_expiry_interval": 10}),
    ),
    "3.15.2.1 AUTH 5, success left out": (5, "f0 00", Auth(0, N)),
    "3.15 AUTH 5": (5, "f0 06 18 04 15 0001 6d", Auth(0x18, {"authentication_method": "m"})),
}

# Longer than need be, yet well-formed: only read.
LONG = {
    "3.4.2.1 PUBACK 5, success written out": (5, "40 03 0001 00", Puback(1, 0, N)),
    "3.4.2.2 PUBACK 5, empty properties": (5, "40 04 0001 00 00", Puback(1, 0, N)),
    "3.14.2.1 DISCONNECT 5, success written out": (5, "e0 01 00", Disconnect(0, N)),
    "3.14.2.2 DISCONNECT 5, empty properties": (5, "e0 02 00 00", Disconnect(0, N)),
    "3.15.2.1 AUTH 5, empty properties": (5, "f0 02 18 00", Auth(0x18, N)),
    "2.2.3 remaining length longer than need be (3.1.1 allows it)": (4, "c0 80 00", Pingreq()),
}
