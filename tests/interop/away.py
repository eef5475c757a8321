"""A node for clients that go away and come back, and a writer that goes on meanwhile."""

from __future__ import annotations

import struct

import pytest

from interop.packets import PUBACK, publish_packet
from interop.places import UNLIMITED, place

PROTOCOL_ERROR = 0x82


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """CONNECT may come as often as the tests like; replay is as fast as it can be."""
    with place(tmp_path_factory.mktemp("sessions"), UNLIMITED) as home:
        yield home


@pytest.fixture(scope="module")
def paced(tmp_path_factory):
    with place(
        tmp_path_factory.mktemp("paced"), "mqtt.enforce_limits=true", "mqtt.limits.connects_per_second=0"
    ) as paced:
        yield paced


@pytest.fixture
def writer(home, name):
    with home.online(f"w-{name}"[:100]) as wire:
        yield wire


def send_all(wire, topic, messages):
    """Publish with QoS 1, as many at a time as the node takes; returns when all are acknowledged."""
    messages = list(messages)
    for start in range(0, len(messages), 50):
        some = messages[start : start + 50]
        wire.send(
            b"".join(
                publish_packet(topic, payload, wire.version, qos=1, packet_id=number + 1)
                for number, payload in enumerate(some)
            )
        )
        found = {wire.take(PUBACK).body[:2] for _ in some}
        assert found == {struct.pack("!H", number + 1) for number in range(len(some))}
