"""WebSocket frames after the upgrade: bytes in, payloads out; no I/O.

wsproto knows RFC 6455 and reads every frame that is out of the ordinary. The ordinary one, a whole binary
message in one frame, is read here: it is what MQTT clients send, and costs a tenth of the time.
"""

from __future__ import annotations

from typing import NamedTuple

from wsproto.connection import Connection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping
from wsproto.frame_protocol import CloseReason

BINARY = 0x82
"""FIN and the opcode of a binary frame (RFC 6455, 5.2)."""

TEXT = 0x01
OPCODE = 0x7F
"""The reserved bits with the opcode; all but FIN."""

MASKED = 0x80
LENGTH = 0x7F

CONTROL = 0x08
"""Set in the opcodes of control frames."""

WHOLE = 16_384
"""Payload bytes up to which an incomplete frame is waited for; a larger one is taken as it comes."""

MESSAGE = 1 << 24
"""Bytes of a message. Nothing is kept of one but MQTT's own incomplete packet, so it only has to end."""


class Failure(NamedTuple):
    """What the peer did wrong: the code of the Close frame that says so (RFC 6455, 7.4.1), and the words."""

    code: int
    words: str


class Frames:
    """``receive`` gives payloads; ``replies``, ``failure`` and ``over`` then say what else is to be done."""

    __slots__ = ("_connection", "_fragmented", "_left", "_message", "_rest", "failure", "over", "replies")

    def __init__(self, connection: Connection) -> None:
        self.replies = b""
        """Answers to pings, to be sent and then emptied."""
        self.failure: Failure | None = None
        self.over = False
        """Whether the peer's Close frame has come."""
        self._connection = connection
        self._rest = b""
        self._left = 0
        self._message = 0
        self._fragmented = False

    @property
    def unusual(self) -> bool:
        """Whether there is anything to do besides taking the payloads."""
        return bool(self.replies) or self.over or self.failure is not None

    def receive(self, data: bytes) -> list[bytes]:
        """The payloads in the data, unmasked, in order; frame boundaries mean nothing [MQTT-6.0.0-2]."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        payloads: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.over and self.failure is None:
            if self._left:
                until = min(end, at + self._left)
                self._left -= until - at
                self._read(data[at:until], payloads)
                at = until
                continue
            if end - at > 1 and not data[at + 1] & MASKED:
                self.failure = Failure(
                    CloseReason.PROTOCOL_ERROR, "a client's WebSocket frame must be masked (RFC 6455, 5.1)"
                )
                break
            head = _head(data, at, end)
            if head is None:
                self._rest = data[at:]
                break
            start, size = head
            first, until = data[at], start + size
            if first & OPCODE == TEXT and not self._fragmented:
                # Whether it is UTF-8 does not matter, so that the code is the same however it comes.
                self.failure = Failure(
                    CloseReason.UNSUPPORTED_DATA,
                    "a text frame; MQTT is sent in binary frames [MQTT-6.0.0-1]",
                )
                break
            if until > end and size <= WHOLE:
                self._rest = data[at:]
                break
            if first == BINARY and until <= end and not self._fragmented and _shortest(start - at, size):
                payloads.append(_unmasked(data, start, size))
                at = until
            elif self._bounded(first, size):
                self._left = until - at
        return payloads

    def _bounded(self, first: int, size: int) -> bool:
        if not first & CONTROL:
            self._message += size
            if self._message > MESSAGE:
                self.failure = Failure(
                    CloseReason.MESSAGE_TOO_BIG, f"a WebSocket message of more than {MESSAGE} bytes"
                )
                return False
        return True

    def _read(self, data: bytes, payloads: list[bytes]) -> None:
        """Give a frame, or a part of one, to wsproto."""
        connection = self._connection
        connection.receive_data(data)
        for event in connection.events():
            match event:
                case BytesMessage():
                    payloads.append(bytes(event.data))
                    self._fragmented = not event.message_finished
                    if event.message_finished:
                        self._message = 0
                case Ping():
                    if connection.state is ConnectionState.OPEN:
                        self.replies += connection.send(event.response())
                case CloseConnection():
                    if connection.state in (ConnectionState.REMOTE_CLOSING, ConnectionState.CLOSED):
                        self.over = True
                    else:
                        self.failure = Failure(event.code, event.reason or "a WebSocket frame is malformed")
                    return
                case _:
                    pass  # a pong

    def close(self, code: int, words: str = "") -> bytes:
        """A Close frame, once; nothing may be sent after it (RFC 6455, 5.5.1)."""
        state = self._connection.state
        if state not in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            return b""
        return bytes(self._connection.send(CloseConnection(code, words or None)))


def framed(payload: bytes) -> bytes:
    """A binary frame as a server sends it: whole, unmasked (RFC 6455, 5.1 and 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((BINARY, size)) + payload
    if size < 65_536:
        return b"\x82\x7e" + size.to_bytes(2) + payload
    return b"\x82\x7f" + size.to_bytes(8) + payload


def framed_each(packets: bytes) -> bytes:
    """Whole MQTT packets, one after the other, each in a frame of its own.

    One frame may hold several (MQTT 5, section 6), but the AWS IoT Device SDK for JavaScript in a browser
    (aws-crt 1.33) decodes them into one buffer and shows the last one's payload for all.
    """
    end = len(packets)
    first = packets[1]
    # Mostly it is one packet, whose length is one byte or two.
    if end == first + 2 or (first > 127 and end == first - 125 + (packets[2] << 7)):
        return framed(packets)
    out = []
    at = 0
    while at < end:
        size = packets[at + 1] & 0x7F
        start = at + 2
        shift = 7
        while packets[start - 1] & 0x80:
            size |= (packets[start] & 0x7F) << shift
            start += 1
            shift += 7
        out.append(framed(packets[at : start + size]))
        at = start + size
    return b"".join(out)


def _head(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Where a masked frame's payload begins and how long it is; None while its head is incomplete."""
    if end - at < 2:
        return None
    size = data[at + 1] & LENGTH
    start = at + 6
    if size > 125:
        width = 2 if size == 126 else 8
        start += width
        if end < start:
            return None
        size = int.from_bytes(data[at + 2 : at + 2 + width])
    return (start, size) if end >= start else None


def _shortest(head: int, size: int) -> bool:
    """Whether the length is in the fewest bytes, as it must be (RFC 6455, 5.2): wsproto says so if not."""
    return head == 6 or size > (125 if head == 8 else 65_535)


def _unmasked(data: bytes, start: int, size: int) -> bytes:
    """RFC 6455, 5.3, on one big number: no loop over bytes."""
    mask = data[start - 4 : start] * (size + 3 >> 2)
    number = int.from_bytes(data[start : start + size]) ^ int.from_bytes(mask[:size])
    return number.to_bytes(size)
