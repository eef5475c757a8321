"""An MQTT client made of bytes and a blocking socket: it hides nothing of what is on the wire."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from interop.conformance import Watch

CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 9, 11, 13, 14

PATIENCE = 30.0
"""Seconds to wait for what must come, on a machine that does much else."""


class Closed(Exception):
    """The node closed the connection: after a DISCONNECT with ``reason`` and ``text``, else None and ''."""

    def __init__(self, reason: int | None, text: str) -> None:
        super().__init__(f"closed, DISCONNECT {reason} {text!r}")
        self.reason = reason
        self.text = text


class Packet(NamedTuple):
    first: int
    body: bytes

    @property
    def kind(self) -> int:
        return self.first >> 4


class Connack(NamedTuple):
    code: int
    session_present: bool
    properties: dict[int, Any]


class Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    properties: dict[int, Any]


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


def tls_context(ca: str, identity: tuple[str, str] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if identity is not None:
        context.load_cert_chain(*identity)
    return context


class Wire:
    """One connection: TLS at once, MQTT when told to. Every wait is bounded."""

    def __init__(
        self,
        address: tuple[str, int],
        ca: str,
        identity: tuple[str, str] | None = None,
        *,
        alpn: list[str] | None = None,
        tls: ssl.TLSVersion | None = None,
        server_name: str | None = "localhost",
        check_name: bool = False,
        receive_buffer: int = 0,
    ) -> None:
        """``check_name``: the node's certificate must be valid for whatever name is given. ``receive_buffer``
        bounds what the system takes in for a client that does not read, in bytes."""
        context = tls_context(ca, identity)
        if alpn is not None:
            context.set_alpn_protocols(alpn)
        if tls is not None:
            context.minimum_version = context.maximum_version = tls
        if server_name != "localhost" and not check_name:
            context.check_hostname = False
        plain = socket.socket()
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(PATIENCE)
        plain.connect(address)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.sock = context.wrap_socket(plain, server_hostname=server_name)
        except BaseException:
            plain.close()
            raise
        self.version = 4
        self.client_id = ""
        self.received = 0
        self.reason: int | None = None
        self.reason_text = ""
        self.acknowledges = True
        self.watch = Watch()
        self._buffer = b""
        self._inbox: deque[tuple[Packet, Message]] = deque()
        self._last_id = 0

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut, without a DISCONNECT."""
        self.sock.close()

    # --- bytes ---------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        for found in whole_packets(data):
            self.watch.sent(*found)
        # What the node said before it closed is still to be read.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.sock.sendall(data)

    def read(self, within: float = PATIENCE) -> Packet:
        """The next packet. Closed: the node closed; TimeoutError: nothing came."""
        until = time.monotonic() + within
        while True:
            found = self._cut()
            if found is not None:
                return found
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("no packet came")
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(65536)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
                data = b""
            if not data:
                raise Closed(self.reason, self.reason_text)
            self.received += len(data)
            self._buffer += data

    def _cut(self) -> Packet | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        for width in range(1, 5):
            if len(buffer) <= width:
                return None
            if buffer[width] < 0x80:
                break
        size, at = read_varint(buffer, 1)
        if len(buffer) < at + size:
            return None
        self._buffer = buffer[at + size :]
        found = Packet(buffer[0], buffer[at : at + size])
        self.watch.saw(*found, at + size)
        return found

    # --- packets -------------------------------------------------------------------------------------------

    def take(self, kind: int, within: float = PATIENCE) -> Packet:
        """The next packet of a kind; messages that come before it wait in the inbox."""
        until = time.monotonic() + within
        while True:
            got = self.read(max(until - time.monotonic(), 0))
            if got.kind == PUBLISH:
                self._inbox.append((got, self._message(got)))
                if kind == PUBLISH:
                    return got
            elif got.kind == DISCONNECT:
                self._part(got.body)
            else:
                assert got.kind == kind, f"packet {got.kind} came, not {kind}"
                return got

    def _part(self, body: bytes) -> None:
        self.reason = body[0] if body else 0
        if len(body) > 1:
            self.reason_text = read_properties(body, 1)[0].get(0x1F, b"").decode()

    def _message(self, got: Packet) -> Message:
        topic, at = read_text(got.body, 0)
        qos = got.first >> 1 & 3
        if qos:
            if self.acknowledges and qos == 1:
                self.send(packet(0x40, got.body[at : at + 2]))
            at += 2
        properties: dict[int, Any] = {}
        if self.version == 5:
            properties, at = read_properties(got.body, at)
        return Message(topic.decode(), got.body[at:], qos, properties)

    def _next_id(self) -> int:
        self._last_id = self._last_id % 0xFFFF + 1
        return self._last_id

    # --- verbs ---------------------------------------------------------------------------------------------

    def connect(self, client_id: str, version: int = 4, **more: Any) -> Connack:
        """CONNECT and the answer, whatever it is; Closed when there is none."""
        self.version = version
        self.client_id = client_id
        self.send(connect_packet(client_id, version, **more))
        body = self.take(CONNACK).body
        properties = read_properties(body, 2)[0] if version == 5 else {}
        return Connack(body[1], bool(body[0] & 1), properties)

    def publish(
        self,
        topic: str,
        payload: bytes = b"",
        *,
        qos: int = 1,
        retain: bool = False,
        properties: bytes = b"",
    ) -> int:
        """QoS 1: the reason code of the PUBACK, 0 for one that has none. QoS 0: 0, at once."""
        packet_id = self._next_id() if qos else 0
        self.send(
            publish_packet(
                topic,
                payload,
                self.version,
                qos=qos,
                packet_id=packet_id,
                retain=retain,
                properties=properties,
            )
        )
        if not qos:
            return 0
        body = self.take(PUBACK).body
        assert int.from_bytes(body[:2]) == packet_id
        return body[2] if len(body) > 2 else 0

    def subscribe(self, *filters: str, qos: int = 1, properties: bytes = b"") -> list[int]:
        """The SUBACK's codes."""
        packet_id = self._next_id()
        self.send(
            subscribe_packet(list(filters), self.version, packet_id=packet_id, qos=qos, properties=properties)
        )
        return self._codes(SUBACK, packet_id)

    def unsubscribe(self, *filters: str) -> list[int]:
        """The UNSUBACK's codes; 3.1.1 has none."""
        packet_id = self._next_id()
        self.send(unsubscribe_packet(list(filters), self.version, packet_id=packet_id))
        return self._codes(UNSUBACK, packet_id)

    def _codes(self, kind: int, packet_id: int) -> list[int]:
        body = self.take(kind).body
        assert int.from_bytes(body[:2]) == packet_id
        return list(body[read_properties(body, 2)[1] if self.version == 5 else 2 :])

    def ping(self) -> None:
        self.send(packet(0xC0, b""))
        self.take(PINGRESP)

    def disconnect(self, reason: int | None = None) -> None:
        """DISCONNECT, then wait until the node has closed."""
        self.send(packet(0xE0, b"" if reason is None else bytes([reason])))
        self.until_closed()
        self.close()

    def message(self, within: float = PATIENCE) -> Message:
        return self.publication(within)[1]

    def publication(self, within: float = PATIENCE) -> tuple[Packet, Message]:
        """The next message with the packet that it came in; one of QoS 2 is the caller's to acknowledge."""
        if not self._inbox:
            self.take(PUBLISH, within)
        return self._inbox.popleft()

    def messages(self) -> list[Message]:
        """What the node has sent up to now: a PINGRESP comes after it, in order."""
        self.ping()
        found = [message for _, message in self._inbox]
        self._inbox.clear()
        return found

    def until_closed(self, within: float = PATIENCE) -> int | None:
        """Wait until the node closes; the reason of its DISCONNECT, None when there was none."""
        try:
            while True:
                got = self.read(within)
                if got.kind == DISCONNECT:
                    self._part(got.body)
        except Closed:
            return self.reason
