"""HTTP/1.1 on our own transports: ordinary requests by ourselves, every other by uvicorn with h11."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import unquote

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from sekisho.web.exchange import Exchange
from sekisho.web.ordinary import LONGEST_BODY, LONGEST_HEAD, Head, read_head

IDLE = 75.0
"""Seconds without a byte after which an HTTP connection is cut."""

AHEAD = LONGEST_HEAD + LONGEST_BODY
"""Bytes behind a request that are kept while it is answered; then reading pauses."""


BOTH = frozenset({b"content-length", b"transfer-encoding"})


class HttpServer:
    """Makes protocol objects for an ASGI app; h11 for the rest, as it bounds what it buffers."""

    def __init__(self, app: Any, tick: Callable[[], float]) -> None:
        self.config = Config(
            one_length(app),
            http=H11Protocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=LONGEST_HEAD,
            timeout_keep_alive=int(IDLE),
        )
        self.config.load()
        self.app = app
        self.state = ServerState()
        self.tick = tick
        self.connections: set[HttpConnection] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    def protocol(self, state: dict[str, Any]) -> HttpConnection:
        """``state`` is what the app finds as ``scope["state"]``: the peer of a TLS connection."""
        return HttpConnection(self, state)

    async def close(self) -> None:
        for connection in list(self.connections):
            connection.shutdown()
        tasks = [*self.tasks, *self.state.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=2.0)


def one_length(app: Any) -> Any:
    """Refuse a request that tells its length in both ways, which h11 takes: somebody on the way may have read
    it by the other (RFC 9112, 6.3)."""

    async def checked(scope: Any, receive: Any, send: Any) -> None:
        if {name for name, _ in scope["headers"]} >= BOTH:
            fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 400, "headers": fields})
            await send({"type": "http.response.body", "body": b"Content-Length beside Transfer-Encoding."})
            return
        await app(scope, receive, send)

    return checked


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


class HttpConnection(asyncio.Protocol):
    """A connection that is ours until something comes that is not an ordinary request; from there on it is
    uvicorn's. A deadline bounds a client that sends slowly or not at all.
    """

    def __init__(self, server: HttpServer, state: dict[str, Any]) -> None:
        self._server = server
        self._state = state
        self._transport: Any = None
        self._scope: dict[str, Any] = {}
        self._buffer = bytearray()
        self._head: Head | None = None
        """The request whose body is still to come."""
        self._exchange: Exchange | None = None
        self._closing = False
        self._reading = True
        self._may_write: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._other: H11Protocol | None = None
        self._head_until: float | None = None
        self.deadline: float | None = server.tick() + IDLE

    # --- what the transport calls --------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._server.connections.add(self)
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "scheme": "https" if is_ssl(transport) else "http",
            "root_path": "",
        }
        self._timer = asyncio.get_running_loop().call_later(IDLE, self._look)

    def data_received(self, data: bytes) -> None:
        self.deadline = self._server.tick() + IDLE
        if self._other is not None:
            self._other.data_received(data)
            self._bound_head(self._other)
            return
        self._buffer += data
        if self._exchange is None:
            self._next()
        elif len(self._buffer) > AHEAD and self._reading:
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """The transport closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._other is not None:
            self._other.connection_lost(exc)
        if self._exchange is not None:
            self._exchange.gone()
        if self._may_write is not None:
            self._may_write.set()

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.pause_writing()
        else:
            self._may_write = asyncio.Event()

    def resume_writing(self) -> None:
        # Who takes a large answer says nothing meanwhile, but that it takes it.
        self.deadline = self._server.tick() + IDLE
        if self._other is not None:
            self._other.resume_writing()
        elif self._may_write is not None:
            self._may_write.set()
            self._may_write = None

    def timed_out(self) -> None:
        self._transport.abort()

    # --- requests ------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """Close when what is under way has been answered."""
        self._closing = True
        if self._other is not None:
            self._other.shutdown()
        elif self._exchange is None:
            self._transport.close()

    def _next(self) -> None:
        """Take the request that has come, if it is whole."""
        head = self._head or read_head(self._buffer)
        if head is None:
            self._hand_over()
            return
        end = head.start + head.length
        if len(self._buffer) < end:
            self._head = head
            return
        body = bytes(self._buffer[head.start : end])
        del self._buffer[:end]
        self._head = None
        scope = self._scope | {
            "method": head.method.decode(),
            "path": unquote(head.path.decode()),
            "raw_path": head.path,
            "query_string": head.query,
            "headers": head.fields,
            "state": self._state.copy(),
        }
        self._exchange = Exchange(head.method, body, self._transport.write, self._drain, self._ended)
        task = asyncio.get_running_loop().create_task(self._exchange.run(self._server.app, scope))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def _hand_over(self) -> None:
        """From here on the connection is uvicorn's."""
        other = H11Protocol(self._server.config, self._server.state, self._state)
        data, self._buffer = bytes(self._buffer), bytearray()
        other.connection_made(cast(asyncio.Transport, JoinedWrites(self._transport)))
        self._other = other
        if self._may_write is not None:
            self._may_write = None
            other.pause_writing()
        other.data_received(data)
        self._bound_head(other)

    def _bound_head(self, other: H11Protocol) -> None:
        """A head has as long as silence may last, however its bytes come."""
        if other.conn.their_state is not h11.IDLE or not other.conn.trailing_data[0]:
            self._head_until = None
            return
        now = self._server.tick()
        self._head_until = self._head_until or now + IDLE
        self.deadline = min(self._head_until, now + IDLE)

    def _waits_for_client(self) -> bool:
        """Whether it is the client that must do something: go on with its request, or take its answer."""
        if self._other is not None:
            asked = self._other.conn.their_state in (h11.IDLE, h11.SEND_BODY)
            return asked or bool(self._other.flow.write_paused)
        return self._exchange is None or self._may_write is not None

    def _drain(self) -> Awaitable[Any] | None:
        """What to wait for before more is written; nothing, as a rule."""
        return self._may_write.wait() if self._may_write is not None else None

    def _ended(self, stays: bool) -> None:
        self._exchange = None
        self.deadline = self._server.tick() + IDLE
        if not stays or self._closing:
            self._transport.close()
        if self._transport.is_closing():
            return
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        if self._buffer:
            self._next()

    def _look(self) -> None:
        """Cut a connection that has been idle for too long; a socket without TLS has no other watch."""
        self._timer = None
        left = (self.deadline or 0.0) - self._server.tick()
        if left <= 0 and self._waits_for_client():
            self._transport.abort()
        else:
            self._timer = asyncio.get_running_loop().call_later(left if left > 0 else IDLE, self._look)
