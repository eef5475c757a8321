"""A client's socket is reset while the node is not looking: what came is taken, and the end is noticed.

The node is stopped (SIGSTOP) while the client speaks and resets, so that it finds all of it at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import termios

import pytest

from interop.devices import until
from interop.packets import Will, packet, publish_packet
from interop.wire import Wire
from nodes import running
from scale.hostility import assert_quiet, device_on

MANY = 100


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("resets") / "node", "mqtt.limits.outbound_bytes=65536") as node:
        yield node


@pytest.fixture(scope="module")
def device(node, tmp_path_factory):
    return device_on(node, tmp_path_factory.mktemp("devices"))


@contextlib.contextmanager
def unaware(node):
    """The node runs again afterwards."""
    os.kill(node.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.process.pid, signal.SIGCONT)


def reset(wire: Wire) -> None:
    """Once all that was sent is at the other side; a reset takes along what is not."""

    def underway() -> int:
        return struct.unpack("i", fcntl.ioctl(wire.sock, termios.TIOCOUTQ, bytes(4)))[0]

    until(lambda: not underway())
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def reason(node, client_id: str) -> str:
    """Why the connection ended, once the node has noticed."""
    own = node.client("sekisho")

    def ended() -> str:
        (row,) = own.list_connections(clientId=client_id)["connections"]
        return "" if row["live"] else row["disconnectReason"]

    return until(ended)


@pytest.mark.parametrize("qos", [0, 1])
def test_what_came_before_a_reset_is_taken(node, device, qos):
    """Each message is a record of its own, so that one read does not take them all."""
    with device.online("reads") as reader:
        reader.subscribe("before/reset")
        wire = device.online(f"resets-{qos}")
        with unaware(node):
            for number in range(MANY):
                wire.send(publish_packet("before/reset", b"%d" % number, qos=qos, packet_id=number + 1))
            reset(wire)
        assert [reader.message().payload for _ in range(MANY)] == [b"%d" % n for n in range(MANY)]
    assert reason(node, f"resets-{qos}") == "CONNECTION_LOST"
    assert_quiet(node)


def test_a_goodbye_before_a_reset_is_heard(node, device):
    """It said DISCONNECT, so its will is not published [MQTT-3.14.4-3] [3.1.1 MQTT-3.1.2-10], although its
    PUBACK has nowhere to go."""
    with device.online("heir") as heir:
        heir.subscribe("will/of/leaver", "last/word")
        wire = device.online("leaver", will=Will("will/of/leaver"))
        with unaware(node):
            wire.send(publish_packet("last/word", b"bye", qos=1, packet_id=1))
            wire.send(packet(0xE0, b""))
            reset(wire)
        assert reason(node, "leaver") == "CLIENT_INITIATED_DISCONNECT"
        assert heir.message().payload == b"bye"
        heir.publish("will/of/leaver", b"not the will")
        assert heir.message().payload == b"not the will"
    assert_quiet(node)


def test_a_goodbye_of_who_reads_nothing_is_heard(node, device):
    """The node had stopped reading from it, because it does not read itself."""
    own = node.client("sekisho")

    def dropped() -> int:
        return own.describe_broker()["dropped"]

    before = dropped()
    with device.wire(receive_buffer=4096) as wire, device.online("talks") as other:
        wire.connect("deaf")
        wire.subscribe("much", qos=0)
        for _ in range(2000):
            if dropped() > before:
                break
            other.publish("much", b"x" * 100_000)
        wire.send(packet(0xE0, b""))
        reset(wire)
        assert reason(node, "deaf") == "CLIENT_INITIATED_DISCONNECT"
        other.ping()
    assert_quiet(node)
