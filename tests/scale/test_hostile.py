"""Whatever comes at the ports: it costs its sender the connection, and nobody else anything."""

from __future__ import annotations

import contextlib
import datetime
import random
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from interop.devices import new_key
from interop.packets import DISCONNECT, PINGRESP, connect_packet
from interop.wire import Closed, Wire
from nodes import running
from scale.hostile_node import TIMEOUT, assert_closed, assert_serves
from scale.hostile_node import good as good
from scale.hostile_node import node as node
from scale.hostile_node import unharmed as unharmed
from scale.hostility import (
    CONNECTS,
    PINGREQ,
    anything,
    client_hello,
    device_on,
    framed,
    in_parallel,
    lawful,
    mutated,
    unlawful,
)

# --- bytes -------------------------------------------------------------------------------------------------


def test_20000_random_and_mutated_strings(node, good):
    """Most on connections that last until something ends them; some as the first bytes of their own."""
    alone, lasting = 2000, 18000

    def one_each(seed: int, count: int) -> None:
        chance = random.Random(seed)
        for _ in range(count):
            data = anything(chance)
            with good.wire() as wire:
                if chance.randrange(2):
                    data = chance.choice(CONNECTS) + data
                wire.send(data)
                with contextlib.suppress(ssl.SSLError, OSError):
                    wire.sock.settimeout(5)
                    wire.sock.unwrap()  # there is no more to come

    def on_and_on(seed: int, count: int) -> None:
        chance = random.Random(seed)
        wire, version = None, 4
        for number in range(count):
            if wire is None:
                version = chance.choice((4, 5))
                wire = good.online(f"fuzz-{seed}-{number}", version)
            known = lawful(version) if chance.randrange(20) else unlawful(version)
            data = framed(chance.choice(known), chance)
            try:
                wire.send(data + PINGREQ)
                while wire.read().kind not in (PINGRESP, DISCONNECT):
                    pass
            except Closed:
                wire.close()
                wire = None
            except TimeoutError:
                raise AssertionError(f"neither answered nor closed after {data.hex()}") from None
        if wire is not None:
            wire.close()

    in_parallel(
        lambda: one_each(1, alone // 2),
        lambda: one_each(2, alone // 2),
        lambda: on_and_on(3, lasting // 2),
        lambda: on_and_on(4, lasting // 2),
    )


@pytest.mark.parametrize("port", ["mqtt", "https"])
def test_garbage_instead_of_tls(node, port):
    chance = random.Random(5)
    hello = client_hello()
    for number in range(300):
        data = mutated(hello, chance) if number % 2 else chance.randbytes(chance.randrange(1, 300))
        with socket.create_connection(node.address(port), 5) as sock:
            with contextlib.suppress(OSError):
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
            assert_closed(sock)
    for request in (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        CONNECTS[0],
        b"\x16\x03\x01\xff\xff" + b"x" * 70000,
    ):
        with socket.create_connection(node.address(port), 5) as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(request)
            assert_closed(sock)


@pytest.mark.parametrize("version", [4, 5])
def test_oversized_packets_are_not_waited_for(node, good, version):
    """The header says it: the connection ends before the rest is there."""
    with good.online("big", version) as wire:
        wire.send(b"\x30\xff\xff\xff\x7f")
        assert wire.until_closed() == (0x95 if version == 5 else None)
    with good.wire() as wire:
        wire.send(b"\x10\xff\xff\xff\x7f")
        assert wire.until_closed() is None


def test_a_length_that_never_ends(node, good):
    with good.online("long", 5) as wire:
        wire.send(b"\x30\xff\xff\xff\xff")
        assert wire.until_closed() == 0x81


# --- certificates ------------------------------------------------------------------------------------------

OID_A, OID_B = (ObjectIdentifier(f"1.3.6.1.4.1.99999.{number}") for number in (1, 2))
SAN, CONSTRAINTS = ObjectIdentifier("2.5.29.17"), ObjectIdentifier("2.5.29.19")


def der_of(oid: ObjectIdentifier) -> bytes:
    return bytes.fromhex("2b06010401868d1f") + bytes([int(oid.dotted_string.rpartition(".")[2])])


STRANGE = {
    "version 4": ([], [(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03")]),
    "the same extension twice": (
        [x509.UnrecognizedExtension(OID_A, b"\x04\x00"), x509.UnrecognizedExtension(OID_B, b"\x04\x00")],
        [(der_of(OID_B), der_of(OID_A))],
    ),
    "alternative names of garbage": ([x509.UnrecognizedExtension(SAN, b"\xff\xff\xff")], []),
    "constraints of garbage": ([x509.UnrecognizedExtension(CONSTRAINTS, b"\x30\x01")], []),
    "a name that is not UTF-8": ([], [(b"stranger", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8")]),
    "a negative serial number": ([], [(b"\x02\x08\x11\x22\x33\x44", b"\x02\x08\xff\x22\x33\x44")]),
    "a date that is none": ([], [(b"200101000000Z", b"209999999999Z")]),
    "a very long name": ([x509.UnrecognizedExtension(OID_A, b"x" * 60000)], []),
}
"""What is strange → extensions, and bytes to be replaced afterwards."""


def strange_certificate(what: str, folder: Path) -> tuple[str, str]:
    extensions, replacements = STRANGE[what]
    key, key_pem = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0x1122334455667788)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    for old, new in replacements:
        assert old in der
        der = der.replace(old, new)
    (folder / "crt").write_text(ssl.DER_cert_to_PEM_cert(der))
    (folder / "key").write_bytes(key_pem)
    return str(folder / "crt"), str(folder / "key")


@pytest.mark.parametrize("what", STRANGE)
def test_strange_certificates(node, good, tmp_path, what):
    """TLS may let them through, for the registry decides; it has never seen them."""
    identity = strange_certificate(what, tmp_path)
    for version in (4, 5):
        try:
            wire = Wire(node.mqtt, node.ca, identity)
        except (ssl.SSLError, ConnectionError):
            continue
        with wire:
            try:
                assert wire.connect("stranger", version).code == 0x87
                assert version == 5
            except Closed:
                assert wire.received == 0


# --- silence -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["mqtt", "https"])
def test_silent_clients_are_timed_out_and_hold_up_nobody(node, good, port):
    address = node.address(port)
    started = time.monotonic()
    hello = client_hello()
    silent: dict[str, list] = {"in TCP": [], "in the handshake": [], "before CONNECT": [], "in CONNECT": []}
    for _ in range(20):
        silent["in TCP"].append(socket.create_connection(address, 5))
        half = socket.create_connection(address, 5)
        half.sendall(hello[: len(hello) // 2])
        silent["in the handshake"].append(half)
        silent["before CONNECT"].append(good.wire(address=address).sock)
        begun = good.wire(address=address)
        begun.send(connect_packet("begun")[:9])
        silent["in CONNECT"].append(begun.sock)
    assert_serves(good)
    with good.online("meanwhile") as wire:
        for what, socks in silent.items():
            for sock in socks:
                sock.settimeout(10)
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    assert not sock.recv(65536), what
                sock.close()
        assert time.monotonic() - started >= TIMEOUT
        wire.ping()


def test_a_client_that_says_one_byte_at_a_time(node, good):
    """In time it is accepted; dripping past the timeout it is cut, however busy it looks."""
    data = connect_packet("drip")
    with good.wire() as wire:
        for index in range(len(data)):
            wire.send(data[index : index + 1])
        assert wire.read().body == b"\x00\x00"
    with good.wire() as wire:
        started = time.monotonic()
        with pytest.raises(Closed):
            for index in range(len(data)):
                wire.send(data[index : index + 1])
                with contextlib.suppress(TimeoutError):
                    wire.read(within=0.2)
        assert wire.received == 0
        assert time.monotonic() - started >= TIMEOUT


def test_a_handshake_one_byte_at_a_time(node, good):
    """The patience of the handshake is for all of it."""
    with socket.create_connection(node.mqtt, 5) as sock:
        sock.settimeout(0.1)
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for byte in client_hello():
                sock.sendall(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(1):
                        break
            else:
                raise AssertionError("it was never cut")
        assert time.monotonic() - started >= TIMEOUT


# --- the process -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["mqtt.port", "https.port", "api.port"])
def test_a_port_in_use_is_named(tmp_path, setting):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-c", "from sekisho.cli import main; main()", "up"]
        command += ["--data", str(tmp_path / "node"), "--mqtt-port", "0", "--https-port", "0"]
        command += ["--api-port", "0", "--set", f"{setting}={port}"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ran.returncode == 1
    assert f"port {port} " in ran.stderr
    assert setting in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "node" / "endpoints.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_node_cleanly(tmp_path, number):
    """With clients that are connected, that do not read, that have said nothing, and that are in TLS."""
    with running(tmp_path / "node") as node:
        device = device_on(node, tmp_path)
        with (
            device.online("connected", 5) as connected,
            device.online("deaf") as deaf,
            device.wire(),
            socket.create_connection(node.mqtt, 5),
            socket.create_connection(node.address("https"), 5) as reset,
        ):
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            deaf.subscribe("flood", qos=0)
            for _ in range(20):
                connected.publish("flood", b"x" * 100_000)
            node.process.send_signal(number)
            assert connected.until_closed() == 0x8B
            assert node.process.wait(15) == 0
        assert "Traceback" not in node.log
        assert "[error" not in node.log
        # And it starts again on what it left.
        node.start()
        with device.online() as wire:
            wire.ping()
