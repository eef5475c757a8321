"""What hostile clients say, and how to see what a node makes of it."""

from __future__ import annotations

import contextlib
import random
import ssl
import threading
from pathlib import Path

from interop.devices import ANYTHING, Factory
from interop.packets import (
    Will,
    connect_packet,
    packet,
    publish_packet,
    read_varint,
    subscribe_packet,
    unsubscribe_packet,
)

PINGREQ = b"\xc0\x00"
MIB = 1024 * 1024


def device_on(node, folder: Path):
    """A device that may do anything."""
    return Factory(node, node.client("iot"), folder)("good", statements=ANYTHING)


def assert_quiet(node, known: int = 0) -> None:
    """It runs, and what it has logged beyond ``known`` characters tells of no trouble of its own."""
    assert node.process.poll() is None
    for word in ("Traceback", "[error", "[critical"):
        assert word not in node.log[known:]


CONNECTS = [
    connect_packet("fuzz", 4, will=Will("w/t", b"gone", 1)),
    connect_packet("fuzz", 5, will=Will("w/t", b"gone", 1), properties=b"\x11\x00\x00\x00\x0a\x22\x00\x08"),
]


def lawful(version: int) -> list[bytes]:
    """What a client may say."""
    properties = {"properties": b"\x26\x00\x01k\x00\x01v" if version == 5 else b""}
    return [
        publish_packet("a/b", b"x" * 40, version, **properties),
        publish_packet("a/ü", bytes(range(256)), version, qos=1, packet_id=7, **properties),
        publish_packet("$aws/certificates/create-from-csr/json", b"{}", version, qos=1, packet_id=8),
        publish_packet("a", b"", version, properties=b"\x23\x00\x03" if version == 5 else b""),
        subscribe_packet(["a/#", "+/b", "$share/g/x", "$aws/events/#"], version, packet_id=1),
        unsubscribe_packet(["a/#", "never"], version, packet_id=2),
        packet(0x40, b"\x00\x07"),
        PINGREQ,
    ]


def unlawful(version: int) -> list[bytes]:
    """What ends the connection: QoS 2, RETAIN, AUTH, what only a server says, and DISCONNECT."""
    return [
        publish_packet("r", b"", version, retain=True),
        publish_packet("q", b"", version, qos=2, packet_id=9),
        packet(0x62, b"\x00\x07"),
        packet(0xE0, b"\x04\x00" if version == 5 else b""),
        packet(0xF0, b"\x18\x00"),
        packet(0x20, b"\x00\x00"),
    ]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, dropped, doubled or put in."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(5):
            case 0 if at < len(out):
                out[at] = chance.randrange(256)
            case 1 if at < len(out):
                out[at] ^= 1 << chance.randrange(8)
            case 2 if at < len(out):
                del out[at : at + chance.randrange(1, 4)]
            case 3:
                out[at:at] = chance.randbytes(chance.randrange(1, 4))
            case _:
                out[at:at] = out[at : at + 8]
    return bytes(out)


def framed(data: bytes, chance: random.Random) -> bytes:
    """A mutated packet whose length is right, so that the connection may survive it."""
    _, start = read_varint(data, 1)
    first = data[0] if chance.randrange(20) else chance.randrange(256)
    return packet(first, mutated(data[start:], chance))


def anything(chance: random.Random) -> bytes:
    """A string of any kind: random, mutated, truncated, oversized."""
    version = chance.randrange(2)
    known = [CONNECTS[version], *lawful(4 + version), *unlawful(4 + version)]
    match chance.randrange(4):
        case 0:
            return chance.randbytes(chance.randrange(1, 200))
        case 1:
            data = chance.choice(known)
            return data[: chance.randrange(len(data) + 1)]
        case 2:
            return (
                bytes([chance.randrange(256)]) + b"\xff\xff\xff" + chance.choice((b"\x7f", b"\xff", b"\x00"))
            )
        case _:
            return mutated(chance.choice(known), chance)


def in_parallel(*works) -> None:
    failures = []

    def guarded(work) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def rss(node) -> int:
    """Bytes of memory that the node has."""
    for line in Path(f"/proc/{node.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")
