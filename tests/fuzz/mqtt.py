"""The codec and the connection: any bytes, in any pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fuzz.pieces import choices, cut
from sekisho.mqtt.codec import Framer, MalformedPacket, decode, encode
from sekisho.mqtt.connection import Connection, State
from sekisho.mqtt.packets import (
    NO_PROPERTIES,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Violation,
)
from sekisho.mqtt.profile import EXTENDED, STRICT, Limits, Profile
from sekisho.mqtt.reasons import Reason
from sekisho.mqtt.topics import check_topic

LIMITS = replace(Limits(), packet=400, payload=100, inbound_inflight=4, outbound_inflight=4)
"""Small enough to be reached."""


def _connect(version: int, **properties: int) -> bytes:
    return encode(Connect(version, "c", True, 60, None, None, None, properties or NO_PROPERTIES), version)


BRIEF = (Puback, Pubrec, Pubrel, Pubcomp, Disconnect, Auth)
"""Packets whose last fields may be left out (section 3.4.2.1)."""

CONNECTS = (
    _connect(4),
    _connect(5),
    _connect(
        5,
        maximum_packet_size=20,
        request_problem_information=0,
        session_expiry_interval=9,
        topic_alias_maximum=2,
    ),
    _connect(5, receive_maximum=1),
)


def weight(value: Any) -> int:
    """How much a decoded value holds, in bytes; an item of a collection counts for one more."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(1 + weight(item) for item in value.values())
    if isinstance(value, tuple):
        return sum(weight(item) + (not isinstance(item, int)) for item in value)
    return 0


def wrong(error: MalformedPacket | Violation) -> tuple[int, str]:
    """What is told of bytes that are no packet: a reason that exists, and words."""
    assert error.reason >= 0x80
    assert error.reason in Reason._value2member_map_
    assert error.text
    assert error.text.isprintable()
    return error.reason, error.text


def frames(pieces: list[bytes], maximum: int) -> tuple[list[tuple[int, bytes]], tuple[int, str] | None, bool]:
    """What a framer makes of the pieces: its frames, its error, whether it is idle."""
    framer = Framer(maximum)
    found: list[tuple[int, bytes]] = []
    try:
        for piece in pieces:
            found += framer.feed(piece)
            assert len(framer._buffer) <= maximum
            if framer.error is not None:
                raise framer.error
    except MalformedPacket as error:
        return found, wrong(error), True
    return found, None, framer.idle


def one(first: int, body: bytes, version: int) -> Packet | None:
    """One packet, if it is one: what is written of it is shortest, and reads as it did."""
    try:
        packet = decode(first, body, version)
    except MalformedPacket as error:
        wrong(error)
        return None
    assert weight(packet) <= len(body) + 2
    if isinstance(packet, Connect):
        version = packet.version
    raw = encode(packet, version)
    ((again_first, again_body),) = Framer().feed(raw)
    again = decode(again_first, again_body, version)
    assert again == packet, (packet, again)
    assert type(again) is type(packet)
    assert encode(again, version) == raw
    # Every byte meant something, if in another order of properties, but for a reason of success and a length
    # of no properties at the end.
    if version == 4:
        assert again_body == body
    elif isinstance(packet, BRIEF):
        assert len(body) - 2 <= len(again_body) <= len(body)
    else:
        assert sorted(again_body) == sorted(body)
    repr(packet)
    return packet


def decoder(data: bytes) -> None:
    """Framing whole and in pieces is the same; each frame is a packet or says what is wrong with it."""
    how, rest = choices(data)
    version = 5 if how & 1 else 4
    maximum = 200 if how & 2 else 1 << 20
    whole, pieces = cut(rest)
    told = frames([whole], maximum)
    assert frames(pieces, maximum) == told
    for first, body in told[0]:
        one(first, body, version)


def packet(data: bytes) -> None:
    """Without framing, which keeps the fuzzer from reaching deep: version, first byte, body."""
    how, rest = choices(data)
    if rest:
        one(rest[0], rest[1:], 5 if how & 1 else 4)


# --- the connection ----------------------------------------------------------------------------------------


def listen(pieces: list[bytes], profile: Profile) -> tuple[list[Packet | Violation], int, State]:
    """What a connection hears when nobody answers."""
    connection = Connection(profile, LIMITS, 0.0)
    heard: list[Packet | Violation] = []
    for now, piece in enumerate(pieces):
        heard += connection.receive(piece, float(now))
    return heard, connection.version, connection.state


def serve(pieces: list[bytes], profile: Profile) -> None:
    """The same with somebody who answers, as a broker does: what is heard and said is always in order."""
    connection = Connection(profile, LIMITS, 0.0)
    limit = connection.peer_maximum_packet_size
    for now, piece in enumerate(pieces):
        for heard in connection.receive(piece, float(now)):
            if isinstance(heard, Connect):
                limit = connection.peer_maximum_packet_size
            reply(connection, heard, profile)
        assert len(connection._framer._buffer) <= LIMITS.packet
        assert len(connection._inbound._aliases) <= profile.topic_alias_maximum
        assert len(connection._inbound._topics) <= 64
        said = connection.data_to_send()
        assert connection.pending == 0
        sent, error, idle = frames([said], 1 << 20)
        assert (error, idle) == (None, True)
        for first, body in sent:
            assert isinstance(one(first, body, connection.version or 4), Packet)
            assert len(body) + 2 <= limit
        if connection.state is State.CLOSED:
            assert connection.deadline is None
            assert connection.receive(b"\xc0\0", 1e6) == []


def reply(connection: Connection, heard: Packet | Violation, profile: Profile) -> None:
    match heard:
        case Connect():
            connection.accept(False, None, NO_PROPERTIES)
        case Publish():
            assert check_topic(heard.topic, LIMITS.topic_bytes, LIMITS.topic_slashes) is None
            assert heard.qos <= profile.maximum_qos
            assert len(heard.payload) <= LIMITS.payload
            assert "topic_alias" not in heard.properties
            assert bool(heard.packet_id) == bool(heard.qos)
            if heard.qos == 1 and heard.dup:
                connection.acknowledge(heard.packet_id, 0x87 if heard.retain else 0, "no")
            elif heard.qos < 2 and connection.can_send:
                connection.publish(heard.topic, heard.payload, 1, False, heard.properties, heard)
        case Puback():
            connection.settle(heard.packet_id)
        case Subscribe():
            connection.send(Suback(heard.packet_id, (0,) * len(heard.subscriptions), NO_PROPERTIES))
        case Unsubscribe():
            connection.send(Unsuback(heard.packet_id, (0,) * len(heard.filters), NO_PROPERTIES))
        case Pingreq():
            connection.send(Pingresp())
        case Disconnect():
            connection.disconnect(0)
        case Violation():
            wrong(heard)
            connection.disconnect(heard.reason, heard.text)
            assert connection.state is State.CLOSED
        case Connack():
            raise AssertionError("a client's CONNACK came through")


def connection(data: bytes) -> None:
    """After a CONNECT, or instead of one: cutting differently changes nothing of what is heard."""
    how, rest = choices(data)
    profile = EXTENDED if how & 1 else STRICT
    whole, pieces = cut(rest)
    if how & 2:
        opening = CONNECTS[how >> 2 & 3]
        whole, pieces = opening + whole, [opening, *pieces]
    told = listen([whole], profile)
    assert listen(pieces, profile) == told
    for heard in told[0][:-1]:
        assert not isinstance(heard, Violation)
    serve(pieces, profile)
