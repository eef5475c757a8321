"""A device, and how iot-data refuses."""

from __future__ import annotations

import contextlib

import pytest
from botocore.exceptions import ClientError

from interop.devices import ANYTHING

EXPIRY, FORMAT, CONTENT, RESPONSE, CORRELATION, USER = 0x02, 0x01, 0x03, 0x08, 0x09, 0x26
"""Properties of a PUBLISH (MQTT 5, table 2-4)."""

EXPIRY_100 = b"\x11\x00\x00\x00\x64"
"""Session Expiry Interval of a CONNECT: 100 seconds."""


@pytest.fixture(scope="module")
def device(factory):
    return factory("anything", statements=ANYTHING)


@pytest.fixture
def name(request):
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[5:80]


@contextlib.contextmanager
def refused(code, status, *words):
    with pytest.raises(ClientError) as caught:
        yield
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    for word in words:
        assert word in response["Error"]["Message"]


@pytest.fixture(params=[5, 4])
def subscriber(request, device, name):
    """A connection that has subscribed to a topic that is the test's name."""
    with device.online(name, request.param) as wire:
        wire.subscribe(name)
        yield wire
