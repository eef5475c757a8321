"""From the bytes of one packet to its value."""

from collections.abc import Callable

from sekisho.mqtt.packets import (
    NO_PROPERTIES,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
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
from sekisho.mqtt.primitives import (
    MalformedPacket,
    malformed,
    protocol_error,
    read_binary,
    read_string,
    read_uint16,
)
from sekisho.mqtt.properties import decode_properties
from sekisho.mqtt.reasons import ALLOWED, RETURN_CODE_3, SUBACK_3, Reason

_tuple = tuple.__new__  # a NamedTuple's own constructor is a Python function that does only this


def connect_version(body: bytes) -> int:
    """The protocol level of a CONNECT's body: 4, 5, or 0 when it is neither or cannot be read."""
    return body[6] if body[:6] == b"\0\4MQTT" and body[6:7] in (b"\4", b"\5") else 0


def decode_publish(first: int, body: bytes, version: int) -> Publish:
    """A PUBLISH. Raises MalformedPacket. The topic may be empty (an alias); its merits are not judged."""
    try:
        start = (body[0] << 8 | body[1]) + 2
        topic = body[2:start].decode()
    except IndexError:
        raise malformed("the packet ends within the topic name") from None
    except UnicodeDecodeError:
        raise malformed("the topic name is not well-formed UTF-8") from None
    if "\0" in topic:
        raise malformed("the topic name contains U+0000")
    packet_id = 0
    qos = first >> 1 & 3
    if qos:
        if qos == 3:
            raise malformed("a PUBLISH has QoS 3")  # [MQTT-3.3.1-4]
        packet_id, start = _packet_id(body, start)
    elif first & 8:
        raise malformed("a PUBLISH of QoS 0 is marked as a duplicate")  # [MQTT-3.3.1-2]
    properties: Properties = NO_PROPERTIES
    if version == 5:
        if body[start : start + 1] == b"\0":
            start += 1
        else:
            properties, start = decode_properties(body, start, "PUBLISH")
    if start > len(body):
        raise malformed("the packet ends within the topic name")
    return _tuple(
        Publish, (topic, body[start:], qos, first & 1 == 1, first & 8 == 8, packet_id, properties, b"")
    )


def _packet_id(body: bytes, at: int) -> tuple[int, int]:
    packet_id, at = read_uint16(body, at, "the packet identifier")
    if not packet_id:
        raise malformed("the packet identifier is 0")  # [MQTT-2.2.1-3]; [3.1.1 MQTT-2.3.1-1]
    return packet_id, at


def _reason(packet: str, reason: int) -> int:
    if reason not in ALLOWED[packet]:
        raise protocol_error(f"reason code 0x{reason:02X} does not belong in {packet}")
    return reason


def _end(packet: str, body: bytes, at: int) -> None:
    if at != len(body):
        raise malformed(f"{len(body) - at} bytes follow the end of {packet}")


def _connect(first: int, body: bytes, version: int) -> Connect:
    name, at = read_binary(body, 0, "the protocol name")
    if at >= len(body):
        raise malformed("the packet ends within the protocol level")
    version = connect_version(body)
    if not version:
        # [MQTT-3.1.2-1], [MQTT-3.1.2-2]
        known = name.decode("ascii", "replace") if name in (b"MQTT", b"MQIsdp") else "an unknown protocol"
        raise MalformedPacket(
            Reason.UNSUPPORTED_PROTOCOL_VERSION, f"{known} at level {body[at]} is not MQTT 3.1.1 or 5"
        )
    if len(body) < 10:
        raise malformed("the packet ends within the CONNECT flags and keep alive")
    flags = body[7]
    keep_alive = body[8] << 8 | body[9]
    at = 10
    will_qos = flags >> 3 & 3
    if flags & 0x01:
        raise malformed("the reserved CONNECT flag is set")  # [MQTT-3.1.2-3]
    if will_qos == 3:
        raise malformed("the will has QoS 3")  # [MQTT-3.1.2-12]; [3.1.1 MQTT-3.1.2-14]
    if flags & 0x38 and not flags & 0x04:
        raise malformed("will QoS or will retain is set without a will")  # [MQTT-3.1.2-11], [MQTT-3.1.2-13]
    if version == 4 and flags & 0xC0 == 0x40:
        raise malformed("a password comes without a user name")  # [3.1.1 MQTT-3.1.2-22]
    properties: Properties = NO_PROPERTIES
    if version == 5:
        properties, at = decode_properties(body, at, "CONNECT")
        if "authentication_data" in properties and "authentication_method" not in properties:
            raise protocol_error("authentication_data comes without authentication_method")  # 3.1.2.11.10
    client_id, at = read_string(body, at, "the client identifier")
    will = None
    if flags & 0x04:
        will_properties: Properties = NO_PROPERTIES
        if version == 5:
            will_properties, at = decode_properties(body, at, "WILL")
        will_topic, at = read_string(body, at, "the will topic")
        will_payload, at = read_binary(body, at, "the will payload")
        will = Will(will_topic, will_payload, will_qos, flags & 0x20 != 0, will_properties)
    username = password = None
    if flags & 0x80:
        username, at = read_string(body, at, "the user name")
    if flags & 0x40:
        password, at = read_binary(body, at, "the password")
    _end("CONNECT", body, at)
    return Connect(version, client_id, flags & 0x02 != 0, keep_alive, username, password, will, properties)


def _connack(first: int, body: bytes, version: int) -> Connack:
    if len(body) < 2:
        raise malformed("the packet ends within CONNACK")
    if body[0] > 1:
        raise malformed("a reserved CONNACK flag is set")  # [MQTT-3.2.2-1]
    present = body[0] == 1
    if version != 5:
        _end("CONNACK", body, 2)
        if body[1] not in RETURN_CODE_3:
            raise malformed(f"{body[1]} is not a CONNACK return code")
        return Connack(RETURN_CODE_3[body[1]], present, NO_PROPERTIES)
    reason = _reason("CONNACK", body[1])
    properties, at = decode_properties(body, 2, "CONNACK")
    _end("CONNACK", body, at)
    return Connack(reason, present, properties)


def _acknowledgement(name: str, kind: type[Puback | Pubrec | Pubrel | Pubcomp]) -> "_Decoder":
    def decode_one(first: int, body: bytes, version: int) -> Packet:
        packet_id, at = _packet_id(body, 0)
        if len(body) == 2:
            return kind(packet_id, 0, NO_PROPERTIES)
        if version != 5:
            _end(name, body, 2)
        reason = _reason(name, body[2])
        if len(body) == 3:
            return kind(packet_id, reason, NO_PROPERTIES)
        properties, at = decode_properties(body, 3, name)
        _end(name, body, at)
        return kind(packet_id, reason, properties)

    return decode_one


def _subscribe(first: int, body: bytes, version: int) -> Subscribe:
    packet_id, at = _packet_id(body, 0)
    properties: Properties = NO_PROPERTIES
    if version == 5:
        properties, at = decode_properties(body, at, "SUBSCRIBE")
    subscriptions = []
    size = len(body)
    while at < size:
        filter, at = read_string(body, at, "a topic filter")
        if at >= size:
            raise malformed("the packet ends within the subscription options")
        options = body[at]
        at += 1
        if options & (0xC0 if version == 5 else 0xFC):
            raise malformed("a reserved subscription option is set")  # [MQTT-3.8.3-5]; [3.1.1 MQTT-3.8.3-4]
        if options & 3 == 3:
            raise malformed("a subscription has QoS 3")
        if options >> 4 == 3:
            raise protocol_error("retain handling is 3")  # section 3.8.3.1
        subscriptions.append(
            Subscription(filter, options & 3, options & 4 != 0, options & 8 != 0, options >> 4)
        )
    if not subscriptions:
        raise protocol_error("a SUBSCRIBE has no topic filter")  # [MQTT-3.8.3-2]; [3.1.1 MQTT-3.8.3-3]
    return Subscribe(packet_id, tuple(subscriptions), properties)


def _suback(first: int, body: bytes, version: int) -> Suback:
    packet_id, at = _packet_id(body, 0)
    properties: Properties = NO_PROPERTIES
    if version == 5:
        properties, at = decode_properties(body, at, "SUBACK")
    reasons = tuple(body[at:])
    if not reasons:
        raise malformed("a SUBACK has no reason code")
    for reason in reasons:
        if version == 5:
            _reason("SUBACK", reason)
        elif reason not in SUBACK_3:
            raise malformed(f"0x{reason:02X} is not a SUBACK return code")  # [3.1.1 MQTT-3.9.3-2]
    return Suback(packet_id, reasons, properties)


def _unsubscribe(first: int, body: bytes, version: int) -> Unsubscribe:
    packet_id, at = _packet_id(body, 0)
    properties: Properties = NO_PROPERTIES
    if version == 5:
        properties, at = decode_properties(body, at, "UNSUBSCRIBE")
    filters = []
    while at < len(body):
        filter, at = read_string(body, at, "a topic filter")
        filters.append(filter)
    if not filters:
        raise protocol_error("an UNSUBSCRIBE has no topic filter")  # [MQTT-3.10.3-2]
    return Unsubscribe(packet_id, tuple(filters), properties)


def _unsuback(first: int, body: bytes, version: int) -> Unsuback:
    packet_id, at = _packet_id(body, 0)
    if version != 5:
        _end("UNSUBACK", body, at)
        return Unsuback(packet_id, (), NO_PROPERTIES)
    properties, at = decode_properties(body, at, "UNSUBACK")
    reasons = tuple(body[at:])
    if not reasons:
        raise malformed("an UNSUBACK has no reason code")
    for reason in reasons:
        _reason("UNSUBACK", reason)
    return Unsuback(packet_id, reasons, properties)


def _pingreq(first: int, body: bytes, version: int) -> Pingreq:
    _end("PINGREQ", body, 0)
    return Pingreq()


def _pingresp(first: int, body: bytes, version: int) -> Pingresp:
    _end("PINGRESP", body, 0)
    return Pingresp()


def _disconnect(first: int, body: bytes, version: int) -> Disconnect:
    if not body:
        return Disconnect(0, NO_PROPERTIES)
    if version != 5:
        _end("DISCONNECT", body, 0)
    reason = _reason("DISCONNECT", body[0])
    if len(body) == 1:
        return Disconnect(reason, NO_PROPERTIES)
    properties, at = decode_properties(body, 1, "DISCONNECT")
    _end("DISCONNECT", body, at)
    return Disconnect(reason, properties)


def _auth(first: int, body: bytes, version: int) -> Auth:
    if version != 5:
        raise malformed("AUTH does not exist in MQTT 3.1.1")
    if not body:
        return Auth(0, NO_PROPERTIES)
    reason = _reason("AUTH", body[0])
    properties, at = decode_properties(body, 1, "AUTH")
    _end("AUTH", body, at)
    return Auth(reason, properties)


_Decoder = Callable[[int, bytes, int], Packet]

# Packet type -> name, the flags its first byte must have ([MQTT-2.1.3-1]; [3.1.1 MQTT-2.2.2-2]), decoder.
_DECODERS: dict[int, tuple[str, int, _Decoder]] = {
    1: ("CONNECT", 0, _connect),
    2: ("CONNACK", 0, _connack),
    4: ("PUBACK", 0, _acknowledgement("PUBACK", Puback)),
    5: ("PUBREC", 0, _acknowledgement("PUBREC", Pubrec)),
    6: ("PUBREL", 2, _acknowledgement("PUBREL", Pubrel)),
    7: ("PUBCOMP", 0, _acknowledgement("PUBCOMP", Pubcomp)),
    8: ("SUBSCRIBE", 2, _subscribe),
    9: ("SUBACK", 0, _suback),
    10: ("UNSUBSCRIBE", 2, _unsubscribe),
    11: ("UNSUBACK", 0, _unsuback),
    12: ("PINGREQ", 0, _pingreq),
    13: ("PINGRESP", 0, _pingresp),
    14: ("DISCONNECT", 0, _disconnect),
    15: ("AUTH", 0, _auth),
}
# First byte -> decoder: the flags are checked by looking up.
_BY_FIRST: tuple[_Decoder | None, ...] = tuple(
    decode_publish
    if first >> 4 == 3
    else next((d for kind, (_, flags, d) in _DECODERS.items() if kind << 4 | flags == first), None)
    for first in range(256)
)


def decode(first: int, body: bytes, version: int) -> Packet:
    """The packet of a first byte and a body, at protocol version 4 or 5 (a CONNECT tells its own).

    Both directions are understood. Raises MalformedPacket, and nothing else, for whatever is not a packet:
    flag bits, UTF-8, packet identifiers of 0, reason codes and properties out of place, bytes missing or left
    over.
    """
    decoder = _BY_FIRST[first]
    if decoder is None:
        named = _DECODERS.get(first >> 4)
        if named is None:
            raise malformed(f"packet type {first >> 4} does not exist")
        raise malformed(f"the flags of {named[0]} are {first & 15}, not {named[1]}")
    return decoder(first, body, version)
