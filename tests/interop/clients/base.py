"""What every client must be able to do, whoever wrote it, and the line by which it reaches the node.

A new client is one more class below ``Client`` and one more line in the table in ``__init__``.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import queue
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from interop.devices import Device
from interop.packets import Will
from interop.sockets import REGION, credentials, presigned
from interop.wire import PATIENCE

EXPIRY = 3600
"""Seconds for which an MQTT 5 client asks that its session be kept; a 3.1.1 client cannot ask."""


class Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool


class Loop:
    """An event loop in a thread of its own, for what is asynchronous."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns or raises; TimeoutError after ``PATIENCE``."""
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, PATIENCE), self.loop).result()

    def close(self) -> None:
        async def end() -> None:
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(PATIENCE)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()


class Line:
    """A port of loopback that leads to the node, until it is cut: as if somebody had pulled the plug.

    Libraries hide their sockets, so this is the one way to make any of them vanish without a DISCONNECT.
    """

    def __init__(self, loop: Loop, target: tuple[str, int]) -> None:
        self._loop = loop
        self._target = target
        self._up = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server = loop.run(asyncio.start_server(self._carry, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """End every connection, and each new one at once."""

        async def cut() -> None:
            self._up = False
            for writer in self._writers:
                writer.transport.abort()

        self._loop.run(cut())

    def mend(self) -> None:
        self._up = True

    def close(self) -> None:
        self.cut()

        async def close() -> None:
            self._server.close()

        self._loop.run(close())

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            if self._up:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
                self._writers |= {writer, far_writer}
                if self._up:
                    await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
                self._writers -= {writer, far_writer}
                far_writer.transport.abort()
        writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@dataclass
class Door:
    """Everything that a client is told about the node and about itself."""

    device: Device
    line: Line
    host: str = "localhost"

    @property
    def port(self) -> int:
        return self.line.port

    @property
    def ca(self) -> str:
        return str(self.device.node.ca)

    @property
    def certificate(self) -> str:
        return str(self.device.certificate)

    @property
    def key(self) -> str:
        return str(self.device.key)

    @property
    def keys(self) -> tuple[str, str]:
        """The access key and its secret, for SigV4."""
        found = credentials(self.device.node)
        return found.access_key, found.secret_key

    @property
    def region(self) -> str:
        return REGION

    @property
    def signed_path(self) -> str:
        """A path for WebSocket that botocore has signed for this line."""
        return presigned(self.device.node, host=f"{self.host}:{self.port}")


class Client(abc.ABC):
    """A connection of somebody's client, made when the object is: CONNECT, CONNACK, SUBSCRIBE, SUBACK.

    Every wait is bounded by ``PATIENCE``; a refusal raises whatever the library raises.
    """

    session_present: bool | None = None
    """What the CONNACK said; None if the library does not tell."""

    withdraws_will = True
    """Whether it leaves with a DISCONNECT that says that its will is not to be published."""

    def __init__(
        self,
        door: Door,
        version: int,
        client_id: str,
        *filters: str,
        qos: int = 1,
        clean: bool = True,
        will: Will | None = None,
    ) -> None:
        """``clean``: no session before, none after; else one that MQTT 5 keeps for ``EXPIRY``."""
        self.door = door
        self.version = version
        self.client_id = client_id
        self.inbox: queue.Queue[Message] = queue.Queue()
        try:
            self.open(clean, will)
            for filter in filters:
                granted = self.subscribe(filter, qos)
                assert granted == qos, f"SUBACK {granted:#x}"
        except BaseException:
            with contextlib.suppress(Exception):
                self.disconnect()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.disconnect()

    @abc.abstractmethod
    def open(self, clean: bool, will: Will | None) -> None:
        """Connect; from the CONNACK on, every message goes to the inbox."""

    @abc.abstractmethod
    def subscribe(self, filter: str, qos: int) -> int:
        """The code of the SUBACK."""

    @abc.abstractmethod
    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        """QoS 1: comes back when the PUBACK is there."""

    @abc.abstractmethod
    def disconnect(self) -> None:
        """DISCONNECT, if there still is a connection; then nothing is left of the client. May be repeated."""

    def message(self, within: float = PATIENCE) -> Message:
        """The next message."""
        return self.inbox.get(timeout=within)

    def messages(self, count: int) -> Iterator[Message]:
        return (self.message() for _ in range(count))
