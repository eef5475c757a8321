"""Reads the settings, builds everything, runs it: the only place that constructs."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import uuid
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import botocore
import structlog

from sekisho import __version__
from sekisho.aws.catalog import Catalog
from sekisho.aws.service import Service
from sekisho.broker.client import Client
from sekisho.broker.deadlines import Deadlines
from sekisho.broker.hub import Hub
from sekisho.broker.listener import Listener, Peer, bind
from sekisho.broker.reserved import FleetProvisioning
from sekisho.broker.tls import server_context
from sekisho.broker.transport import Flusher, TlsTransport
from sekisho.bus import LocalBus
from sekisho.clock import Clock
from sekisho.config import Config
from sekisho.keyring import Keyring, open_keyring, write_private
from sekisho.logic.certificates import make_ca, make_server_certificate
from sekisho.mqtt.profile import STRICT, Limits
from sekisho.services import (
    caller_identity,
    certificates,
    endpoints,
    fleet_provisioning,
    messages,
    node,
    policies,
    policy_attachments,
    provisioning_templates,
    registration,
    tags,
    thing_principals,
    thing_types,
    things,
)
from sekisho.services.access import AccessKeys, create_root_key
from sekisho.services.api import Api
from sekisho.services.call import Deps
from sekisho.services.civil_time import read_clock
from sekisho.services.identity import Identities
from sekisho.services.refusals import Refusals
from sekisho.store.changes import Change
from sekisho.store.feed import Feed
from sekisho.store.store import Store, open_store
from sekisho.tasks import Tasks
from sekisho.web.app import build_app
from sekisho.web.endpoint import AwsEndpoint
from sekisho.web.http import HttpServer
from sekisho.workers import Workers

log = structlog.get_logger("sekisho")

MODULES: dict[str, Sequence[ModuleType]] = {
    "iot": (
        certificates,
        endpoints,
        policies,
        policy_attachments,
        provisioning_templates,
        registration,
        tags,
        thing_principals,
        thing_types,
        things,
    ),
    "iot-data": (messages,),
    "iot-jobs-data": (),
    "sts": (caller_identity,),
    "iotidentity": (fleet_provisioning,),
    "sekisho": (node,),
}
"""Service → the files of its operations. What the node serves is exactly these services."""

PROFILE = replace(STRICT, retain_available=False, shared_available=False, will_delay=False)
"""AWS's profile less what this version lacks, so that a client is told (CONNACK) and refused, never ignored."""

DEVICE_PLANE = "iotidentity"
"""Reached over MQTT, never over HTTP."""

LOOPBACK = "127.0.0.1"


def load_services() -> dict[str, Service]:
    return {name: Service.load(name) for name in MODULES}


class Node:
    """One node, from :meth:`start` to :meth:`stop`; what clients need to know is in ``endpoints``."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.clock = Clock()
        self.endpoints: dict[str, Any] = {}
        self._running: list[asyncio.Task[Any]] = []
        self._listeners: list[Listener] = []
        self._sockets: list[socket.socket] = []
        self._store: Store | None = None
        self._closers: list[Any] = []

    async def start(self) -> None:
        config = self.config
        loop = asyncio.get_running_loop()
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The ports first: a port in use must not leave anything behind.
        host = config["host"]
        mqtt_socket = self._bind(host, "mqtt.port")
        https_socket = self._bind(host, "https.port")
        api_socket = self._bind(LOOPBACK, "api.port")

        keyring = open_keyring(config.keyring, lambda: make_ca("Sekisho", self.clock.real(), 30))
        feed: Feed | None = None

        def ring() -> None:
            if feed is not None:
                feed.ring()

        store = self._store = await open_store(config.database, on_commit=ring)
        feed = Feed(store)
        await feed.start()
        self.clock.state = await read_clock(store)
        await self._ensure_credentials(store, keyring)

        bus = LocalBus()
        identities = Identities(store)
        refusals = Refusals(store, config["explain.keep"])
        keys = AccessKeys(store, keyring)
        workers = Workers()
        known = {name: value for name, value in config.group("mqtt.limits.").items() if name in LIMIT_NAMES}
        limits = Limits(**known)
        place = (config["account"], config["region"])
        hub = Hub(
            self.clock,
            bus,
            identities,
            refusals,
            PROFILE,
            limits,
            config["mqtt.limits.outbound_bytes"],
            config["endpoint"],
            place,
        )
        services = load_services()
        deps = Deps(config, store, self.clock, keyring, workers, hub.publish, refusals)
        api = Api(deps, services, MODULES)
        FleetProvisioning(hub, api)
        await bus.subscribe("*", "*", "#", hub.deliver)
        catalog = Catalog(service for name, service in services.items() if name != DEVICE_PLANE)
        endpoint = AwsEndpoint(api, catalog, keys, self.clock, [config["region"]])
        http = HttpServer(build_app(endpoint), self.clock.tick)

        context = self._tls_context(keyring)
        flusher = Flusher(loop)
        deadlines = Deadlines(_timed_out)
        for sock, with_http in ((mqtt_socket, False), (https_socket, True)):
            self._listeners.append(
                Listener(
                    loop,
                    sock,
                    context,
                    flusher=flusher,
                    deadlines=deadlines,
                    tick=self.clock.tick,
                    mqtt=lambda peer: Client(hub, peer),
                    http=(lambda peer: http.protocol({"peer": peer})) if with_http else None,
                    handshake_timeout=config["mqtt.limits.connect_timeout"],
                    most=config["mqtt.limits.connections"],
                )
            )
        api_server = await loop.create_server(lambda: http.protocol({"peer": None}), sock=api_socket)

        tasks = Tasks(deps, api, [place], self.id)

        async def changed(changes: Sequence[Change]) -> None:
            for change in changes:
                if change.kind == "accesskey":
                    keys.forget(change.id)
                elif change.kind == "clock":
                    self.clock.state = await read_clock(store)
                    tasks.wake()
            await hub.changed(changes)

        self._closers = [api_server, http, hub, bus, workers, tasks, refusals]
        self._run(feed.run(changed), "feed")
        self._run(refusals.run(), "refusals")
        self._run(tasks.run(), "tasks")
        self._run(self._watch(deadlines), "deadlines")
        self.hub = hub
        self.api = api
        self._publish_endpoints(keyring, api_server.sockets[0].getsockname()[1], limits)
        deps.facts.update(self._facts(limits))

    # --- pieces of start -----------------------------------------------------------------------------------

    def _bind(self, host: str, setting: str) -> socket.socket:
        sock = bind(host, self.config[setting], setting)
        self._sockets.append(sock)
        return sock

    def _tls_context(self, keyring: Keyring) -> Any:
        """A new server certificate at each start; its key is in memory only."""
        config = self.config
        names = ["localhost", LOOPBACK, "::1", config["endpoint"]]
        names += [name.strip() for name in config["server_names"].split(",") if name.strip()]
        if config["host"] not in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound
            names.append(config["host"])
        certificate, key = make_server_certificate(
            keyring.ca, keyring.ca_key, list(dict.fromkeys(names)), self.clock.real()
        )
        return server_context(certificate, key, keyring.ca)

    async def _ensure_credentials(self, store: Store, keyring: Keyring) -> None:
        """The default account's root key, in a file that only the node's user can read."""
        path = self.config.data / "credentials"
        if path.exists():
            return
        key = await create_root_key(store, keyring, self.config["account"], self.clock.real())
        write_private(
            path,
            f"[default]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n",
        )

    def _publish_endpoints(self, keyring: Keyring, api_port: int, limits: Limits) -> None:
        config = self.config
        data = config.data
        ca = data / "ca.pem"
        _replace(ca, keyring.ca_pem)
        # Other AWS calls of the same shell must go on to verify: the bundle has the world's CAs as well.
        world = Path(botocore.__file__).with_name("cacert.pem").read_text()
        _replace(data / "ca-bundle.pem", keyring.ca_pem + world)
        name = config["endpoint"]
        mqtt, https = (listener.port for listener in self._listeners)
        self.endpoints = {
            "mqtt": f"{name}:{mqtt}",
            "https": f"{name}:{https}",
            "api": f"{LOOPBACK}:{api_port}",
            "ca": str(ca),
            "account": config["account"],
            "region": config["region"],
            "pid": os.getpid(),
        }
        _replace(data / "endpoints.json", json.dumps(self.endpoints, indent=1) + "\n")

    def _facts(self, limits: Limits) -> dict[str, Any]:
        return {
            "version": __version__,
            "account": self.config["account"],
            "region": self.config["region"],
            "regions": [self.config["region"]],
            "endpoints": {name: self.endpoints[name] for name in ("mqtt", "https", "api")},
            "limits": {name: str(getattr(limits, name)) for name in sorted(LIMIT_NAMES)},
            "startedAt": self.clock.real(),
        }

    def _run(self, work: Awaitable[None], name: str) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: _report(done, name))
        self._running.append(task)

    async def _watch(self, deadlines: Deadlines) -> None:
        while True:
            deadlines.check(self.clock.tick())
            await asyncio.sleep(0.5)

    # --- stop ----------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Close the doors, finish what is under way, tell the clients, close the store."""
        for listener in self._listeners:
            listener.close()
        if self._closers:
            api_server, http, hub, bus, workers, tasks, refusals = self._closers
            api_server.close()
            await http.close()
            hub.close()
            await asyncio.sleep(0)
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            if hub.tasks:
                await asyncio.wait(list(hub.tasks), timeout=2.0)
            await refusals.flush()
            await tasks.release()
            await bus.close()
            workers.close()
        for listener in self._listeners:
            for transport in list(listener.connections):
                transport.abort()
        for sock in self._sockets:
            sock.close()
        if self._store is not None:
            await self._store.close()


LIMIT_NAMES = frozenset(Limits.__slots__)


def _timed_out(transport: TlsTransport) -> None:
    protocol: Any = transport.protocol
    if protocol is None or transport.is_closing():
        transport.abort()
    else:
        protocol.timed_out()


def _report(task: asyncio.Task[Any], name: str) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("stopped working", part=name, exc_info=task.exception())


def _replace(path: Path, text: str) -> None:
    """Write a file whole: whoever looks sees the old one or the new one."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_text(text)
    draft.replace(path)


__all__ = ["Node", "Peer", "load_services"]
