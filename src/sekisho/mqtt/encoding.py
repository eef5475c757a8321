"""From the value of a packet to its bytes."""

from collections.abc import Callable
from struct import Struct
from typing import Any

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
    Unsuback,
    Unsubscribe,
)
from sekisho.mqtt.primitives import UINT16, binary, string, varint
from sekisho.mqtt.properties import encode_properties
from sekisho.mqtt.reasons import CONNACK_3

_HEAD_1 = Struct("!BBH").pack  # first byte, a remaining length of one byte, the topic's length
_HEAD_2 = Struct("!BBBH").pack  # the same with a remaining length of two bytes
_ACK = Struct("!BBH").pack
_ACK_REASON = Struct("!BBHB").pack


def encode_publish(
    version: int,
    topic: str,
    payload: bytes,
    qos: int,
    retain: bool,
    dup: bool,
    packet_id: int,
    properties: Properties = NO_PROPERTIES,
) -> bytes:
    """A PUBLISH. `packet_id` is ignored for QoS 0, `properties` for version 4.

    Raises ValueError for a topic of more than 65,535 bytes or with a surrogate, for a packet beyond 256 MiB
    and for properties that cannot be sent.
    """
    raw = topic.encode()
    size = len(raw)
    first = 0x30 | qos << 1
    if retain:
        first |= 1
    if dup:
        first |= 8
    middle = UINT16.pack(packet_id) if qos else b""
    if version == 5:
        middle += encode_properties(properties, "PUBLISH") if properties else b"\0"
    remaining = 2 + size + len(middle) + len(payload)
    if remaining < 0x80:
        return _HEAD_1(first, remaining, size) + raw + middle + payload
    if remaining < 0x4000:
        return _HEAD_2(first, remaining & 0x7F | 0x80, remaining >> 7, size) + raw + middle + payload
    return b"".join((bytes((first,)), varint(remaining), binary(raw, "the topic name"), middle, payload))


def _packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((first,)) + varint(len(body)) + body


def _publish(packet: Publish, version: int) -> bytes:
    topic, payload, qos, retain, dup, packet_id, properties, _ = packet
    return encode_publish(version, topic, payload, qos, retain, dup, packet_id, properties)


def _connect(packet: Connect, version: int) -> bytes:
    version, client_id, clean_start, keep_alive, username, password, will, properties = packet
    flags = 0x02 if clean_start else 0
    parts = [string(client_id, "the client identifier")]
    if will is not None:
        flags |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        if version == 5:
            parts.append(encode_properties(will.properties, "WILL"))
        parts.append(string(will.topic, "the will topic"))
        parts.append(binary(will.payload, "the will payload"))
    if username is not None:
        flags |= 0x80
        parts.append(string(username, "the user name"))
    if password is not None:
        flags |= 0x40
        parts.append(binary(password, "the password"))
    head = b"\0\4MQTT" + bytes((version, flags)) + keep_alive.to_bytes(2, "big")
    if version == 5:
        head += encode_properties(properties, "CONNECT")
    return _packet(0x10, head, *parts)


def _connack(packet: Connack, version: int) -> bytes:
    present = 1 if packet.session_present else 0
    if version == 5:
        return _packet(0x20, bytes((present, packet.reason)), encode_properties(packet.properties, "CONNACK"))
    if packet.reason not in CONNACK_3:
        raise ValueError(f"3.1.1 has no CONNACK return code for reason 0x{packet.reason:02X}")
    return bytes((0x20, 2, present, CONNACK_3[packet.reason]))


def encode_ack(
    first: int, name: str, packet_id: int, reason: int, properties: Properties, version: int
) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP in the shortest form there is (section 3.4.2.1)."""
    if version != 5 or not (reason or properties):
        return _ACK(first, 2, packet_id)
    if not properties:
        return _ACK_REASON(first, 3, packet_id, reason)
    return _packet(first, UINT16.pack(packet_id), bytes((reason,)), encode_properties(properties, name))


def _ack(first: int, name: str) -> Callable[[Any, int], bytes]:
    def encode_one(packet: Puback | Pubrec | Pubrel | Pubcomp, version: int) -> bytes:
        return encode_ack(first, name, packet.packet_id, packet.reason, packet.properties, version)

    return encode_one


def _identified(name: str, packet_id: int, properties: Properties, version: int) -> bytes:
    return UINT16.pack(packet_id) + (encode_properties(properties, name) if version == 5 else b"")


def _subscribe(packet: Subscribe, version: int) -> bytes:
    parts = [_identified("SUBSCRIBE", packet.packet_id, packet.properties, version)]
    for filter, qos, no_local, retain_as_published, retain_handling, _ in packet.subscriptions:
        options = qos
        if version == 5:
            options |= retain_handling << 4 | (8 if retain_as_published else 0) | (4 if no_local else 0)
        parts.append(string(filter, "a topic filter"))
        parts.append(bytes((options,)))
    return _packet(0x82, *parts)


def _suback(packet: Suback, version: int) -> bytes:
    reasons = packet.reasons if version == 5 else tuple(min(reason, 0x80) for reason in packet.reasons)
    head = _identified("SUBACK", packet.packet_id, packet.properties, version)
    return _packet(0x90, head, bytes(reasons))


def _unsubscribe(packet: Unsubscribe, version: int) -> bytes:
    head = _identified("UNSUBSCRIBE", packet.packet_id, packet.properties, version)
    return _packet(0xA2, head, *(string(filter, "a topic filter") for filter in packet.filters))


def _unsuback(packet: Unsuback, version: int) -> bytes:
    head = _identified("UNSUBACK", packet.packet_id, packet.properties, version)
    return _packet(0xB0, head, bytes(packet.reasons) if version == 5 else b"")


def _disconnect(packet: Disconnect, version: int) -> bytes:
    if version != 5 or not (packet.reason or packet.properties):
        return b"\xe0\0"
    if not packet.properties:
        return bytes((0xE0, 1, packet.reason))
    return _packet(0xE0, bytes((packet.reason,)), encode_properties(packet.properties, "DISCONNECT"))


def _auth(packet: Auth, version: int) -> bytes:
    if version != 5:
        raise ValueError("AUTH does not exist in MQTT 3.1.1")
    if not (packet.reason or packet.properties):
        return b"\xf0\0"
    return _packet(0xF0, bytes((packet.reason,)), encode_properties(packet.properties, "AUTH"))


_ENCODERS: dict[type, Callable[[Any, int], bytes]] = {
    Connect: _connect,
    Connack: _connack,
    Publish: _publish,
    Puback: _ack(0x40, "PUBACK"),
    Pubrec: _ack(0x50, "PUBREC"),
    Pubrel: _ack(0x62, "PUBREL"),
    Pubcomp: _ack(0x70, "PUBCOMP"),
    Subscribe: _subscribe,
    Suback: _suback,
    Unsubscribe: _unsubscribe,
    Unsuback: _unsuback,
    Pingreq: lambda packet, version: b"\xc0\0",
    Pingresp: lambda packet, version: b"\xd0\0",
    Disconnect: _disconnect,
    Auth: _auth,
}


def encode(packet: Packet, version: int) -> bytes:
    """The bytes of a packet at protocol version 4 or 5 (a CONNECT tells its own), in their shortest form.

    What 3.1.1 cannot say (properties, reasons, subscription options) is left out there. Raises ValueError for
    what the protocol cannot carry at all.
    """
    return _ENCODERS[type(packet)](packet, version)
