"""Everybody misbehaves at once, and those who behave notice nothing.

Twenty pairs exchange numbered messages while others stall, flood, half-close, come back in storms, talk
garbage, drop their handshakes and drip. The seed is printed; SEKISHO_SEED chooses another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import socket
import ssl
import struct
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from interop.devices import ANYTHING, Device, Factory
from interop.wire import connect_packet, tls_context
from nodes import Node, running
from scale.crowd import GONE, PATIENCE, Member
from scale.hostility import MIB, anything, assert_quiet, client_hello, framed, lawful, rss, unlawful

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

SLACK = 24 * MIB
"""Journals (bounded in number), SQLite's pages, fragmentation."""

PACKET = 149_504
"""The largest packet (docs/mqtt.md)."""

# What the node may need at most beyond what it needs with the pairs alone, once the flood is high:
MOST_IN_FLOOD = (
    DEAF * 3 * KEPT  # what waits for the deaf: to be written, for a window, and in a TLS record's making
    + FLOODERS * 2 * PACKET  # read, and not yet given out
    + SLACK
)
# and after a storm:
MOST = (
    MOST_IN_FLOOD
    + STORM * 128 * 1024  # 48 KiB each when idle, more while the handshake and CONNECT are under way
    + SLACK
)


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


# --- the test ----------------------------------------------------------------------------------------------


def descriptors(node: Node) -> int:
    assert node.process is not None
    return len(list(Path(f"/proc/{node.process.pid}/fd").iterdir()))


def counters(node: Node) -> dict[str, float]:
    """The node's own numbers, as Prometheus reads them."""
    with urllib.request.urlopen(f"http://{node.endpoints['api']}/_sekisho/metrics", timeout=20) as answer:
        found = re.findall(r"^sekisho_(\w+?)(?:_total)? ([\d.e+]+)$", answer.read().decode(), re.MULTILINE)
    return {name: float(value) for name, value in found}


def refusals(place: Place, **by: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = place.own.list_refusals(**by, **({"nextToken": token} if token else {}))
        found += page["refusals"]
        token = page.get("nextToken") or ""
        if not token or len(found) > 20_000:
            return found


def ends(place: Place, client_id: str) -> list[str]:
    page = place.own.list_connections(clientId=client_id)
    return [row["disconnectReason"] for row in page["connections"] if not row["live"]]


async def comes_to_rest(place: Place, before: int) -> None:
    """No connection is left, and not one descriptor more than before."""
    left: tuple[float, int] = (-1, -1)
    for _ in range(300):
        left = (counters(place.node)["connections"], descriptors(place.node))
        if left[0] == 0 and left[1] <= before:
            return
        await asyncio.sleep(0.1)
    who = [row["clientId"] for row in place.own.list_connections(live=True)["connections"]]
    raise AssertionError(f"{left[0]} connections {who}, {left[1]} descriptors are left, {before} before")


class Growth:
    """How much more memory the node has had than at the beginning, in bytes, at most."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._before = rss(node)
        self.in_flood = 0
        self.most = 0

    def look(self, flooded: bool) -> None:
        self.most = max(self.most, rss(self._node) - self._before)
        if not flooded:
            self.in_flood = self.most


async def chaos(place: Place) -> Growth:
    ready = asyncio.Barrier(PAIRS + 1)

    async def misbehave() -> None:
        await place.flooded.wait()
        works: list[Awaitable[None]] = [half_close(place, n) for n in range(40)]
        works += [garbage(place, n) for n in range(100)]
        works += [broken_handshake(place, n) for n in range(300)]
        works += [take_over(place, n) for n in range(IMPOSTORS)]
        place.chance.shuffle(works)
        await storm(place, STORM, lambda n: f"storm-{n}")
        await asyncio.gather(*works)
        await storm(place, SMALLER, lambda n: f"impostor-{n % IMPOSTORS}")

    async with asyncio.TaskGroup() as group:
        pairs = [group.create_task(pair(place, number, ready)) for number in range(PAIRS)]
        await ready.wait()
        growth = Growth(place.node)
        others = [group.create_task(deaf(place, n)) for n in range(DEAF)]
        async with asyncio.timeout(PATIENCE):
            while place.did.get("deaf", 0) < DEAF:
                await asyncio.sleep(0.05)
        others += [group.create_task(flood(place, n)) for n in range(FLOODERS)]
        others.append(group.create_task(spill(place)))
        finite = [*pairs, group.create_task(misbehave())]
        finite += [group.create_task(drip(place, n)) for n in range(20)]
        while not all(task.done() for task in finite):
            growth.look(place.flooded.is_set())
            if sum(place.taken.values()) >= FLOOD:
                place.flooded.set()
            await asyncio.sleep(0.2)
        place.over.set()
    place.threads.shutdown()
    return growth


@contextlib.contextmanager
def chaotic(folder: Path, limits: bool) -> Iterator[Node]:
    with running(
        folder / "node",
        f"mqtt.enforce_limits={str(limits).lower()}",
        f"mqtt.limits.connect_timeout={CONNECT_TIMEOUT}",
        f"mqtt.limits.outbound_bytes={KEPT}",
    ) as node:
        yield node


@pytest.mark.timeout(300)
@pytest.mark.parametrize("limits", [True, False], ids=["limits", "no limits"])
def test_those_who_behave_notice_nothing(tmp_path, limits):
    seed = int(os.environ.get("SEKISHO_SEED", "1"))
    print(f"seed {seed}")
    with chaotic(tmp_path, limits) as node:
        place = Place(node, tmp_path, seed)
        counters(node)  # what the API opens on its first request is not a leak
        base = descriptors(node)
        growth = asyncio.run(chaos(place))
        print(f"in the flood {growth.in_flood / MIB:.0f} MiB more, of {MOST_IN_FLOOD / MIB:.0f};", end=" ")
        print(f"in all {growth.most / MIB:.0f}, of {MOST / MIB:.0f}; {place.did}; {counters(node)}")
        assert growth.in_flood < MOST_IN_FLOOD
        assert growth.most < MOST

        asyncio.run(comes_to_rest(place, base))
        assert_quiet(node)

        # And the node says what happened.
        numbers = counters(node)
        assert numbers["accepted"] >= 2 * PAIRS + DEAF + place.did["storm accepted"]
        assert set(ends(place, "writer-0")) == {"CLIENT_INITIATED_DISCONNECT"}
        # who is deaf, and who floods
        assert numbers["dropped"] * BIG > FLOOD, "most of the flood, for each of the deaf"
        for client_id in ("deaf-0", "deaf-1", "flood-0", "spill"):
            assert set(ends(place, client_id)) == {"CONNECTION_LOST"}
        told = [one["reason"] for one in refusals(place, clientId="spill")]
        if limits:
            assert numbers["throttled"] > 0
            assert any("messages a second" in reason for reason in told), told
        else:
            assert (numbers["throttled"], told) == (0, [])
        # garbage, and who half-closes
        reasons = [reason for n in range(100) for reason in ends(place, f"garbage-{n}")]
        assert reasons.count("CLIENT_ERROR") > 25, reasons
        told = [one["reason"] for n in range(20) for one in refusals(place, clientId=f"garbage-{n}")]
        assert told, "what was wrong with the garbage"
        assert set(ends(place, "half-0")) == {"CONNECTION_LOST"}
        # storms
        assert set(ends(place, "storm-1")) <= {"CONNECTION_LOST", "CLIENT_INITIATED_DISCONNECT"}
        assert place.did["usurped"] == IMPOSTORS
        for n in range(IMPOSTORS):
            assert "DUPLICATE_CLIENTID" in ends(place, f"usurper-{n}")
        if limits:
            assert any("THROTTLED" in one["reason"] for one in refusals(place, clientId="impostor-0"))
        else:
            impostors = [reason for n in range(IMPOSTORS) for reason in ends(place, f"impostor-{n}")]
            assert "DUPLICATE_CLIENTID" in impostors
        # handshakes that were broken off, and who dripped
        assert numbers["unopened"] >= place.did["broken handshakes"] + place.did["drips"]
