"""Reads the settings, builds everything, runs it: the only place that constructs."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from sekisho import __version__
from sekisho.aws.catalog import Catalog
from sekisho.broker.activation import inherited
from sekisho.broker.client_log import follow
from sekisho.broker.custom_auth import CustomAuth
from sekisho.broker.deadlines import Deadlines
from sekisho.broker.endings import Endings
from sekisho.broker.hub import Hub
from sekisho.broker.listener import bind
from sekisho.broker.newcomers import Newcomers
from sekisho.broker.registry import Registry
from sekisho.broker.renewals import Renewals
from sekisho.broker.reserved import FleetProvisioning
from sekisho.broker.stapling import Stapling
from sekisho.broker.triggers import Triggers
from sekisho.bus import LocalBus
from sekisho.clock import Clock
from sekisho.config import Config
from sekisho.data_folder import ensure_credentials, publish_endpoints
from sekisho.doors import listen, timed_out, tls_contexts
from sekisho.functions.chosen import choose
from sekisho.keyring import open_keyring
from sekisho.logic.certificates import CA_YEARS, make_ca
from sekisho.mqtt.profile import PROFILES, Limits
from sekisho.objects.place import open_objects
from sekisho.operations import DEVICE_PLANE, MODULES, load_services
from sekisho.services.api import Api
from sekisho.services.authorizer_records import AuthorizerRecords
from sekisho.services.bulk import Bulk
from sekisho.services.call import Deps
from sekisho.services.civil_time import read_clock
from sekisho.services.domains import Domains
from sekisho.services.identity import Identities
from sekisho.services.index_reads import IndexReads
from sekisho.services.indexer import CONFIGURATION, Indexer
from sekisho.services.log_files import LogFiles
from sekisho.services.memberships import Memberships
from sekisho.services.places import ACCOUNT, Places, load_accounts
from sekisho.services.principals import Principals
from sekisho.services.refusals import Refusals
from sekisho.services.registration_tasks import TASK
from sekisho.services.registry_events import RegistryEvents
from sekisho.services.revocations import RevocationLists
from sekisho.services.revoked_entries import REVOKED
from sekisho.store.background import Background
from sekisho.store.changes import Change
from sekisho.store.feed import Feed
from sekisho.store.store import Store, open_store
from sekisho.tasks import Tasks
from sekisho.web.app import build_app
from sekisho.web.credentials import DeviceCredentials
from sekisho.web.domains import DomainDoor
from sekisho.web.endpoint import AwsEndpoint
from sekisho.web.http import HttpServer
from sekisho.web.jobs import JobsEndpoint
from sekisho.web.publish import DevicePublish
from sekisho.web.s3 import S3
from sekisho.web.s3_links import Links
from sekisho.workers import Workers

log = structlog.get_logger("sekisho")

LOOPBACK = "127.0.0.1"

NICENESS = 5
"""Of the processes for what can wait: they take what is left of the processors."""


class Node:
    """One node, from :meth:`start` to :meth:`stop`; what clients need to know is in ``endpoints``."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.clock = Clock()
        self.endpoints: dict[str, Any] = {}
        self.failed = asyncio.Event()
        """Set when the node cannot go on, with the reason in its log."""
        self._bells: list[Callable[[], None]] = []
        """Who is told at once that there are changes."""
        self._undo = AsyncExitStack()
        """What :meth:`stop` does, last built first: doors close before what is behind them."""

    async def start(self) -> None:
        """Ready when it returns; PortInUse, KeyringError or StoreError says why it is not."""
        try:
            await self._start()
        except BaseException:
            await self._undo.aclose()
            raise

    async def stop(self) -> None:
        """Close the doors, tell the clients, finish what is under way, close the store."""
        await self._undo.aclose()

    async def _start(self) -> None:
        config, clock, undo = self.config, self.clock, self._undo
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The ports first: a port in use must not leave anything behind.
        self._inherited = inherited(os.environ, ("mqtt.port", "https.port", "api.port"))
        mqtt = self._bind(config["host"], "mqtt.port")
        https = self._bind(config["host"], "https.port")
        plain = self._bind(LOOPBACK, "api.port")
        keyring = open_keyring(config.keyring, lambda: make_ca("Sekisho", clock.real(), CA_YEARS))
        store, feed = await self._open_store()
        clock.state = await read_clock(store)
        await ensure_credentials(config, store, keyring, clock.real())
        names = config.server_names
        places = Places(config["account"], config.regions, config["domain"], config["endpoint"], names)
        await load_accounts(store, places, clock.now())
        domains = Domains(store, keyring, places)
        await domains.start()

        objects = open_objects(config.objects, config["region"], clock.real)
        workers = Workers()
        undo.callback(workers.close)
        functions = choose(config.group("functions."), config.functions, config["region"])
        undo.push_async_callback(functions.close)
        bus = LocalBus()
        undo.push_async_callback(bus.close)
        refusals = Refusals(store, config["explain.keep"])
        undo.push_async_callback(refusals.flush)
        keys = Principals(store, keyring, config["region"])
        hub = Hub(
            clock,
            bus,
            store,
            Identities(store, keys),
            refusals,
            PROFILES[config["mqtt.profile"]],
            self._limits(),
            outbound_bytes=config["mqtt.limits.outbound_bytes"],
            domain=config["endpoint"],
            place=places.default,
            session_expiry=config["mqtt.session_expiry"],
            enforce_limits=config["mqtt.enforce_limits"] == "true",
            multi_account_certificates=config["multi_account_certificates"],
        )
        hub.functions = functions
        logs = hub.logs
        files = logs.files = LogFiles(config.data / "logs", config["logs.bytes"], config["logs.files"])
        logs.follow = partial(follow, hub)
        refusals.listener = logs.refused
        undo.push_async_callback(files.flush)
        await bus.subscribe("*", "*", "#", hub.deliver)
        services = load_services()
        registry = Registry(hub)
        deps = Deps(
            config,
            store,
            clock,
            keyring,
            workers,
            registry.publish,
            refusals,
            places,
            functions,
            connections=registry,
            objects=objects,
            events=(events := RegistryEvents(store)),
            logs=logs,
            principals=keys,
        )
        api = Api(deps, services, MODULES)
        FleetProvisioning(hub, api)
        Newcomers(hub, api)
        authorizers = AuthorizerRecords(store)
        CustomAuth(hub, authorizers, functions, config["custom_auth.shortest_seconds"])
        deps.index = IndexReads(store)
        indexer = Indexer(store, clock.real, self.id, lambda: places.all)
        self._bells.append(indexer.ring)
        memberships = Memberships(store, clock, self.id, deps.index, events, registry.post, logs)
        indexer.changed = memberships.ring
        deps.link = links = Links(store, keyring, keys, clock, config["region"])

        def forget(change: Change) -> None:
            keys.forget(change)
            authorizers.forget(change)
            deps.hints.forget(change)

        def forget_own(change: Change) -> None:
            forget(change)
            hub.identities.forget(change)

        deps.forget = forget_own

        background = Background(store, lambda: api.under_way > 0)
        patient = replace(deps, store=background, workers=Workers(niceness=NICENESS))
        bulk = Bulk(api.using(patient), self.id, background.turns)
        tasks = Tasks(deps, api, lambda: places.all, self.id)
        Renewals(hub, api)
        triggers = Triggers(hub, api)
        revoked = RevocationLists(deps)
        undo.push_async_callback(tasks.release)

        async def changed(changes: Sequence[Change]) -> None:
            for change in changes:
                forget(change)
                if change.kind == REVOKED:
                    revoked.heard(change.id)
                elif change.kind == ACCOUNT:
                    places.add(change.id)  # it begins empty: there is nothing of it to be taken up
                elif change.kind == "clock":
                    clock.state = await read_clock(store)
                    tasks.wake()
                elif change.kind == TASK:
                    bulk.wake()
                elif change.kind == CONFIGURATION:
                    indexer.reconfigure()
            memberships.changed(changes)
            await domains.changed(changes)
            await events.changed(changes)
            await hub.changed(changes)
            await logs.changed(changes)
            await triggers.changed(changes)

        deadlines, endings = Deadlines(timed_out), Endings()
        undo.push_async_callback(hub.close)
        await hub.start(places.all)
        await triggers.start(places.all)
        await events.start(places.all)
        await logs.start(places.all)
        await registry.outbox.start()
        self._run(feed.run(changed), "feed")
        self._run(hub.mailbox.run(), "mailbox")
        self._run(registry.outbox.run(), "outbox")
        self._run(hub.sessions.run(), "sessions")
        self._run(hub.wills.run(), "wills")
        self._run(hub.retained.run(), "retained")
        self._run(hub.journal.run(), "connections")
        self._run(hub.resend(), "resends")
        self._run(refusals.run(), "refusals")
        self._run(files.run(), "logs")
        self._run(tasks.run(), "tasks")
        self._run(bulk.run(), "bulk registration")
        self._run(indexer.run(), "index")
        self._run(memberships.run(), "memberships")
        self._run(self._watch(deadlines, endings), "deadlines")

        catalog = Catalog(service for name, service in services.items() if name != DEVICE_PLANE)
        endpoint = AwsEndpoint(api, catalog, keys, clock, places.regions)
        publish = DevicePublish(endpoint, api, catalog, hub)
        devices = DeviceCredentials(JobsEndpoint(publish, api, catalog, hub), api, hub, config)
        app = build_app(DomainDoor(S3(devices, endpoint, deps), hub), registry.counters, store, revoked)
        http = HttpServer(app, clock.tick)
        undo.push_async_callback(http.close)
        stapling = Stapling(clock.real, clock.tick)
        self._run(stapling.run(), "stapling")
        contexts = tls_contexts(config, keyring, stapling, clock.real())
        domains.tell(contexts.told)
        undo.callback(listen(config, contexts, hub, places, http, endpoint, deadlines, endings, mqtt, https))
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: http.protocol({"peer": None}), sock=plain)
        undo.callback(server.close)
        ports = [sock.getsockname()[1] for sock in (mqtt, https, plain)]
        self.endpoints = publish_endpoints(config, keyring.ca_pem, LOOPBACK, *ports)
        links.lead_to(config["host"], self.endpoints)
        deps.facts.update(self._facts())

    # --- pieces of start -----------------------------------------------------------------------------------

    def _bind(self, host: str, setting: str) -> socket.socket:
        sock = self._inherited.get(setting) or bind(host, self.config[setting], setting)
        self._undo.callback(sock.close)
        return sock

    async def _open_store(self) -> tuple[Store, Feed]:
        """The store, and the feed of its changes, which follows from before anything was read."""

        def ring() -> None:
            for bell in self._bells:
                bell()

        store = await open_store(self.config.database, on_commit=ring)
        self._undo.push_async_callback(store.close)
        feed = Feed(store)
        self._bells.append(feed.ring)
        await feed.start()
        return store, feed

    def _limits(self) -> Limits:
        given = self.config.group("mqtt.limits.")
        return Limits(**{name: value for name, value in given.items() if name in LIMIT_NAMES})

    def _facts(self) -> dict[str, Any]:
        limits = self._limits()
        return {
            "version": __version__,
            "account": self.config["account"],
            "region": self.config["region"],
            "regions": self.config.regions,
            "endpoints": {name: self.endpoints[name] for name in ("mqtt", "https", "api")},
            "limits": {name: str(getattr(limits, name)) for name in sorted(LIMIT_NAMES)},
            "startedAt": self.clock.real(),
        }

    def _run(self, work: Awaitable[None], name: str) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: self._ended(done, name))
        self._undo.push_async_callback(_cancel, task)

    def _ended(self, task: asyncio.Task[Any], name: str) -> None:
        """A node without its change feed would miss revocations: when a part ends, all of it must."""
        if not task.cancelled() and task.exception() is not None:
            log.error("stopped working", part=name, exc_info=task.exception())
            self.failed.set()

    async def _watch(self, deadlines: Deadlines, endings: Endings) -> None:
        while True:
            deadlines.check(self.clock.tick())
            endings.check(self.clock.now())
            await asyncio.sleep(0.5)


LIMIT_NAMES = frozenset(Limits.__annotations__)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
