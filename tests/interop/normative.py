"""A node, and two connections to it, for tests of normative statements."""

from __future__ import annotations

import pytest

from interop.packets import SUBACK, packet, props, text
from interop.places import UNLIMITED, place


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    settings = (UNLIMITED, "mqtt.limits.resend_seconds=1")
    with place(tmp_path_factory.mktemp("normative"), *settings) as home:
        yield home


@pytest.fixture
def name(request):
    return request.node.name.translate(str.maketrans("[]", "--"))[:80]


@pytest.fixture
def wire(home, name, version):
    with home.online(name, version) as wire:
        yield wire


@pytest.fixture
def other(home, name, version):
    with home.online(f"o-{name}", version) as wire:
        yield wire


def subscribe(wire, *pairs, packet_id=1):
    """One SUBSCRIBE of (filter, options) pairs; the codes."""
    wanted = b"".join(text(filter) + bytes([options]) for filter, options in pairs)
    wire.send(packet(0x82, packet_id.to_bytes(2) + props(wire.version, b"") + wanted))
    return wire._codes(SUBACK, packet_id)
