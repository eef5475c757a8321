"""What a policy's verdict looks like to a client."""

from __future__ import annotations

import time

from interop.devices import WITHIN

NOT_AUTHORIZED = 0x87


def may_publish(wire, topic):
    """Asked of MQTT 5, whose connection outlives the answer no."""
    return wire.publish(topic, b"?") != NOT_AUTHORIZED


def assert_cut_within(wire, started, code):
    assert wire.until_closed(WITHIN) == code
    assert time.monotonic() - started < WITHIN
