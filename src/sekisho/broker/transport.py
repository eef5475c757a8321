"""Bytes between a TLS socket and a protocol object: the boring shell."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from OpenSSL import SSL

from sekisho.broker.channel import Channel
from sekisho.broker.poller import Poller
from sekisho.broker.tls_io import RECORD, handle_of, has_gone, read_record, shake_hands, write_record

if TYPE_CHECKING:
    from sekisho.broker.contexts import Contexts

READS_PER_TURN = 8
"""How many records one connection may have read before the others get their turn."""

HIGH_WATER = 65536
"""Bytes waiting to be written from which a protocol is asked to pause; a protocol may choose its own."""

CLOSE_TIMEOUT = 5.0
"""Seconds that a peer has to take the last bytes before the connection is cut."""

NEVER = float("inf")


class ByteProtocol(Protocol):
    """What the transport drives: an MQTT client, or uvicorn's HTTP protocol."""

    def connection_made(self, transport: Any) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class TlsTransport(Channel):
    """A TLS connection on a non-blocking socket, first in its handshake, then open. To its protocol it is an
    ``asyncio.Transport``, but for the base class, whose dictionary would be one more for each connection.

    ``opened(transport, first_bytes)`` chooses the protocol when the first application bytes are there; it
    returns the protocol, or None to close.
    """

    __slots__ = (
        "_closed",
        "_closing",
        "_contexts",
        "_deadline",
        "_dirty",
        "_fd",
        "_handle",
        "_loop",
        "_lost",
        "_opened",
        "_out",
        "_out_size",
        "_paused_writing",
        "_poller",
        "_reading",
        "_shut",
        "_writing",
        "failure",
        "handshaken",
        "looked",
        "peername",
        "protocol",
        "sock",
        "tls",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        poller: Poller,
        sock: socket.socket,
        peername: Any,
        contexts: Contexts,
        opened: Callable[[TlsTransport, bytes], ByteProtocol | None],
        closed: Callable[[TlsTransport], None],
        deadline: float,
    ) -> None:
        super().__init__(HIGH_WATER)
        self.sock = sock
        self.peername = peername
        self.tls = SSL.Connection(contexts.default, sock)
        self.tls.set_accept_state()
        # Until the client has said which name it comes to, if any has a context of its own.
        self._contexts: Contexts | None = contexts if contexts.named else None
        self.looked: str | None = None  # the name that the TLS context was chosen for, if by a name
        self._handle = handle_of(self.tls)
        self._deadline: float | None = deadline
        self.protocol: ByteProtocol | None = None
        self.handshaken, self.failure = False, ""
        self._loop = loop
        self._poller = poller
        self._fd = sock.fileno()
        self._opened = opened
        self._closed = closed
        self._out: list[bytes] = []
        self._out_size = 0
        self._dirty = self._closing = self._lost = False
        self._shut = False  # nothing more is written: closing, lost, or the peer has reset
        self._reading = True
        self._writing = self._paused_writing = False
        poller.tell_of_end(self._fd, self._hung_up)
        poller.add_reader(self._fd, self._readable)

    @property
    def deadline(self) -> float | None:
        """When this connection has been silent for too long (monotonic seconds); None once it is gone."""
        if self._lost:
            return None
        if self._deadline is not None:
            return self._deadline
        deadline: float | None = getattr(self.protocol, "deadline", None)
        return NEVER if deadline is None else deadline

    # --- reading -------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        if not self.handshaken and not self._handshake():
            return
        tls = self.tls
        try:
            for _ in range(READS_PER_TURN):
                data = read_record(tls, self._handle)
                protocol = self.protocol
                if protocol is None:
                    protocol = self._choose(data)
                    if protocol is None:
                        return
                protocol.data_received(data)
                # The socket is level-triggered and OpenSSL does not read ahead: what is left, if it is not in
                # the record just decrypted, wakes us again.
                if len(data) < RECORD or not self._reading or self._lost or not tls.pending():
                    return
        except (SSL.WantReadError, SSL.WantWriteError):
            return
        except SSL.ZeroReturnError:
            self._lose(None)
            return
        except (SSL.Error, OSError) as error:
            self._lose(ConnectionResetError(_words(error)))
            return
        except Exception:
            # A fault of ours, for the log; it costs this connection, and no other.
            self._lose(None)
            raise
        if self.tls.pending():
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._reading and not self._lost:
            self._readable()

    def _handshake(self) -> bool:
        if self._contexts is not None and not self._choose_context(self._contexts):
            return False
        try:
            if not shake_hands(self.tls, self._handle):
                return False
        except SSL.WantWriteError:
            self._want_write()
            return False
        except (SSL.Error, OSError) as error:
            self.failure = f"TLS handshake failed: {_words(error)}"
            self._lose(ConnectionResetError(self.failure))
            return False
        self.handshaken = True
        return True

    def _choose_context(self, contexts: Contexts) -> bool:
        """Whether the handshake can begin."""
        try:
            self.looked = contexts.choose(self.sock)
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                self._lose(ConnectionResetError(_words(error)))
            return False
        self._contexts = None
        if (context := contexts.named.get(self.looked)) is not None:
            self.tls = SSL.Connection(context, self.sock)
            self.tls.set_accept_state()
            self._handle = handle_of(self.tls)
        return True

    def _choose(self, first: bytes) -> ByteProtocol | None:
        protocol = self._opened(self, first)
        if protocol is None:
            self._lose(None)
            return None
        self.protocol = protocol
        self._deadline = None
        protocol.connection_made(self)
        return protocol

    def pause_reading(self) -> None:
        if self._reading and not self._lost:
            self._reading = False
            self._poller.remove_reader(self._fd)

    def resume_reading(self) -> None:
        if not self._reading and not self._lost and not self._closing:
            self._reading = True
            self._poller.add_reader(self._fd, self._readable)
            if self.tls.pending():
                self._loop.call_soon(self._read_on)

    def is_reading(self) -> bool:
        return self._reading

    # --- writing -------------------------------------------------------------------------------------------

    def limit_writes(self, high_water: int) -> None:
        self.high_water = high_water

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._shut or not data:
            return
        self._out.append(bytes(data))
        self._out_size += len(data)
        if not self._dirty and not self._writing:
            self._dirty = True
            self._poller.add(self)
        if self._out_size > self.high_water:
            self._pause_writing()

    def offer(self, data: bytes) -> bool:
        size = self._out_size
        if size > self.high_water or self._shut:
            return False
        self._out.append(data)
        self._out_size = size = size + len(data)
        if not self._dirty and not self._writing:
            self._dirty = True
            self._poller.add(self)
        if size > self.high_water:
            self._pause_writing()
        return True

    def send(self, data: bytes) -> None:
        """Write now: for who has gathered the writes of a turn already."""
        if self._shut or not data:
            return
        self._out.append(data)
        self._out_size += len(data)
        if not self._writing:
            self.flush()
        if self._out_size > self.high_water:
            self._pause_writing()

    def _pause_writing(self) -> None:
        if not self._paused_writing and self.protocol is not None:
            self._paused_writing = True
            self.protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return self._out_size

    def flush(self) -> None:
        """Write what waits; what the socket does not take stays for when it is writable."""
        self._dirty = False
        out = self._out
        if self._lost or not self.handshaken or not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        try:
            while True:
                sent = write_record(self.tls, self._handle, data)
                if sent == len(data):
                    break
                data = data[sent:]
        except (SSL.WantWriteError, SSL.WantReadError):
            self._out = [data]
            self._out_size = len(data)
            self._want_write()
            return
        except (SSL.Error, OSError) as error:
            self._lose(ConnectionResetError(_words(error)))
            return
        out.clear()
        self._out_size = 0
        if self._closing:
            self._finish()
        elif self._paused_writing and self.protocol is not None:
            self._paused_writing = False
            self.protocol.resume_writing()

    def _hung_up(self) -> None:
        """The peer has reset, and takes nothing more. What it sent before, perhaps its DISCONNECT, is still
        to be read, and then the end. Nothing is written: OpenSSL reads no more after a write that failed."""
        if self._shut:
            return
        self._shut = True
        self._out = []
        self._out_size = 0
        if self._writing:
            self._writing = False
            self._poller.remove_writer(self._fd)
        if self._paused_writing and self.protocol is not None:
            self._paused_writing = False
            self.protocol.resume_writing()

    def _want_write(self) -> None:
        if not self._writing and not self._lost:
            self._writing = True
            self._poller.add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        self._writing = False
        self._poller.remove_writer(self._fd)
        if not self.handshaken:
            self._readable()
        else:
            self.flush()

    # --- closing -------------------------------------------------------------------------------------------

    def close(self) -> None:
        if self._lost or self._closing:
            return
        reset = self._shut
        self._closing = self._shut = True
        if self._reading:
            self._reading = False
            self._poller.remove_reader(self._fd)
        self._deadline = self._loop.time() + CLOSE_TIMEOUT
        if reset:
            self._lose(None)
        elif not self._out:
            self._finish()
        elif not self._writing:
            self.flush()

    def abort(self) -> None:
        self._lose(None)

    def is_closing(self) -> bool:
        return self._closing or self._lost

    def _finish(self) -> None:
        if not has_gone(self.sock):
            with contextlib.suppress(SSL.Error, OSError):  # the peer may have gone first
                self.tls.shutdown()
        self._lose(None)

    def _lose(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._shut = True
        self._poller.remove_reader(self._fd)
        self._poller.remove_writer(self._fd)
        self._poller.tell_of_end(self._fd, None)
        self._out = []
        self._out_size = 0
        try:
            self.sock.close()
        finally:
            self._closed(self)
            if self.protocol is not None:
                self.protocol.connection_lost(exc)

    # --- what protocols ask --------------------------------------------------------------------------------

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "peername":
                return self.peername
            case "sockname":
                try:
                    return self.sock.getsockname()
                except OSError:
                    return default
            case "sslcontext":
                return self.tls.get_context()
            case _:
                return default


def _words(error: Exception) -> str:
    """An OpenSSL error's reasons, or the system's words; never the bytes on the wire."""
    if isinstance(error, SSL.SysCallError):
        return str(error.args[-1])
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        return "; ".join(reason for _, _, reason in error.args[0]) or "TLS error"
    return str(error) or type(error).__name__
