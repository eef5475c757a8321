"""The request that asks for MQTT over WebSocket: bytes in, a request or a refusal out; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import h11
import orjson
from wsproto.connection import Connection, ConnectionType
from wsproto.events import AcceptConnection, RejectConnection
from wsproto.events import Request as Offer
from wsproto.handshake import H11Handshake
from wsproto.utilities import RemoteProtocolError

OPENINGS = (b"GET /mqtt ", b"GET /mqtt?")
"""How the request begins (AWS IoT Developer Guide, Device communication protocols)."""

OPENING = len(OPENINGS[0])

HEADERS = 16_384
"""Bytes of the request, with a presigned URL's query in it; h11's own limit."""

SUBPROTOCOLS = ("mqtt", "mqttv3.1")
"""[MQTT-6.0.0-3]; the second is what older clients ask for."""


class HttpRequest(NamedTuple):
    """A request as signatures see it: nothing decoded, header names in lower case.

    The repr tells neither query nor headers: they hold secrets.
    """

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.raw_path})"


class BadUpgrade(Exception):
    """It is not a request for MQTT over WebSocket: the status that says so, and in words why."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


def opens(first: bytes) -> bool | None:
    """Whether an HTTP connection's first bytes ask for ``/mqtt``; None while they do not say."""
    if first.startswith(OPENINGS):
        return True
    return None if len(first) < OPENING and any(o.startswith(first) for o in OPENINGS) else False


class Upgrade:
    """``receive`` until ``request`` is there; ``accept`` is the answer, after which there are frames."""

    def __init__(self) -> None:
        self.request: HttpRequest | None = None
        self._http = h11.Connection(h11.SERVER, HEADERS)
        self._handshake = H11Handshake(ConnectionType.SERVER)
        self._subprotocol = ""

    def receive(self, data: bytes) -> None:
        """Raises BadUpgrade as soon as the bytes cannot become a request for MQTT over WebSocket."""
        try:
            self._http.receive_data(data)
            if self.request is not None:
                return  # frames that came before our answer wait
            request = self._http.next_event()
            if request is h11.NEED_DATA:
                return
            if not isinstance(request, h11.Request):
                raise BadUpgrade(400, "not an HTTP request")
            if not isinstance(self._http.next_event(), h11.EndOfMessage):
                raise BadUpgrade(400, "a WebSocket upgrade has no body")
        except h11.RemoteProtocolError as error:
            raise BadUpgrade(error.error_status_hint, f"malformed HTTP: {error}") from None
        self._offer(request)
        self.request = _request(request)

    def _offer(self, request: h11.Request) -> None:
        try:
            self._handshake.initiate_upgrade_connection(list(request.headers), request.target)
            offers = [event for event in self._handshake.events() if isinstance(event, Offer)]
        except RemoteProtocolError as error:
            hint = error.event_hint
            status = hint.status_code if isinstance(hint, RejectConnection) else 400
            raise BadUpgrade(status, f"not a WebSocket upgrade: {error}") from None
        except (UnicodeError, h11.ProtocolError):
            raise BadUpgrade(400, "not a WebSocket upgrade: malformed headers") from None
        offered = offers[0].subprotocols if offers else []
        chosen = next((name for name in offered if name in SUBPROTOCOLS), None)
        if chosen is None:
            raise BadUpgrade(400, f"none of the offered subprotocols is {' or '.join(SUBPROTOCOLS)}")
        self._subprotocol = chosen

    def accept(self) -> tuple[bytes, Connection, bytes]:
        """The 101 answer, wsproto's connection, and what the client has sent beyond its request."""
        answer = self._handshake.send(AcceptConnection(subprotocol=self._subprotocol))
        connection = self._handshake.connection
        assert connection is not None  # it was made for the answer
        return bytes(answer), connection, bytes(self._http.trailing_data[0])


def refusal(status: int, code: str, message: str, trace: str) -> bytes:
    """The answer to a request that is refused, in the data plane's form, after which the connection ends."""
    body = orjson.dumps({"message": message, "traceId": trace})
    head = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"x-amzn-errortype: {code}",
        f"x-amzn-requestid: {trace}",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    if status == HTTPStatus.UPGRADE_REQUIRED:
        head += ["upgrade: websocket", "sec-websocket-version: 13"]
    return "\r\n".join([*head, "", ""]).encode() + body


def _request(request: h11.Request) -> HttpRequest:
    headers: dict[str, str] = {}
    for name, value in request.headers:
        text, shown = name.decode("latin-1"), value.decode("latin-1")
        headers[text] = f"{headers[text]},{shown}" if text in headers else shown
    path, _, query = request.target.decode("latin-1").partition("?")
    return HttpRequest(request.method.decode(), path, query, headers, b"")
