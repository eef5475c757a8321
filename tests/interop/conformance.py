"""What holds for every packet that a node sends, whatever the test is about: each Wire watches it."""

from __future__ import annotations

import contextlib
from typing import Any

from interop.packets import read_properties

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBACK, UNSUBACK, PINGRESP, DISCONNECT = 9, 11, 13, 14

FROM_SERVER = {CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP, DISCONNECT}


def codes(text: str) -> frozenset[int]:
    return frozenset(bytes.fromhex(text))


CODES = {
    CONNACK: codes("00 80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 99 9a 9b 9c 9d 9f"),
    PUBACK: codes("00 10 80 83 87 90 91 97 99"),
    PUBREC: codes("00 10 80 83 87 90 91 97 99"),
    PUBREL: codes("00 92"),
    PUBCOMP: codes("00 92"),
    SUBACK: codes("00 01 02 80 83 87 8f 91 97 9e a1 a2"),
    UNSUBACK: codes("00 11 80 83 87 8f 91"),
    DISCONNECT: codes("00 80 81 82 83 87 89 8b 8d 8e 8f 90 93 94 95 96 97 98 99 9a 9b 9c 9d 9e 9f a0 a1 a2"),
}
"""Packet type -> what a server may say in it (MQTT 5, tables 3-1 to 3-10)."""

SESSION_EXPIRY, AUTHENTICATION_METHOD, RECEIVE_MAXIMUM, ALIAS_MAXIMUM, ALIAS, PACKET_MAXIMUM = (
    *(0x11, 0x15, 0x21),
    *(0x22, 0x23, 0x27),
)


class Watch:
    """One connection, seen from the client's side. What it is shown must be whole packets."""

    def __init__(self) -> None:
        self.version = 0
        """What the CONNECT that was sent says; 0 while there was none."""
        self.asked: dict[int, Any] = {}
        """The properties of that CONNECT."""
        self.accepted = False
        self.resumed = False
        """Whether the session was there before."""
        self.over = False
        self.given: set[int] = set()
        """Packet identifiers that were ever received."""
        self.open: set[int] = set()
        """Those that were not acknowledged."""

    def sent(self, first: int, body: bytes) -> None:
        """A packet of the client's."""
        if first == 0x10 and not self.version and body[:6] == b"\0\4MQTT" and len(body) > 10:
            self.version = body[6]
            if self.version == 5:
                # What cannot be read is not asked for: the node will not accept it either.
                with contextlib.suppress(KeyError, IndexError, AssertionError):
                    self.asked = read_properties(body, 10)[0]
        elif first in (0x40, 0x70) or (first == 0x50 and body[2:3] >= b"\x80"):
            self.open.discard(int.from_bytes(body[:2]))

    def saw(self, first: int, body: bytes, size: int) -> None:
        """A packet of the node's, of so many bytes in all."""
        kind = first >> 4
        five = self.version == 5
        # Nothing follows a DISCONNECT, or a CONNACK that refuses [MQTT-3.14.4-1] [MQTT-3.2.2-7].
        assert not self.over, f"packet {kind} after the end"
        # No AUTH either: nobody has asked for enhanced authentication [MQTT-4.12.0-6].
        assert kind in FROM_SERVER, f"packet {kind} is not a server's"
        assert five or kind != DISCONNECT, "3.1.1 has no DISCONNECT of the server's"
        # Reserved flags [MQTT-2.1.3-1] [3.1.1 MQTT-2.2.2-1].
        assert kind == PUBLISH or first & 15 == (2 if kind == PUBREL else 0), f"flags {first & 15}"
        # The shortest form of the remaining length [MQTT-1.5.5-1].
        assert size == len(body) + (2 if len(body) < 128 else 3 if len(body) < 16_384 else 4)
        # CONNACK once, and before all others, DISCONNECT too [MQTT-3.2.0-1] [MQTT-3.2.0-2] [MQTT-3.14.0-1]
        # [3.1.1 MQTT-3.2.0-1].
        assert self.accepted == (kind != CONNACK), f"packet {kind} before or after its time"
        # [MQTT-3.1.2-24]
        assert size <= self.asked.get(PACKET_MAXIMUM, size), f"{size} bytes are more than the client takes"
        if kind == CONNACK:
            self._connack(body)
        elif kind == PUBLISH:
            self._publish(first, body)
        elif five and kind in CODES:
            self._coded(kind, body)
        elif kind == SUBACK:
            assert set(body[2:]) <= {0, 1, 2, 0x80}, "no return code of 3.1.1"  # [3.1.1 MQTT-3.9.3-2]

    def _connack(self, body: bytes) -> None:
        assert body[0] <= 1, "reserved flags"  # [MQTT-3.2.2-1]
        if self.version == 5:
            assert body[1] in CODES[CONNACK], f"CONNACK {body[1]:#x}"  # [MQTT-3.2.2-8]
            assert AUTHENTICATION_METHOD not in read_properties(body, 2)[0]  # [MQTT-4.12.0-6]
        else:
            assert body[1] <= 5, f"return code {body[1]}"
        # [MQTT-3.2.2-6] [3.1.1 MQTT-3.2.2-4]
        assert not (body[0] and body[1]), "a session is present, and refused"
        self.accepted = body[1] == 0
        self.resumed = body[0] == 1
        self.over = not self.accepted

    def _publish(self, first: int, body: bytes) -> None:
        qos, dup = first >> 1 & 3, first & 8
        end = 2 + int.from_bytes(body[:2])
        topic = body[2:end].decode()
        assert not set(topic) & set("+#\0"), topic  # [MQTT-3.3.2-2] [MQTT-4.7.0-1] [3.1.1 MQTT-4.7.1-1]
        if qos:
            number = int.from_bytes(body[end : end + 2])
            end += 2
            assert number, "packet identifier 0"  # [MQTT-2.2.1-4] [3.1.1 MQTT-2.3.1-4]
            if dup:
                # A duplicate is one, whatever its publisher said [MQTT-3.3.1-3] [3.1.1 MQTT-3.3.1-3].
                # QoS 2 of a resumed session keeps its identifier [MQTT-4.4.0-1]; QoS 1 is sent as new.
                begun_before = self.resumed and qos == 2
                assert number in self.given or begun_before, f"the first of {number} is marked as a duplicate"
            else:
                # [MQTT-3.3.1-1] [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.3-1] [MQTT-4.3.3-2]
                # [3.1.1 MQTT-3.3.1-1] [3.1.1 MQTT-4.3.2-1]
                assert number not in self.open, f"packet identifier {number} is in use"
            self.given.add(number)
            self.open.add(number)
            # [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2]
            assert len(self.open) <= self.asked.get(RECEIVE_MAXIMUM, 0xFFFF), "beyond the receive maximum"
        else:
            # [MQTT-3.3.1-2] [MQTT-4.3.1-1] [3.1.1 MQTT-3.3.1-2] [3.1.1 MQTT-4.3.1-1]
            assert not dup, "a duplicate of QoS 0"
        if self.version == 5:
            alias = read_properties(body, end)[0].get(ALIAS, 0)
            # [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11]
            assert alias <= self.asked.get(ALIAS_MAXIMUM, 0), f"alias {alias}"

    def _coded(self, kind: int, body: bytes) -> None:
        """[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2]
        [MQTT-3.14.2-1]"""
        if kind in (SUBACK, UNSUBACK):
            said = body[read_properties(body, 2)[1] :]
        elif kind == DISCONNECT:
            said = body[:1]
            self.over = True
            found = read_properties(body, 1)[0] if len(body) > 1 else {}
            assert SESSION_EXPIRY not in found, "a session expiry of the server's"  # [MQTT-3.14.2-2]
        else:
            said = body[2:3]
        assert set(said) <= CODES[kind], f"packet {kind} says {said.hex()}"
