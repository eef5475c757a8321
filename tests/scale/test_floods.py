"""Clients that do not read, and more of them than there may be: the node's memory and others are unharmed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading

import pytest

from interop.packets import connect_packet
from interop.wire import tls_context
from nodes import running
from scale.hostile_node import assert_closed, assert_serves
from scale.hostile_node import good as good
from scale.hostile_node import node as node
from scale.hostile_node import unharmed as unharmed
from scale.hostility import MIB, PINGREQ, assert_quiet, device_on, rss


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A node that keeps little for slow readers."""
    folder = tmp_path_factory.mktemp("narrow")
    with running(folder / "node", "mqtt.limits.outbound_bytes=262144") as node:
        yield node


@pytest.mark.parametrize("qos", [0, 1])
def test_subscribers_that_never_read(narrow, tmp_path, qos):
    """Many times what may wait for them is published; a subscriber that reads gets all of it."""
    make = device_on(narrow, tmp_path)
    payload = b"x" * 100_000
    count = 2000
    deaf = []
    for number in range(5):
        wire = make.wire(receive_buffer=4096)
        assert wire.connect(f"deaf-{number}", 5).code == 0
        wire.subscribe("flood", qos=qos)
        deaf.append(wire)
    before = rss(narrow)
    with make.online("reads") as reader, make.online("floods") as flooder, make.online("bystander") as other:
        reader.subscribe("flood", qos=1)
        other.subscribe("quiet")
        got = []

        def read() -> None:
            got.extend(len(reader.message().payload) for _ in range(count))

        reading = threading.Thread(target=read)
        reading.start()
        most = before
        for number in range(count):
            assert flooder.publish("flood", payload) == 0
            if number % 100 == 0:
                most = max(most, rss(narrow))
                other.publish("quiet", b"still")
                assert other.message().payload == b"still"
        reading.join()
    most = max(most, rss(narrow))
    for wire in deaf:
        wire.close()
    assert got == [len(payload)] * count
    assert most - before < 60 * MIB
    assert_quiet(narrow)


def test_a_client_that_asks_and_never_reads(narrow, tmp_path):
    """Pings whose answers nobody takes: the node stops reading from it, and keeps little."""
    make = device_on(narrow, tmp_path)
    before = rss(narrow)
    with make.wire(receive_buffer=4096) as wire, make.online("other") as other:
        wire.connect("asks")
        wire.sock.settimeout(2)
        with pytest.raises((TimeoutError, ssl.SSLError)):  # nobody reads any more
            for _ in range(2000):
                wire.sock.sendall(PINGREQ * 8000)
        other.ping()
        assert rss(narrow) - before < 50 * MIB
    assert_quiet(narrow)


def test_300_connections_at_once(narrow, tmp_path):
    """On the node that has the usual patience: their handshakes are under way together."""
    host, port = narrow.mqtt
    good = device_on(narrow, tmp_path)

    async def one(context: ssl.SSLContext, number: int) -> bytes:
        reader, writer = await asyncio.open_connection(host, port, ssl=context, ssl_handshake_timeout=30)
        writer.write(connect_packet(f"crowd-{number}"))
        answer = await reader.readexactly(4)
        writer.write(PINGREQ)
        answer += await reader.readexactly(2)
        await everybody.wait()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        return answer

    async def body() -> list[bytes]:
        context = tls_context(narrow.ca, good.identity)
        return await asyncio.wait_for(asyncio.gather(*(one(context, number) for number in range(300))), 60)

    everybody = asyncio.Barrier(300)
    assert asyncio.run(body()) == [b"\x20\x02\x00\x00\xd0\x00"] * 300
    assert_serves(good)
    assert_quiet(narrow)


@contextlib.contextmanager
def connected(device, count: int):
    """So many connections, all accepted."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(device.online(f"c-{number}")) for number in range(count)]


def test_the_number_of_connections_is_limited(tmp_path):
    with running(tmp_path / "node", "mqtt.limits.connections=10") as node:
        device = device_on(node, tmp_path)
        with connected(device, 10) as wires:
            with socket.create_connection(node.mqtt, 5) as sock:
                assert_closed(sock)
            for wire in wires:
                wire.ping()
            # The API is not a device's port, and stays open.
            node.client("iot", tls=False).list_things()
            wires[0].disconnect()
            with device.online("room again") as wire:
                wire.ping()


def test_the_limit_is_the_nodes_not_the_ports(tmp_path):
    """``mqtt.limits.connections``: connections of this node."""
    with running(tmp_path / "node", "mqtt.limits.connections=4") as node:
        device = device_on(node, tmp_path)
        with connected(device, 4), socket.create_connection(node.address("https"), 5) as sock:
            assert_closed(sock, within=2)
