"""One TLS listener: accepts, bounds, times out, and gives each connection the protocol it speaks."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog

from sekisho.broker.contexts import Contexts
from sekisho.broker.deadlines import Deadlines
from sekisho.broker.poller import Poller
from sekisho.broker.tls import (
    ALPN_MQTT,
    ALPN_MQTT_X509,
    peer_certificate_der,
    peer_chain,
    peer_chain_ders,
)
from sekisho.broker.transport import ByteProtocol, TlsTransport
from sekisho.broker.upgrade import opens
from sekisho.logic.custom_auth import Http
from sekisho.logic.domains import Domain
from sekisho.logic.endpoints import DATA
from sekisho.services.call import Principal
from sekisho.services.places import Endpoint

log = structlog.get_logger("sekisho.listener")

ACCEPTS_PER_TURN = 64
BACKLOG = 4096
RETRY = 0.1
"""Seconds to wait with accepting when the process is out of file descriptors."""

MQTT_CONNECT = 0x10


class Peer(NamedTuple):
    """What TLS says about a connection; ``principal`` is who signed its WebSocket upgrade.

    ``endpoint`` is what its endpoint is for (`data`, `jobs` or `credentials`: `sekisho.logic.endpoints`),
    ``account`` and ``region`` whose it is, and ``named`` whether the client gave its full name by SNI.
    """

    certificate_der: bytes | None
    server_name: str
    address: str
    alpn: bytes
    principal: Principal | None = None
    chain: tuple[str, ...] = ()
    """The ids (SHA-256 of the DER) of what it has sent above its own certificate."""
    endpoint: str = DATA
    account: str = ""
    region: str = ""
    named: bool = False
    http: Http | None = None
    """The request for a WebSocket that nobody has signed: a custom authorizer decides at CONNECT."""
    domain: Domain | None = None
    """The domain configuration of the name that it gave, if that has one."""
    sent: tuple[bytes, ...] = ()
    """What ``chain`` has the ids of, in DER, if the domain's function is to see it."""


class PortInUse(Exception):
    """The text names the port, the setting, and what to do."""


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; port 0 picks a free one. PortInUse names the port and its setting."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"port {port} on {host} is already in use ({setting}); stop what uses it, "
                f"or choose another with --set {setting}=N (0 picks a free one)"
            ) from None
        raise PortInUse(f"cannot listen on {host} port {port} ({setting}): {error.strerror}") from None
    sock.setblocking(False)
    return sock


class Listener:
    """Accepts on a bound socket until closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        contexts: Contexts,
        *,
        poller: Poller,
        deadlines: Deadlines,
        tick: Callable[[], float],
        mqtt: Callable[[Peer], ByteProtocol],
        http: Callable[[Peer], ByteProtocol] | None,
        websocket: Callable[[Peer], ByteProtocol],
        unopened: Callable[[], None],
        resolve: Callable[[str], Endpoint],
        handshake_timeout: float,
        most: int,
        connections: set[TlsTransport] | None = None,
    ) -> None:
        """``most`` connections at once, over all listeners that are given the same ``connections``;
        ``unopened`` is told of each that ended before it had said anything within TLS; ``resolve`` says which
        endpoint a client means by SNI."""
        self.port: int = sock.getsockname()[1]
        self.connections: set[TlsTransport] = set() if connections is None else connections
        self._loop = loop
        self._sock = sock
        self._contexts = contexts
        self._poller = poller
        self._deadlines = deadlines
        self._tick = tick
        self._mqtt = mqtt
        self._http = http
        self._websocket = websocket
        self._unopened = unopened
        self._resolve = resolve
        self._handshake_timeout = handshake_timeout
        self._most = most
        # What is accepted has it from here (tcp(7)).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.add_reader(sock.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                sock, peername = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("accept", port=self.port, error=error.strerror)
                self._loop.remove_reader(self._sock.fileno())
                self._loop.call_later(RETRY, self._accept_again)
                return
            if len(self.connections) >= self._most:
                log.warning("too many connections", port=self.port, most=self._most)
                sock.close()
                continue
            sock.setblocking(False)
            now = self._tick()
            transport = TlsTransport(
                self._loop,
                self._poller,
                sock,
                peername,
                self._contexts,
                self._opened,
                self._closed,
                now + self._handshake_timeout,
            )
            self.connections.add(transport)
            self._deadlines.watch(transport, now)

    def _accept_again(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def _opened(self, transport: TlsTransport, first: bytes) -> ByteProtocol | None:
        """MQTT or HTTP, by ALPN, else by the first byte (a CONNECT is 0x10; no HTTP method begins so)."""
        alpn = transport.tls.get_alpn_proto_negotiated()
        server_name = (transport.tls.get_servername() or b"").decode("ascii", "replace")
        if transport.looked is not None and not self._contexts.is_right(transport.looked, server_name):
            return None
        account, region, endpoint, named, domain = self._resolve(server_name)
        peer = Peer(
            peer_certificate_der(transport.tls),
            server_name,
            str(transport.peername[0]),
            alpn,
            chain=peer_chain(transport.tls),
            endpoint=endpoint,
            account=account,
            region=region,
            named=named,
            domain=domain,
            sent=peer_chain_ders(transport.tls) if domain is not None and domain.callback else (),
        )
        if alpn in (ALPN_MQTT_X509, ALPN_MQTT) or (not alpn and first[:1] == bytes([MQTT_CONNECT])):
            return self._mqtt(peer)
        if self._http is not None and (alpn or first[:1].isalpha()):
            http, websocket = self._http, self._websocket
            chosen = opens(first)
            if chosen is None:
                deadline = self._tick() + self._handshake_timeout
                return Undecided(lambda yes: websocket(peer) if yes else http(peer), deadline)
            return websocket(peer) if chosen else http(peer)
        return self._mqtt(peer)

    def _closed(self, transport: TlsTransport) -> None:
        self.connections.discard(transport)
        if transport.protocol is None:
            self._unopened()

    def close(self) -> None:
        """Accept no more, and cut what is not yet a client's."""
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        for transport in list(self.connections):
            if transport.protocol is None:
                transport.abort()


class Undecided:
    """An HTTP connection whose first bytes do not yet say whether it is a WebSocket's."""

    def __init__(self, choose: Callable[[bool], ByteProtocol], deadline: float) -> None:
        self.deadline = deadline
        self._choose = choose
        self._transport: Any = None
        self._first = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._first += data
        chosen = opens(self._first)
        if chosen is not None:
            protocol = self._choose(chosen)
            self._transport.set_protocol(protocol)
            protocol.connection_made(self._transport)
            protocol.data_received(self._first)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody knows of it."""

    def pause_writing(self) -> None:
        """Nothing is written."""

    def resume_writing(self) -> None:
        """Nothing is written."""

    def timed_out(self) -> None:
        self._transport.abort()
