"""The broker of a node: who is connected, which sinks a topic reaches, what live changes mean for them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import structlog

from sekisho.broker import versions
from sekisho.broker.both import both
from sekisho.broker.concerned import concerned
from sekisho.broker.limits import Connects
from sekisho.broker.mailbox import Mailbox
from sekisho.broker.queue import Queue
from sekisho.broker.retained import Retained
from sekisho.broker.sessions import Sessions
from sekisho.broker.shared import Groups, Member
from sekisho.broker.versions import Versions
from sekisho.broker.wills import Wills, is_the_nodes
from sekisho.bus import Bus
from sekisho.functions.interface import Functions, NoFunctions
from sekisho.logic.endpoints import DATA_ALONE
from sekisho.mqtt.connection import effective_keep_alive
from sekisho.mqtt.message import Message, in_range
from sekisho.mqtt.packets import Connect, Will
from sekisho.mqtt.profile import Limits, Profile
from sekisho.mqtt.reasons import Reason
from sekisho.mqtt.topics import parse_share
from sekisho.mqtt.tree import TopicTree
from sekisho.services.connection_log import ConnectionLog
from sekisho.services.identity import Identities
from sekisho.services.logs import Logs
from sekisho.services.places import Place
from sekisho.services.refusals import Refusals
from sekisho.store import connections
from sekisho.store.changes import Change
from sekisho.store.store import Store

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.custom_auth import CustomAuth
    from sekisho.broker.newcomers import Newcomers

log = structlog.get_logger("sekisho.broker")

REFRESHES_AT_ONCE = 50


class Sink(Protocol):
    """Anything that a topic can reach. ``offer`` takes the message, or returns what must be awaited before
    the publisher is told that it was taken."""

    def offer(self, message: Message) -> Awaitable[None] | None: ...


class Space:
    """The topics of one account and region: subscribers, and the engines behind reserved topics.

    What a client publishes under ``$`` goes to engines alone, never to another client: requests there carry
    ownership tokens.
    """

    def __init__(self, profile: Profile) -> None:
        self.subscribers: TopicTree[Sink] = TopicTree(profile.hash_matches_parent)
        self.clients: dict[str, Client] = {}


class Hub:
    def __init__(
        self,
        clock: Any,
        bus: Bus,
        store: Store,
        identities: Identities,
        refusals: Refusals,
        profile: Profile,
        limits: Limits,
        outbound_bytes: int,
        domain: str,
        place: Place,
        session_expiry: float,
        enforce_limits: bool,
        multi_account_certificates: str = DATA_ALONE,
    ) -> None:
        """``place`` and ``domain`` are those of a client that names no other by SNI."""
        self.clock = clock
        self.bus = bus
        self.identities = identities
        self.refusals = refusals
        self.logs = Logs(store, clock)
        self.profile = profile
        self.limits = limits
        self.outbound_bytes = outbound_bytes
        self.domain = domain
        self.place = place
        self.enforce_limits = enforce_limits
        self.multi_account_certificates = multi_account_certificates
        self.rates = limits if enforce_limits else limits.without_rates()
        """The limits by the second; 0 is none."""
        connects = self.rates.connects_per_second
        self.connects = Connects(connects) if connects else None
        """Who connects too often; None when there is no limit."""
        self.mailbox = Mailbox(store, clock)
        self.sessions = Sessions(self, store, session_expiry)
        self.wills = Wills(self, store)
        self.retained = Retained(store, clock, limits.retained_messages)
        self.groups = Groups(self)
        self.journal = ConnectionLog(store)
        self.store = store
        self.engines: TopicTree[Sink] = TopicTree()
        self.newcomers: Newcomers | None = None
        """What becomes of certificates that connect without being registered; set as the node is built."""
        self.custom: CustomAuth | None = None
        self.functions: Functions = NoFunctions()
        self.counters: dict[str, int] = defaultdict(int)
        self.published = 0
        self.changes_seen = 0
        """How often the registry has changed; a judgement that spans one is made again."""
        self.tasks: set[asyncio.Task[Any]] = set()
        self._spaces: dict[Place, Space] = {}
        self._by_certificate: dict[str, set[Client]] = defaultdict(set)
        self._versions = Versions()

    # --- messages ------------------------------------------------------------------------------------------

    def space(self, account: str, region: str) -> Space:
        space = self._spaces.get((account, region))
        if space is None:
            space = self._spaces[account, region] = Space(self.profile)
        return space

    def publish(self, message: Message, space: Space | None = None) -> Awaitable[None] | None:
        """Give a message to every sink that its topic reaches, here and on other nodes; ``space`` is the
        message's own, for who has it at hand."""
        self.published += 1
        if space is None:
            space = self.space(message.account, message.region)
        waiting = None
        for sink in space.subscribers.match(message.topic):
            result = sink.offer(message)
            if result is not None:
                waiting = both(waiting, result)
        if self.bus.remote:
            waiting = both(waiting, self.bus.publish(message.account, message.region, message.topic, message))
        return waiting

    def deliver(self, message: Message) -> Awaitable[None] | None:
        """Give another node's message to this node's sinks."""
        waiting = None
        for sink in self.space(message.account, message.region).subscribers.match(message.topic):
            result = sink.offer(message)
            if result is not None:
                waiting = both(waiting, result)
        return waiting

    def request(self, message: Message) -> bool:
        """Give a client's message on a reserved topic to the engine behind it; False when there is none."""
        sinks = self.engines.match(message.topic)
        for sink in sinks:
            result = sink.offer(message)
            if result is not None:
                self.spawn(result)
        return bool(sinks)

    def announce(self, account: str, region: str, topic: str, payload: bytes) -> None:
        """Publish one of the platform's own events."""
        waiting = self.publish(Message(account, region, topic, payload, qos=1, received_at=self.clock.now()))
        if waiting is not None:
            self.spawn(waiting)

    def overflowed(self, queue: Queue, message: Message, words: str, effect: str, **who: str) -> None:
        """A message was dropped for one queue, because that is full: counted, and explained now and then."""
        self.counters["overflowed"] += 1
        if queue.complaint_due(self.clock.tick()):
            self.refusals.record(
                message.account,
                message.region,
                {
                    "at": self.clock.now(),
                    "decision": "REFUSED",
                    "action": "iot:Receive",
                    "resource": message.topic,
                    "reason": f"{words}: {queue.why_full()}",
                    "effect": effect,
                    **who,
                },
            )

    def announce_will(self, client: Client, will: Will) -> None:
        """A connection has ended that left a will: publish it, now or later."""
        message = self.will_of(client, will)
        if not self.wills.delays(client, will, message):
            self.publish_will(message, client)

    def will_of(self, client: Client, will: Will) -> Message:
        return Message(
            client.account,
            client.region,
            will.topic,
            will.payload,
            will.qos,
            will.retain,
            in_range({name: v for name, v in will.properties.items() if name != "will_delay_interval"}),
            client.client_id,
            client.principal_id,
            client.peer.address,
            self.clock.now(),
        )

    def publish_will(self, message: Message, client: Client | None = None) -> None:
        """``client`` is the connection that left it, if it has ended just now."""
        if is_the_nodes(message.topic):
            words = f"{message.topic} is reserved: only the node publishes there"
            self._record_will(message, client, "iot:Publish", words, "the will was not published")
            return
        waiting = self.publish(message)
        retain = message.retain and message.topic[0] != "$"
        if retain and self.retained.refuses(message.account, message.region, message.payload):
            effect = "the will was published, and not retained"
            self._record_will(message, client, "iot:RetainPublish", self.retained.words(), effect)
        elif retain:
            waiting = both(waiting, self.retained.keep(message))
        if waiting is not None:
            self.spawn(waiting)

    def _record_will(
        self, message: Message, client: Client | None, action: str, reason: str, effect: str
    ) -> None:
        what = {"action": action, "resource": message.topic, "reason": reason, "effect": effect}
        if client is not None:
            client.record(**what)
        else:
            who = {"at": self.clock.now(), "decision": "REFUSED", "clientId": message.client_id}
            self.refusals.record(message.account, message.region, {**who, **what})

    def spawn(self, awaitable: Awaitable[Any]) -> None:
        self.watch(asyncio.ensure_future(awaitable))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task failed", exc_info=task.exception())

    def subscribe(self, sink: Member, filter: str, qos: int) -> None:
        """Have a filter's messages given to a client's delivery or session."""
        share, plain = parse_share(filter)
        if share is not None:
            self.groups.join(sink, filter, plain, qos)
        else:
            self.space(sink.account, sink.region).subscribers.add(filter, sink, sink)

    def unsubscribe(self, sink: Member, filter: str) -> None:
        share, plain = parse_share(filter)
        if share is not None:
            self.groups.leave(sink, filter, plain)
        else:
            self.space(sink.account, sink.region).subscribers.remove(filter, sink)

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Keep a task that runs beside everything else, and say when it fails."""
        self.tasks.add(task)
        task.add_done_callback(self._done)

    # --- clients -------------------------------------------------------------------------------------------

    def join(self, client: Client) -> int:
        """A client is accepted: an older one of the same id gives way. The answer is its version number."""
        clients = self.space(client.account, client.region).clients
        older = clients.get(client.client_id)
        if older is not None:
            older.taken_over()
        clients[client.client_id] = client
        self._by_certificate[client.principal_id].add(client)
        return self._versions.joined((client.account, client.region, client.client_id), self.clock.now())

    def count_unopened(self) -> None:
        """A connection has ended before it had said anything within TLS, or without a CONNECT in time."""
        self.counters["unopened"] += 1

    def leave(self, client: Client) -> None:
        space = self.space(client.account, client.region)
        expiry = client.durable.expiry if client.durable is not None else 0.0
        key = (client.account, client.region, client.client_id)
        self._versions.left(key, client.version, self.clock.now(), expiry)
        if client.durable is not None:
            self.sessions.left(client.durable, client)
        else:
            for filter in client.subscriptions:
                self.unsubscribe(client.delivery, filter)
        self.groups.ended(client.delivery)
        if space.clients.get(client.client_id) is client:
            del space.clients[client.client_id]
        self._by_certificate[client.principal_id].discard(client)
        if not self._by_certificate[client.principal_id]:
            del self._by_certificate[client.principal_id]

    def connack(self, packet: Connect, client_id: str) -> tuple[int, dict[str, Any]]:
        """The keep alive in effect, and what an MQTT 5 CONNACK says of this server."""
        profile, limits = self.profile, self.limits
        keep_alive = effective_keep_alive(packet.keep_alive, limits)
        properties: dict[str, Any] = {
            "receive_maximum": limits.inbound_inflight,
            "maximum_packet_size": limits.packet,
            "topic_alias_maximum": profile.topic_alias_maximum,
            "retain_available": int(profile.retain_available),
            "wildcard_subscription_available": int(profile.wildcard_available),
            "shared_subscription_available": int(profile.shared_available),
            "subscription_identifier_available": int(profile.subscription_identifiers),
            "server_keep_alive": keep_alive,
            "session_expiry_interval": int(self.sessions.expiry(packet)),
        }
        if profile.maximum_qos < 2:
            properties["maximum_qos"] = profile.maximum_qos
        if not packet.client_id:
            properties["assigned_client_identifier"] = client_id
        return keep_alive, properties

    def with_certificate(self, id: str) -> set[Client]:
        return self._by_certificate.get(id, set())

    def client(self, account: str, region: str, client_id: str) -> Client | None:
        return self.space(account, region).clients.get(client_id)

    def all_clients(self) -> Iterable[Client]:
        for space in self._spaces.values():
            yield from space.clients.values()

    async def start(self, places: list[Place]) -> None:
        """Take up what the database has of this node's earlier life."""
        await self.journal.start(self.clock.now())
        await self._restore_versions()
        await self.mailbox.start()
        await self.sessions.start(places)
        await self.retained.start(places)
        for place in places:
            await self.mailbox.recount(*place)
        await self.wills.start(places)

    async def _restore_versions(self) -> None:
        """Who orders events by their version numbers would take those after a restart for old ones."""
        longest = max(versions.AWAY, self.sessions.longest)
        ended = connections.ended_since(self.clock.now() - longest, versions.KEPT)
        for row in reversed(await self.store.fetch(*ended)):
            detail = orjson.loads(row["detail"])
            key = (row["account"], row["region"], row["client_id"])
            number = detail.get("versionNumber", 0)
            self._versions.restore(key, number, row["disconnected"], detail["sessionExpiry"])

    async def resend(self) -> None:
        """Send again what clients leave unacknowledged, until cancelled."""
        every = self.limits.resend_seconds / 2
        while every:
            await asyncio.sleep(every)
            now = self.clock.tick()
            for client in list(self.all_clients()):
                client.delivery.resend(now)

    async def close(self) -> None:
        """Tell every client that the node goes, and finish what is under way for them."""
        words = "the node is being stopped"
        for client in list(self.all_clients()):
            client.end(Reason.SERVER_SHUTTING_DOWN, words, "SERVER_INITIATED_DISCONNECT")
        if self.tasks:
            await asyncio.wait(list(self.tasks), timeout=2.0)
        await self.mailbox.close()
        await self.journal.flush()

    # --- live changes --------------------------------------------------------------------------------------

    async def changed(self, changes: Sequence[Change]) -> None:
        """Make what changed in the registry true for the connections that it concerns."""
        self.changes_seen += 1
        for change in changes:
            self.identities.forget(change)
        stale = concerned(self, changes)
        if stale:
            limit = asyncio.Semaphore(REFRESHES_AT_ONCE)
            await asyncio.gather(*(_refresh(client, limit) for client in stale))


async def _refresh(client: Client, limit: asyncio.Semaphore) -> None:
    async with limit:
        await client.refresh()
