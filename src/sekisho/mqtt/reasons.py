"""The reason codes of MQTT 5 (section 2.4), which packet may carry which, and what 3.1.1 says instead."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Reason(IntEnum):
    """Every reason code of MQTT 5, table 2-6. 0x00 to 0x02 also mean the granted QoS in SUBACK."""

    SUCCESS = 0x00
    GRANTED_QOS_1 = 0x01
    GRANTED_QOS_2 = 0x02
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    CONTINUE_AUTHENTICATION = 0x18
    RE_AUTHENTICATE = 0x19
    UNSPECIFIED_ERROR = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    CLIENT_IDENTIFIER_NOT_VALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    BANNED = 0x8A
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_IDENTIFIER_IN_USE = 0x91
    PACKET_IDENTIFIER_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    MESSAGE_RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    USE_ANOTHER_SERVER = 0x9C
    SERVER_MOVED = 0x9D
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    MAXIMUM_CONNECT_TIME = 0xA0
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2


def _codes(text: str) -> frozenset[int]:
    return frozenset(int(code, 16) for code in text.split())


_PUBACK = _codes("00 10 80 83 87 90 91 97 99")
_PUBREL = _codes("00 92")

ALLOWED: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "CONNACK": _codes("00 80 81 82 83 84 85 86 87 88 89 8A 8C 90 95 97 99 9A 9B 9C 9D 9F"),
        "PUBACK": _PUBACK,
        "PUBREC": _PUBACK,
        "PUBREL": _PUBREL,
        "PUBCOMP": _PUBREL,
        "SUBACK": _codes("00 01 02 80 83 87 8F 91 97 9E A1 A2"),
        "UNSUBACK": _codes("00 11 80 83 87 8F 91"),
        "DISCONNECT": _codes(
            "00 04 80 81 82 83 87 89 8B 8D 8E 8F 90 93 94 95 96 97 98 99 9A 9B 9C 9D 9E 9F A0 A1 A2"
        ),
        "AUTH": _codes("00 18 19"),
    }
)
"""Packet name -> the reason codes that MQTT 5 lets it carry (tables 3-1 to 3-13, sections 3.2 to 3.15)."""

SUBACK_3 = _codes("00 01 02 80")
"""The return codes of a SUBACK [3.1.1 MQTT-3.9.3-2]."""

CONNACK_3: Mapping[int, int] = MappingProxyType(
    {
        Reason.SUCCESS: 0,
        Reason.UNSUPPORTED_PROTOCOL_VERSION: 1,
        Reason.CLIENT_IDENTIFIER_NOT_VALID: 2,
        Reason.SERVER_UNAVAILABLE: 3,
        Reason.BAD_USER_NAME_OR_PASSWORD: 4,
        Reason.NOT_AUTHORIZED: 5,
        Reason.SERVER_BUSY: 3,
        Reason.SERVER_SHUTTING_DOWN: 3,
        Reason.BANNED: 5,
        Reason.BAD_AUTHENTICATION_METHOD: 5,
        Reason.QUOTA_EXCEEDED: 3,
        Reason.CONNECTION_RATE_EXCEEDED: 3,
    }
)
"""MQTT 5 reason -> 3.1.1 CONNACK return code (table 3.1). What is missing has no 3.1.1 word: the connection
is closed without a CONNACK [3.1.1 MQTT-3.2.2-6]."""

RETURN_CODE_3: Mapping[int, int] = MappingProxyType(
    {code: reason for reason, code in reversed(tuple(CONNACK_3.items()))}
)
"""3.1.1 CONNACK return code -> the MQTT 5 reason that means the same."""
