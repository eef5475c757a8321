"""A node for hostile clients, which must serve after each test."""

from __future__ import annotations

import contextlib
import ssl

import pytest

from nodes import running
from scale.hostility import assert_quiet, device_on

TIMEOUT = 1.0
"""The node's patience before CONNECT."""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with running(folder / "node", f"mqtt.limits.connect_timeout={TIMEOUT}") as node:
        yield node


@pytest.fixture(scope="module")
def good(node, tmp_path_factory):
    return device_on(node, tmp_path_factory.mktemp("devices"))


@pytest.fixture(autouse=True)
def unharmed(request):
    """After each test the module's node serves, and its log tells of no error."""
    if "node" not in request.fixturenames:
        yield
        return
    node, good = request.getfixturevalue("node"), request.getfixturevalue("good")
    known = len(node.log)
    yield
    assert_serves(good)
    assert_quiet(node, known)


def assert_serves(device) -> None:
    with device.online("after") as wire:
        wire.subscribe("still/there")
        assert wire.publish("still/there", b"yes") == 0
        assert wire.message().payload == b"yes"


def assert_closed(sock, within: float = 10.0) -> None:
    sock.settimeout(within)
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while sock.recv(65536):
            pass
