"""An MQTT client made of bytes and a blocking socket: it hides nothing of what is on the wire."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections import deque
from typing import Any, NamedTuple

from interop.conformance import Watch
from interop.packets import (
    CONNACK,
    DISCONNECT,
    PINGRESP,
    PUBACK,
    PUBLISH,
    SUBACK,
    UNSUBACK,
    Packet,
    connect_packet,
    packet,
    publish_packet,
    read_properties,
    read_text,
    read_varint,
    subscribe_packet,
    unsubscribe_packet,
    whole_packets,
)

PATIENCE = 30.0
"""Seconds to wait for what must come, on a machine that does much else."""


class Closed(Exception):
    """The node closed the connection: after a DISCONNECT with ``reason`` and ``text``, else None and ''."""

    def __init__(self, reason: int | None, text: str) -> None:
        super().__init__(f"closed, DISCONNECT {reason} {text!r}")
        self.reason = reason
        self.text = text


class Connack(NamedTuple):
    code: int
    session_present: bool
    properties: dict[int, Any]


class Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    properties: dict[int, Any]


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
