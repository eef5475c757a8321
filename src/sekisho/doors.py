"""The sockets that devices come to, and what is behind them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from sekisho.aws.request import Request
from sekisho.broker.contexts import Contexts
from sekisho.broker.deadlines import Deadlines
from sekisho.broker.endings import Endings
from sekisho.broker.extended import client_of
from sekisho.broker.hub import Hub
from sekisho.broker.listener import Listener, Peer
from sekisho.broker.poller import Poller
from sekisho.broker.stapling import Stapling
from sekisho.broker.transport import TlsTransport
from sekisho.broker.upgrade import HttpRequest
from sekisho.broker.websocket import WebSocket
from sekisho.config import Config
from sekisho.keyring import Keyring
from sekisho.logic.certificates import make_server_certificate
from sekisho.logic.endpoints import wildcards
from sekisho.services.call import Principal
from sekisho.services.places import Places
from sekisho.web.domains import ARRIVED
from sekisho.web.endpoint import AwsEndpoint
from sekisho.web.http import HttpServer


def listen(
    config: Config,
    contexts: Contexts,
    hub: Hub,
    places: Places,
    http: HttpServer,
    endpoint: AwsEndpoint,
    deadlines: Deadlines,
    endings: Endings,
    *socks: socket.socket,
) -> Callable[[], None]:
    """MQTT on the first socket; MQTT, HTTP and WebSockets on the second. Call what it returns to stop."""
    undo = ExitStack()
    loop = asyncio.get_running_loop()
    poller = Poller(loop)
    undo.callback(poller.close)
    client = client_of(hub)
    life = config["mqtt.limits.websocket_seconds"]

    def authenticate(request: HttpRequest) -> Awaitable[tuple[Principal, str]]:
        return endpoint.authenticate_socket(Request(*request))

    def websocket(peer: Peer) -> WebSocket:
        return WebSocket(hub, peer, poller, authenticate, lambda who: client(hub, who), life, endings)

    def served(peer: Peer) -> asyncio.Protocol:
        return http.protocol({"peer": peer, "kept": {}, ARRIVED: set()})

    connections: set[TlsTransport] = set()
    for sock, with_http in zip(socks, (False, True), strict=True):
        listener = Listener(
            loop,
            sock,
            contexts,
            poller=poller,
            deadlines=deadlines,
            tick=hub.clock.tick,
            mqtt=lambda peer: client(hub, peer),
            http=served if with_http else None,
            websocket=websocket,
            unopened=hub.count_unopened,
            resolve=places.resolve,
            handshake_timeout=config["mqtt.limits.connect_timeout"],
            most=config["mqtt.limits.connections"],
            connections=connections,
        )
        undo.callback(listener.close)
    return undo.close


def tls_contexts(config: Config, keyring: Keyring, stapling: Stapling, now: float) -> Contexts:
    """A new server certificate at each start; its key is in memory only."""
    names = config.server_names
    names += [name for region in config.regions for name in wildcards(region, config["domain"])]
    certificate, key = make_server_certificate(*keyring.server, names, now)
    return Contexts(certificate, key, keyring.server.certificate, stapling)


def timed_out(transport: TlsTransport) -> None:
    protocol: Any = transport.protocol
    if protocol is None or transport.is_closing():
        transport.abort()
    else:
        protocol.timed_out()
