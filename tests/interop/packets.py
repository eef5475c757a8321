"""MQTT's packets as bytes: those that a client sends, made, and those that it gets, read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 9, 11, 13, 14


class Packet(NamedTuple):
    first: int
    body: bytes

    @property
    def kind(self) -> int:
        return self.first >> 4


class Will(NamedTuple):
    topic: str
    payload: bytes = b"gone"
    qos: int = 0
    retain: bool = False
    properties: bytes = b""


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + varint(len(body)) + body


def props(version: int, properties: bytes) -> bytes:
    return varint(len(properties)) + properties if version == 5 else b""


def connect_packet(
    client_id: str,
    version: int = 4,
    *,
    clean: bool = True,
    keep_alive: int = 60,
    will: Will | None = None,
    properties: bytes = b"",
    username: str | None = None,
    password: bytes | None = None,
) -> bytes:
    flags = 0x02 if clean else 0
    tail = text(client_id)
    if will is not None:
        flags |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        tail += props(version, will.properties) + text(will.topic) + text(will.payload)
    for flag, value in ((0x80, username), (0x40, password)):
        if value is not None:
            flags |= flag
            tail += text(value)
    head = text("MQTT") + bytes([version, flags]) + struct.pack("!H", keep_alive)
    return packet(0x10, head + props(version, properties) + tail)


def publish_packet(
    topic: str,
    payload: bytes,
    version: int = 4,
    *,
    qos: int = 0,
    packet_id: int = 0,
    retain: bool = False,
    properties: bytes = b"",
) -> bytes:
    identifier = struct.pack("!H", packet_id) if qos else b""
    body = text(topic) + identifier + props(version, properties) + payload
    return packet(0x30 | qos << 1 | retain, body)


def subscribe_packet(
    filters: list[str], version: int = 4, *, packet_id: int = 1, qos: int = 1, properties: bytes = b""
) -> bytes:
    wanted = b"".join(text(filter) + bytes([qos]) for filter in filters)
    return packet(0x82, struct.pack("!H", packet_id) + props(version, properties) + wanted)


def unsubscribe_packet(filters: list[str], version: int = 4, *, packet_id: int = 1) -> bytes:
    return packet(
        0xA2,
        struct.pack("!H", packet_id) + props(version, b"") + b"".join(text(filter) for filter in filters),
    )


BYTE, SHORT, LONG, VARINT, TEXT, PAIR = range(6)
KINDS = (
    dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), BYTE)
    | dict.fromkeys((0x13, 0x21, 0x22, 0x23), SHORT)
    | dict.fromkeys((0x02, 0x11, 0x18, 0x27), LONG)
    | dict.fromkeys((0x0B,), VARINT)
    | dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), TEXT)
    | {0x26: PAIR}
)
"""Property identifier -> type (MQTT 5, table 2-4)."""


def read_varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        digit = body[at]
        at += 1
        value |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return value, at


def read_text(body: bytes, at: int) -> tuple[bytes, int]:
    size = int.from_bytes(body[at : at + 2])
    return body[at + 2 : at + 2 + size], at + 2 + size


def read_properties(body: bytes, at: int) -> tuple[dict[int, Any], int]:
    """The properties that begin at ``at``, and where they end; user properties are a list of pairs,
    subscription identifiers one of numbers."""
    size, at = read_varint(body, at)
    end = at + size
    found: dict[int, Any] = {}
    while at < end:
        name = body[at]
        kind = KINDS[name]
        at += 1
        if kind in (BYTE, SHORT, LONG):
            width = {BYTE: 1, SHORT: 2, LONG: 4}[kind]
            found[name] = int.from_bytes(body[at : at + width])
            at += width
        elif kind == VARINT:
            value, at = read_varint(body, at)
            found.setdefault(name, []).append(value)
        elif kind == TEXT:
            found[name], at = read_text(body, at)
        else:
            key, at = read_text(body, at)
            value, at = read_text(body, at)
            found.setdefault(name, []).append((key, value))
    assert at == end
    return found, end


def whole_packets(data: bytes) -> Iterator[Packet]:
    """The packets that the data begins with."""
    at = 0
    while len(data) - at >= 2:
        for width in range(1, 5):
            if len(data) <= at + width:
                return
            if data[at + width] < 0x80:
                break
        else:
            return
        size, start = read_varint(data, at + 1)
        if len(data) < start + size:
            return
        yield Packet(data[at], data[start : start + size])
        at = start + size
