"""A connection without a socket, on a loop whose time stands still."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from interop.packets import read_varint
from sekisho.broker.channel import Channel
from sekisho.broker.client import Client


class FrozenLoop(asyncio.SelectorEventLoop):
    """Its time is always the same: no timeout ever comes."""

    def time(self) -> float:
        return 0.0

    def within(self, deed: Callable[[], None]) -> None:
        """Do something as if a socket had called for it."""

        async def body() -> None:
            deed()

        if self.is_running():
            deed()
        else:
            self.run_until_complete(body())


class Pipe(Channel):
    """A connection's transport, as `sekisho.broker.transport.TlsTransport` is one. What is written to it
    arrives at the end of the turn."""

    def __init__(self, loop: FrozenLoop, arrived: Any, gone: Any) -> None:
        super().__init__(65536)
        self.lost = False
        self.protocol: Client
        self._loop = loop
        self._arrived = arrived
        self._gone = gone
        self._out: list[bytes] = []
        self._size = 0
        self._closing = False
        self._reading = True
        self._paused = False
        self._in: deque[bytes | None] = deque()

    # --- the node's side -----------------------------------------------------------------------------------

    def limit_writes(self, high_water: int) -> None:
        self.high_water = high_water

    def write(self, data: bytes) -> None:
        if self.lost or self._closing or not data:
            return
        if not self._out:
            self._loop.call_soon(self.flush)
        self._out.append(data)
        self._size += len(data)
        if self._size > self.high_water and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def offer(self, data: bytes) -> bool:
        if self._size > self.high_water or self.is_closing():
            return False
        self.write(data)
        return True

    def get_write_buffer_size(self) -> int:
        return self._size

    def flush(self) -> None:
        if self.lost:
            return
        out, self._out, self._size = b"".join(self._out), [], 0
        if out:
            self._arrived(out)
        if self._closing:
            self._lose()
        elif self._paused:
            self._paused = False
            self.protocol.resume_writing()

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading and not self.is_closing():
            self._reading = True
            self._loop.call_soon(self._deliver)

    def is_reading(self) -> bool:
        return self._reading

    def close(self) -> None:
        if self.is_closing():
            return
        self._closing = True
        self._reading = False
        self.flush()

    def abort(self) -> None:
        self._lose()

    def is_closing(self) -> bool:
        return self._closing or self.lost

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._out, self._size = [], 0
            self._in.clear()
            self._gone()
            self.protocol.connection_lost(None)

    # --- the device's side ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        self._in.append(data)
        self._loop.within(self._deliver)

    def hang_up(self) -> None:
        """The socket goes; the node finds out when it has read what came before."""
        self._in.append(None)
        self._loop.within(self._deliver)

    @property
    def all_read(self) -> bool:
        """Whether the node has handled all that it was sent."""
        return not self._in and not self.protocol._backlog and not self.protocol._busy

    def cut(self) -> None:
        """The node has died."""
        self.lost = True
        self._gone()

    def _deliver(self) -> None:
        while self._in and self._reading and not self.is_closing():
            data = self._in.popleft()
            if data is None:
                self._lose()
            else:
                self.protocol.data_received(data)


def frames(buffer: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole packets at the beginning of a buffer, as (first byte, body), and what is left."""
    found = []
    while len(buffer) >= 2:
        width = next((n for n in range(1, 5) if n < len(buffer) and buffer[n] < 0x80), 0)
        if not width:
            break
        size, at = read_varint(buffer, 1)
        if len(buffer) < at + size:
            break
        found.append((buffer[0], buffer[at : at + size]))
        buffer = buffer[at + size :]
    return found, buffer
