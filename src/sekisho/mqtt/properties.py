"""The property table of MQTT 5 (section 2.2.2.2), and reading and writing properties by it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sekisho.mqtt.packets import NO_PROPERTIES, Properties
from sekisho.mqtt.primitives import (
    UINT32,
    MalformedPacket,
    binary,
    malformed,
    protocol_error,
    read_binary,
    read_string,
    read_uint16,
    read_varint,
    string,
    varint,
)
from sekisho.mqtt.reasons import Reason

_Reader = Callable[[bytes, int, str], tuple[Any, int]]


class _Type(NamedTuple):
    read: _Reader
    write: Callable[[Any, str], bytes]
    accepts: Callable[[Any], bool]


class _Row(NamedTuple):
    id: int
    name: str
    type: _Type
    packets: frozenset[str]
    repeatable: bool
    least: int
    most: int


def _read_byte(body: bytes, at: int, what: str) -> tuple[int, int]:
    if at >= len(body):
        raise malformed(f"the packet ends within {what}")
    return body[at], at + 1


def _read_uint32(body: bytes, at: int, what: str) -> tuple[int, int]:
    if at + 4 > len(body):
        raise malformed(f"the packet ends within {what}")
    return UINT32.unpack_from(body, at)[0], at + 4


def _read_pair(body: bytes, at: int, what: str) -> tuple[tuple[str, str], int]:
    name, at = read_string(body, at, what)
    value, at = read_string(body, at, what)
    return (name, value), at


def _is_int(value: Any) -> bool:
    return isinstance(value, int)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_bytes(value: Any) -> bool:
    return isinstance(value, bytes)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and _is_text(value[0]) and _is_text(value[1])


_BYTE = _Type(_read_byte, lambda value, what: value.to_bytes(1, "big"), _is_int)
_UINT16 = _Type(read_uint16, lambda value, what: value.to_bytes(2, "big"), _is_int)
_UINT32 = _Type(_read_uint32, lambda value, what: value.to_bytes(4, "big"), _is_int)
_VARINT = _Type(read_varint, lambda value, what: varint(value), _is_int)
_TEXT = _Type(read_string, string, _is_text)
_BINARY = _Type(read_binary, binary, _is_bytes)
_PAIR = _Type(_read_pair, lambda value, what: string(value[0], what) + string(value[1], what), _is_pair)

_U16 = (0, 0xFFFF)
_U32 = (0, 0xFFFFFFFF)
_FLAG = (0, 1)
_ANY = (0, 0)

_MESSAGE = "PUBLISH WILL"
_ACKS = "PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK"
_EVERY = f"CONNECT CONNACK PUBLISH WILL {_ACKS} SUBSCRIBE UNSUBSCRIBE DISCONNECT AUTH"

# id, name, type, the packets that may carry it (WILL stands for the will properties of CONNECT), range of
# numbers.
_SOURCE: tuple[tuple[int, str, _Type, str, tuple[int, int]], ...] = (
    (0x01, "payload_format_indicator", _BYTE, _MESSAGE, _FLAG),
    (0x02, "message_expiry_interval", _UINT32, _MESSAGE, _U32),
    (0x03, "content_type", _TEXT, _MESSAGE, _ANY),
    (0x08, "response_topic", _TEXT, _MESSAGE, _ANY),
    (0x09, "correlation_data", _BINARY, _MESSAGE, _ANY),
    (0x0B, "subscription_identifier", _VARINT, "PUBLISH SUBSCRIBE", (1, 268_435_455)),
    (0x11, "session_expiry_interval", _UINT32, "CONNECT CONNACK DISCONNECT", _U32),
    (0x12, "assigned_client_identifier", _TEXT, "CONNACK", _ANY),
    (0x13, "server_keep_alive", _UINT16, "CONNACK", _U16),
    (0x15, "authentication_method", _TEXT, "CONNECT CONNACK AUTH", _ANY),
    (0x16, "authentication_data", _BINARY, "CONNECT CONNACK AUTH", _ANY),
    (0x17, "request_problem_information", _BYTE, "CONNECT", _FLAG),
    (0x18, "will_delay_interval", _UINT32, "WILL", _U32),
    (0x19, "request_response_information", _BYTE, "CONNECT", _FLAG),
    (0x1A, "response_information", _TEXT, "CONNACK", _ANY),
    (0x1C, "server_reference", _TEXT, "CONNACK DISCONNECT", _ANY),
    (0x1F, "reason_string", _TEXT, f"CONNACK {_ACKS} DISCONNECT AUTH", _ANY),
    (0x21, "receive_maximum", _UINT16, "CONNECT CONNACK", (1, 0xFFFF)),
    (0x22, "topic_alias_maximum", _UINT16, "CONNECT CONNACK", _U16),
    (0x23, "topic_alias", _UINT16, "PUBLISH", (1, 0xFFFF)),
    (0x24, "maximum_qos", _BYTE, "CONNACK", _FLAG),
    (0x25, "retain_available", _BYTE, "CONNACK", _FLAG),
    (0x26, "user_property", _PAIR, _EVERY, _ANY),
    (0x27, "maximum_packet_size", _UINT32, "CONNECT CONNACK", (1, 0xFFFFFFFF)),
    (0x28, "wildcard_subscription_available", _BYTE, "CONNACK", _FLAG),
    (0x29, "subscription_identifier_available", _BYTE, "CONNACK", _FLAG),
    (0x2A, "shared_subscription_available", _BYTE, "CONNACK", _FLAG),
)

_REPEATABLE = frozenset(("user_property", "subscription_identifier"))

_ROWS = tuple(
    _Row(number, name, kind, frozenset(packets.split()), name in _REPEATABLE, least, most)
    for number, name, kind, packets, (least, most) in _SOURCE
)
_BY_ID: tuple[_Row | None, ...] = tuple({row.id: row for row in _ROWS}.get(number) for number in range(256))
_BY_NAME = {row.name: row for row in _ROWS}


def decode_properties(body: bytes, at: int, packet: str) -> tuple[Properties, int]:
    """The properties that start (with their length) at `at`, and where the next field starts.

    `packet` is the packet's name in capitals, or "WILL". Raises MalformedPacket, naming the property, for one
    that is unknown or misplaced (0x81, section 2.2.2.2), repeated or out of range (0x82; 0x94 for a topic
    alias of 0).
    """
    length, at = read_varint(body, at, "the property length")
    if not length:
        return NO_PROPERTIES, at
    end = at + length
    if end > len(body):
        raise malformed("the packet ends within the properties")
    # Cut off, so that no property can reach beyond the stated length.
    body = body[at:end]
    properties: dict[str, Any] = {}
    repeated: dict[str, list[Any]] = {}
    position = 0
    while position < length:
        row = _BY_ID[body[position]]
        if row is None:
            raise malformed(f"property 0x{body[position]:02X} does not exist")
        _, name, kind, packets, repeatable, least, most = row
        if packet not in packets:
            raise malformed(f"property {name} does not belong in {packet}")
        value, position = kind.read(body, position + 1, name)
        if most and not least <= value <= most:
            reason = Reason.TOPIC_ALIAS_INVALID if name == "topic_alias" else Reason.PROTOCOL_ERROR
            raise MalformedPacket(reason, f"property {name} must not be {value}")
        if not repeatable:
            if name in properties:
                raise protocol_error(f"property {name} is given twice")
            properties[name] = value
        elif name in repeated:
            if packet == "SUBSCRIBE" and name == "subscription_identifier":
                raise protocol_error(f"property {name} is given twice")  # section 3.8.2.1.2
            repeated[name].append(value)
        else:
            properties[name] = ()
            repeated[name] = [value]
    for name, values in repeated.items():
        properties[name] = tuple(values)
    return properties, end


def encode_properties(properties: Properties, packet: str) -> bytes:
    """The properties with their length, in the mapping's order.

    Raises ValueError, naming the property, for one that is unknown, misplaced, of a wrong type or out of
    range.
    """
    if not properties:
        return b"\0"
    parts: list[bytes] = []
    for name, given in properties.items():
        row = _BY_NAME.get(name)
        if row is None:
            raise ValueError(f"there is no property {name}")
        if packet not in row.packets:
            raise ValueError(f"property {name} does not belong in {packet}")
        if row.repeatable and not isinstance(given, tuple | list):
            raise ValueError(f"property {name} must be a tuple of values")
        for value in given if row.repeatable else (given,):
            if not row.type.accepts(value):
                raise ValueError(f"property {name} must not be of type {type(value).__name__}")
            if row.most and not row.least <= value <= row.most:
                raise ValueError(f"property {name} must not be {value}")
            parts.append(bytes((row.id,)))
            parts.append(row.type.write(value, name))
    raw = b"".join(parts)
    return varint(len(raw)) + raw
