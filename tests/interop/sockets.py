"""WebSockets for tests: a presigned URL, an upgrade, and a Wire whose bytes travel in frames."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Pong,
    RejectConnection,
    RejectData,
    Request,
)

from interop.wire import PATIENCE, Wire, tls_context
from sekisho.cli.commands import read_credentials

SERVICE = "iotdevicegateway"
REGION = "us-east-1"


def credentials(node: Any) -> Credentials:
    return Credentials(*read_credentials(node.data))


def host_of(node: Any) -> str:
    host, port = node.address("https")
    return f"{host}:{port}"


def presigned(
    node: Any, *, service: str = SERVICE, region: str = REGION, who: Any = None, host: str = ""
) -> str:
    """The path and query of a URL that botocore has presigned; ``host`` if it is not the node's own."""
    request = AWSRequest("GET", f"https://{host or host_of(node)}/mqtt")
    SigV4QueryAuth(who or credentials(node), service, region).add_auth(request)
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}"


def signed_headers(node: Any) -> list[tuple[str, str]]:
    """The headers of a request for ``/mqtt`` that is signed in its headers."""
    request = AWSRequest("GET", f"https://{host_of(node)}/mqtt")
    SigV4Auth(credentials(node), SERVICE, REGION).add_auth(request)
    return list(request.headers.items())


class Refused(Exception):
    """The upgrade was not granted: ``status`` and ``body``."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body!r}")
        self.status = status
        self.body = body


class Frames:
    """A WebSocket that looks like a socket: ``size`` cuts what is sent into frames of so many bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.size = 0
        self.closed: CloseConnection | None = None
        self.pongs: list[bytes] = []
        self.frames: list[int] = []
        self.subprotocol: str | None = None
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._ready = b""

    def open(self, host: str, target: str, headers: list[tuple[str, str]], offered: list[str]) -> None:
        extra = [(name.encode(), value.encode()) for name, value in headers]
        offer = Request(host, target, subprotocols=offered, extra_headers=extra)
        self.sock.settimeout(PATIENCE)
        self.sock.sendall(self._connection.send(offer))
        status, body = 0, b""
        while self.subprotocol is None:
            data = self.sock.recv(65536)
            self._connection.receive_data(data or None)
            for event in self._connection.events():
                match event:
                    case AcceptConnection():
                        self.subprotocol = event.subprotocol or ""
                    case RejectConnection():
                        status = event.status_code
                    case RejectData():
                        body += event.data
                        if event.body_finished:
                            raise Refused(status, body)

    def event(self, event: Any) -> None:
        self.sock.sendall(self._connection.send(event))

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def sendall(self, data: bytes) -> None:
        size = self.size or len(data)
        for at in range(0, len(data), size):
            self.event(BytesMessage(data[at : at + size]))

    def settimeout(self, seconds: float) -> None:
        self.sock.settimeout(seconds)

    def recv(self, most: int) -> bytes:
        """Payload bytes; none at the end, when ``closed`` is the Close frame if there was one."""
        while not self._ready and self.closed is None:
            data = self.sock.recv(most)
            if not data:
                return b""
            self._connection.receive_data(data)
            for event in self._connection.events():
                match event:
                    case BytesMessage():
                        self._ready += bytes(event.data)
                        self.frames.append(len(event.data))
                    case CloseConnection():
                        self.closed = event
                    case Pong():
                        self.pongs.append(bytes(event.payload))
        ready, self._ready = self._ready, b""
        return ready

    def close(self) -> None:
        self.sock.close()


class SocketWire(Wire):
    """A Wire over WebSocket; ``frames`` is the WebSocket itself."""

    def __init__(
        self,
        node: Any,
        target: str | None = None,
        *,
        headers: list[tuple[str, str]] = [],  # noqa: B006
        offered: tuple[str, ...] = ("mqtt",),
        identity: tuple[str, str] | None = None,
        alpn: list[str] | None = None,
    ) -> None:
        super().__init__(node.address("https"), node.ca, identity, alpn=alpn)
        self.frames = Frames(self.sock)
        try:
            where = presigned(node) if target is None else target
            self.frames.open(host_of(node), where, headers, list(offered))
        except BaseException:
            self.close()
            raise
        self.sock = self.frames


def secure(node: Any, **more: Any) -> Any:
    """A TLS connection to the https port, nothing sent."""
    plain = socket.create_connection(node.address("https"), PATIENCE)
    return tls_context(node.ca, **more).wrap_socket(plain, server_hostname="localhost")
