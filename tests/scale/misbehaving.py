"""Devices that behave, and all the ways not to."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from interop.devices import ANYTHING, Device, Factory
from interop.packets import connect_packet
from interop.wire import tls_context
from nodes import Node
from scale.crowd import GONE, Member
from scale.hostility import MIB, anything, client_hello, framed, lawful, unlawful

PAIRS = 20
EACH = 150
"""Messages of each QoS that a pair exchanges."""

PACE = 0.1
"""Seconds between a pair's messages: within AWS's rate, and long enough for everything else to happen."""

STORM = 1000
IMPOSTORS = 5
"""Client ids that the smaller storm shares."""

SMALLER = 300

IMPOSTURE = 30.0
"""Seconds in which a client id that was refused for its rate is accepted again."""

CONNECT_TIMEOUT = 20
"""Seconds: a thousand handshakes at once take a while on two cores, and who drips must be cut in the end."""

DEAF = 5
KEPT = 262_144
"""Bytes that may wait for a slow reader (mqtt.limits.outbound_bytes)."""

FLOODERS = 16
BIG = 130_000
"""Bytes of a flooder's message: four of them are what AWS lets a connection send in a second."""

FLOOD = 64 * MIB
"""What the deaf have been sent when it is looked how much of it the node has kept."""


class Place:
    """A node, its good and its bad devices, and what they did."""

    def __init__(self, node: Node, folder: Path, seed: int) -> None:
        make = Factory(node, node.client("iot"), folder)
        self.node = node
        self.own = node.client("sekisho")
        self.good: Device = make("good", statements=ANYTHING)
        self.bad: Device = make("bad", statements=ANYTHING)
        self.chance = random.Random(seed)
        self.threads = ThreadPoolExecutor(8)
        self.contexts = {id(d): tls_context(node.ca, d.identity) for d in (self.good, self.bad)}
        self.flooded = asyncio.Event()
        self.over = asyncio.Event()
        self.did: dict[str, int] = {}
        self.taken: dict[int, int] = {}
        """Flooder -> bytes for which it has PUBACKs."""

    def count(self, what: str, by: int = 1) -> None:
        self.did[what] = self.did.get(what, 0) + by

    async def member(self, device: Device, client_id: str, **more: Any) -> Member:
        return await Member.connect(self.node.mqtt, self.contexts[id(device)], client_id, **more)

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)


# --- those who behave --------------------------------------------------------------------------------------


async def pair(place: Place, number: int, ready: asyncio.Barrier) -> None:
    """Each QoS 1 message is acknowledged and arrives; each QoS 0 message arrives; both once and in order."""
    topic = f"good/{number}"
    reader = await place.member(place.good, f"reader-{number}")
    writer = await place.member(place.good, f"writer-{number}")
    await reader.subscribe(topic)
    reader.listen()
    writer.listen()
    await ready.wait()
    wanted = [b"%d" % count for count in range(EACH)]
    for count, payload in enumerate(wanted):
        await writer.publish(topic, payload, 0)
        await writer.publish(topic, payload, 1, count + 1)
        await asyncio.sleep(PACE)
    await writer.until(lambda: len(writer.acknowledged) == EACH)
    await reader.until(lambda: len(reader.got[1]) >= EACH and len(reader.got[0]) >= EACH)
    assert reader.got == {0: wanted, 1: wanted}
    await writer.leave()
    await reader.leave()


# --- those who do not --------------------------------------------------------------------------------------


async def deaf(place: Place, number: int) -> None:
    """Subscribes to the flood, and reads no more."""
    member = await place.member(place.bad, f"deaf-{number}", deaf=True)
    await member.subscribe("flood/#", qos=number % 2)
    member.writer.transport.pause_reading()
    place.count("deaf")
    await place.over.wait()
    await member.cut_at_once()


async def flood(place: Place, number: int) -> None:
    """Publishes to the deaf more bytes than a connection may; its PUBACKs are read."""
    member = await place.member(place.bad, f"flood-{number}")
    member.listen()
    sent = 0
    while not place.over.is_set():
        await member.publish("flood/x", b"%d" % sent + b"x" * BIG, 1, sent + 1)
        sent += 1
        # Not much beyond the bytes of a second: what is in the sockets' buffers is still read afterwards.
        await asyncio.sleep(1.0 if place.flooded.is_set() else 0.2)
        assert member.ended is None, f"a flooder was cut: {member.ended!r}"
        place.taken[number] = len(member.acknowledged) * BIG
    await member.cut_at_once()


async def spill(place: Place) -> None:
    """Publishes more messages than a connection may, to nobody."""
    member = await place.member(place.bad, "spill")
    member.listen()
    sent = 0
    while not place.over.is_set():
        sent += 1
        await member.publish("spilt", b"x", sent % 2, sent % 0xFFFF + 1 if sent % 2 else 0)
        await asyncio.sleep(0.002)
        assert member.ended is None, f"a flooder was cut: {member.ended!r}"
    place.count("spilt", sent)
    await member.cut_at_once()


async def storm(place: Place, count: int, name: Callable[[int], str]) -> None:
    """All at once; some are refused or taken over, which is the node's right."""

    async def one(number: int) -> None:
        try:
            member = await place.member(place.bad, name(number))
        except GONE as error:
            place.count(f"storm refused: {type(error).__name__}")
            return
        place.count("storm accepted")
        members.append(member)

    members: list[Member] = []
    await asyncio.gather(*(one(number) for number in range(count)))
    for member in members:
        if place.chance.randrange(2):
            await member.leave()
        else:
            member.cut()


async def take_over(place: Place, number: int) -> None:
    """Two connections with one client id, the second as soon as the rate of CONNECT allows it."""
    held: list[Member] = []
    async with asyncio.timeout(IMPOSTURE):
        while len(held) < 2:
            try:
                held.append(await place.member(place.bad, f"usurper-{number}"))
            except GONE:
                await asyncio.sleep(0.1)
    with pytest.raises(GONE):
        await held[0].packet()
    place.count("usurped")
    held[0].cut()
    await held[1].leave()


async def half_close(place: Place, number: int) -> None:
    """Says that nothing more will come, and waits: the node closes, too."""

    def work() -> None:
        wire = place.bad.online(f"half-{number}")
        with contextlib.closing(wire.sock):
            socket.socket.shutdown(wire.sock, socket.SHUT_WR)
            wire.sock.settimeout(40)
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                assert wire.sock.recv(1) == b""

    await place.in_thread(work)
    place.count("half-closed")


async def garbage(place: Place, number: int) -> None:
    """A good CONNECT, and then anything."""
    chance = random.Random(place.chance.random())

    def work() -> None:
        version = chance.choice((4, 5))
        wire = place.bad.wire()
        with wire:
            wire.sock.settimeout(40)
            data = connect_packet(f"garbage-{number}", version)
            for _ in range(chance.randrange(1, 5)):
                known = lawful(version) + unlawful(version)
                data += framed(chance.choice(known), chance) if chance.randrange(2) else anything(chance)
            wire.send(data + b"\x00" * 16)  # packet type 0: whatever came before, this is the end
            wire.until_closed(1)

    with contextlib.suppress(TimeoutError):  # the last packet's length may make it wait for more
        await place.in_thread(work)
    place.count("garbage")


async def broken_handshake(place: Place, number: int) -> None:
    """Half a ClientHello, or a whole one and no more, then a close or a reset."""
    hello = client_hello()
    part = hello[: place.chance.choice((1, len(hello) // 2, len(hello)))]
    reset = place.chance.randrange(2)

    def work() -> None:
        with socket.create_connection(place.node.mqtt, 20) as sock:
            sock.sendall(part)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    await place.in_thread(work)
    place.count("broken handshakes")


async def drip(place: Place, number: int) -> None:
    """A byte at a time, in the handshake or in CONNECT, until the node has had enough."""
    data = client_hello() if number % 2 else connect_packet(f"drip-{number}")
    host, port = place.node.mqtt
    context = None if number % 2 else place.contexts[id(place.bad)]
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=None if context is None else "localhost"
    )
    with contextlib.suppress(*GONE):
        for byte in data[:-1]:
            writer.write(bytes([byte]))
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                if not await asyncio.wait_for(reader.read(100), 0.2):
                    break
        else:
            await asyncio.wait_for(reader.read(), 2 * CONNECT_TIMEOUT)
    writer.transport.abort()
    place.count("drips")
