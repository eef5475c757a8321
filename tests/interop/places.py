"""A node with settings of its own, clients for it, and a device that may do anything."""

from __future__ import annotations

import contextlib
import datetime
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from interop.devices import ANYTHING, Device, Factory
from interop.packets import packet, props, read_properties, read_text
from interop.wire import Wire
from nodes import Node, running

SESSION_EXPIRY, RECEIVE_MAXIMUM, ALIAS_MAXIMUM, PACKET_MAXIMUM = 0x11, 0x21, 0x22, 0x27
MESSAGE_EXPIRY, ALIAS, REASON_STRING = 0x02, 0x23, 0x1F

UNLIMITED = "mqtt.enforce_limits=false"


def long(name: int, value: int) -> bytes:
    """A property of four bytes."""
    return bytes([name]) + struct.pack("!I", value)


def short(name: int, value: int) -> bytes:
    """A property of two bytes."""
    return bytes([name]) + struct.pack("!H", value)


class Place:
    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        self.iot = node.client("iot")
        self.own = node.client("sekisho")
        self.device = Factory(node, self.iot, folder)
        self.anything: Device = self.device("anything", statements=ANYTHING)

    def online(self, client_id: str, version: int = 4, **more: Any) -> Wire:
        return self.anything.online(client_id, version, **more)

    def persistent(
        self, client_id: str, version: int = 4, *, clean: bool = False, expiry: int = 3600, **more: Any
    ) -> tuple[Wire, bool]:
        """A connection with a persistent session, and whether that was there before."""
        if version == 5:
            more["properties"] = long(SESSION_EXPIRY, expiry) + more.get("properties", b"")
        wire = self.anything.wire()
        answer = wire.connect(client_id, version, clean=clean, **more)
        assert answer.code == 0, f"CONNACK {answer.code:#x}"
        return wire, answer.session_present

    def subscribed_and_gone(self, client_id: str, *filters: str, version: int = 4, **more: Any) -> None:
        """Make a persistent session with subscriptions, and leave."""
        with self.persistent(client_id, version, **more)[0] as wire:
            assert max(wire.subscribe(*filters)) <= 1
            wire.disconnect()

    def refusals(self, client_id: str, **more: Any) -> list[dict[str, Any]]:
        return self.own.list_refusals(clientId=client_id, **more)["refusals"]

    @contextlib.contextmanager
    def later(self, **by: float) -> Iterator[None]:
        """Turn the civil clock on, for as long as the block lasts."""
        self.own.set_clock(advanceSeconds=datetime.timedelta(**by).total_seconds())
        try:
            yield
        finally:
            self.own.set_clock(reset=True)


@contextlib.contextmanager
def place(folder: Path, *settings: str) -> Iterator[Place]:
    with running(folder / "node", *settings) as node:
        yield Place(node, folder)


def disconnect(wire: Wire, properties: bytes) -> int | None:
    """An MQTT 5 DISCONNECT of reason 0 with properties; the reason of the node's own, if it sends one."""
    wire.send(packet(0xE0, b"\0" + props(5, properties)))
    return wire.until_closed()


def payloads(wire: Wire, count: int, within: float = 10.0) -> list[bytes]:
    """The payloads of the next messages."""
    return [wire.message(within).payload for _ in range(count)]


class Seen:
    """One PUBLISH with its flags."""

    def __init__(self, wire: Wire, within: float = 10.0) -> None:
        got, _ = wire.publication(within)
        self.dup, self.qos, self.retain = got.first >> 3 & 1, got.first >> 1 & 3, got.first & 1
        topic, at = read_text(got.body, 0)
        self.topic = topic.decode()
        self.packet_id = 0
        if self.qos:
            self.packet_id = int.from_bytes(got.body[at : at + 2])
            at += 2
        self.properties: dict[int, Any] = {}
        if wire.version == 5:
            self.properties, at = read_properties(got.body, at)
        self.payload = got.body[at:]
