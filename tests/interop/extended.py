"""A node with the extended profile."""

from __future__ import annotations

import pytest

from interop.devices import until
from interop.packets import varint
from interop.places import UNLIMITED, place

EXTENDED = "mqtt.profile=extended"
RESEND = "mqtt.limits.resend_seconds=1"
IDENTIFIER = 0x0B


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with place(tmp_path_factory.mktemp("extended"), UNLIMITED, EXTENDED, RESEND) as home:
        home.data = home.node.client("iot-data")
        yield home


@pytest.fixture
def writer(home, name):
    with home.online(f"w-{name}"[:100], 5) as wire:
        yield wire


def identifier(number):
    return bytes([IDENTIFIER]) + varint(number)


def told(home, client_id, words):
    """What explain has about a client that AWS would have done otherwise; waits until there is something."""

    def found():
        return [r for r in home.refusals(client_id) if r["decision"] == "EXTENDED" and words in r["reason"]]

    return until(found)
