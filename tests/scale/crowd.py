"""Many devices in one loop: connections made of bytes, as in :mod:`interop.wire`, without threads."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

from interop.packets import (
    CONNACK,
    PUBACK,
    PUBLISH,
    SUBACK,
    connect_packet,
    packet,
    publish_packet,
    read_text,
    subscribe_packet,
)

PATIENCE = 60.0
"""Seconds for one answer while the node and its clients share two cores with a thousand others."""

GONE = (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError)


class Member:
    """A connection of MQTT 3.1.1 that acknowledges what it gets, unless it is told not to read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.got: dict[int, list[bytes]] = {0: [], 1: []}
        """Payloads by QoS, in the order in which they came."""
        self.acknowledged: set[int] = set()
        """Packet identifiers of PUBACKs."""
        self.changed = asyncio.Event()
        self.ended: BaseException | None = None
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls,
        address: tuple[str, int],
        context: ssl.SSLContext,
        client_id: str,
        *,
        version: int = 4,
        deaf: bool = False,
        **more: Any,
    ) -> Member:
        """Accepted, else one of :data:`GONE`. ``deaf`` takes in as little as it can."""
        sock = socket.socket()
        if deaf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
            reader, writer = await asyncio.open_connection(
                sock=sock,
                ssl=context,
                server_hostname="localhost",
                ssl_handshake_timeout=PATIENCE,
                limit=1024 if deaf else 1 << 16,
            )
        except BaseException:
            sock.close()
            raise
        member = cls(reader, writer)
        try:
            await member.send(connect_packet(client_id, version, **more))
            first, body = await asyncio.wait_for(member.packet(), PATIENCE)
            if first >> 4 != CONNACK or body[1]:
                raise ConnectionRefusedError(f"CONNACK {body.hex()}")
        except BaseException:
            member.cut()
            raise
        return member

    async def packet(self) -> tuple[int, bytes]:
        first = (await self.reader.readexactly(1))[0]
        size = shift = 0
        while True:
            digit = (await self.reader.readexactly(1))[0]
            size |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                return first, await self.reader.readexactly(size)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def subscribe(self, topic: str, qos: int = 1) -> None:
        await self.send(subscribe_packet([topic], qos=qos))
        first, body = await asyncio.wait_for(self.packet(), PATIENCE)
        assert first >> 4 == SUBACK and body[-1] == qos

    def listen(self) -> None:
        """Read from now on."""
        self._reading = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        try:
            while True:
                first, body = await self.packet()
                if first >> 4 == PUBLISH:
                    await self._message(first, body)
                elif first >> 4 == PUBACK:
                    self.acknowledged.add(int.from_bytes(body[:2]))
                self.changed.set()
        except Exception as error:
            self.ended = error
            self.changed.set()

    async def _message(self, first: int, body: bytes) -> None:
        qos = first >> 1 & 3
        _, at = read_text(body, 0)
        if qos:
            await self.send(packet(0x40, body[at : at + 2]))
            at += 2
        self.got[qos].append(body[at:])

    async def publish(self, topic: str, payload: bytes, qos: int, packet_id: int = 0) -> None:
        await self.send(publish_packet(topic, payload, qos=qos, packet_id=packet_id))

    async def until(self, found: Any, within: float = PATIENCE) -> None:
        """Wait for what comes to make something true; the error, when the connection ended instead."""
        async with asyncio.timeout(within):
            while not found():
                if self.ended is not None:
                    raise self.ended
                self.changed.clear()
                await self.changed.wait()

    async def leave(self) -> None:
        """DISCONNECT, and the end of the socket."""
        with contextlib.suppress(*GONE):
            await self.send(packet(0xE0, b""))
        self.cut()

    async def cut_at_once(self) -> None:
        """Cut, and come back when the socket is closed: a loop that ends leaves it open otherwise."""
        self.cut()
        with contextlib.suppress(*GONE):
            await self.writer.wait_closed()

    def cut(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self.writer.transport.abort()
