"""A node with QoS 2, and the steps of an exchange."""

from __future__ import annotations

import pytest

from interop.extended import EXTENDED, RESEND
from interop.packets import PUBACK, packet, publish_packet
from interop.places import UNLIMITED, Seen, place

PUBREC, PUBREL, PUBCOMP = 5, 6, 7
FIRST = {PUBACK: 0x40, PUBREC: 0x50, PUBREL: 0x62, PUBCOMP: 0x70}
NOT_FOUND, NOT_AUTHORIZED, QUOTA, PROTOCOL_ERROR = 0x92, 0x87, 0x97, 0x82


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with place(
        tmp_path_factory.mktemp("exactly"), UNLIMITED, EXTENDED, "mqtt.limits.resend_seconds=0"
    ) as home:
        yield home


@pytest.fixture(scope="module")
def resending(tmp_path_factory):
    with place(tmp_path_factory.mktemp("resending"), UNLIMITED, EXTENDED, RESEND) as home:
        yield home


@pytest.fixture(params=[True, False], ids=["persistent", "clean"])
def persistent(request):
    return request.param


@pytest.fixture
def observer(home, name):
    with home.online(f"o-{name}"[:100], 5) as wire:
        wire.subscribe(f"{name}/#", qos=1)
        yield wire


def connected(home, name, version, persistent, **more):
    if persistent:
        return home.persistent(name, version, **more)[0]
    return home.online(name, version, **more)


def say(wire, kind, packet_id, reason=None):
    tail = b"" if reason is None else bytes([reason])
    wire.send(packet(FIRST[kind], packet_id.to_bytes(2) + tail))


def hear(wire, kind):
    """The packet identifier and the reason of the next packet, which must be of a kind."""
    body = wire.take(kind).body
    return int.from_bytes(body[:2]), body[2] if len(body) > 2 else 0


def put(wire, topic, payload=b"x", packet_id=1, dup=False, **more):
    raw = bytearray(publish_packet(topic, payload, wire.version, qos=2, packet_id=packet_id, **more))
    raw[0] |= 8 if dup else 0
    wire.send(bytes(raw))


def put_whole(wire, topic, payload=b"x", packet_id=1, **more):
    """Publish, from PUBLISH to PUBCOMP."""
    put(wire, topic, payload, packet_id, **more)
    assert hear(wire, PUBREC) == (packet_id, 0)
    say(wire, PUBREL, packet_id)
    assert hear(wire, PUBCOMP) == (packet_id, 0)


def get_whole(wire, payload=b"x"):
    """Receive, from PUBLISH to PUBCOMP."""
    wire.acknowledges = False
    seen = Seen(wire)
    assert (seen.payload, seen.qos) == (payload, 2)
    say(wire, PUBREC, seen.packet_id)
    assert hear(wire, PUBREL) == (seen.packet_id, 0)
    say(wire, PUBCOMP, seen.packet_id)
    return seen


def all_of(wire):
    return [message.payload for message in wire.messages()]
