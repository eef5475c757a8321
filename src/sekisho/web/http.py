"""uvicorn's HTTP protocol on our own transports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

IDLE = 75.0
"""Seconds without a byte after which an HTTP connection is cut."""

HEADERS_LIMIT = 32768


class HttpServer:
    """Makes protocol objects for an ASGI app; h11, because it bounds what it buffers."""

    def __init__(self, app: Any, tick: Callable[[], float]) -> None:
        self._config = Config(
            app,
            http=H11Protocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=HEADERS_LIMIT,
            timeout_keep_alive=int(IDLE),
        )
        self._config.load()
        self._state = ServerState()
        self._tick = tick

    def protocol(self, state: dict[str, Any]) -> HttpConnection:
        """``state`` is what the app finds as ``scope["state"]``: the peer of a TLS connection."""
        return HttpConnection(self._config, self._state, state, self._tick)

    async def close(self) -> None:
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=2.0)


class JoinedWrites:
    """A transport that writes what one turn of the loop brought at once: an answer's head and body leave
    together, so that no client takes a head whose body was never sent for an empty answer."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            asyncio.get_running_loop().call_soon(self._flush)
        self._parts.append(data)

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        self._flush()
        self._transport.close()


class HttpConnection(H11Protocol):
    """uvicorn's protocol, with a deadline that bounds a client that sends slowly or not at all."""

    def __init__(
        self, config: Config, server_state: ServerState, state: dict[str, Any], tick: Callable[[], float]
    ) -> None:
        super().__init__(config, server_state, state)
        self._tick = tick
        self.deadline: float | None = tick() + IDLE

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast(asyncio.Transport, JoinedWrites(transport)))

    def data_received(self, data: bytes) -> None:
        self.deadline = self._tick() + IDLE
        super().data_received(data)

    def resume_writing(self) -> None:
        # Who takes a large answer says nothing meanwhile, but that it takes it.
        self.deadline = self._tick() + IDLE
        super().resume_writing()

    def timed_out(self) -> None:
        self.transport.abort()
