"""The broker of a node: who is connected, which sinks a topic reaches, what live changes mean for them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from sekisho.bus import Bus
from sekisho.mqtt.connection import effective_keep_alive
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Connect, Will
from sekisho.mqtt.profile import Limits, Profile
from sekisho.mqtt.reasons import Reason
from sekisho.mqtt.tree import TopicTree
from sekisho.services.identity import Identities, certificate_id_of
from sekisho.services.refusals import Refusals
from sekisho.store.changes import Change

if TYPE_CHECKING:
    from sekisho.broker.client import Client

log = structlog.get_logger("sekisho.broker")

VERSIONS_KEPT = 100_000
REFRESHES_AT_ONCE = 50

Place = tuple[str, str]


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
        identities: Identities,
        refusals: Refusals,
        profile: Profile,
        limits: Limits,
        outbound_bytes: int,
        domain: str,
        place: Place,
    ) -> None:
        self.clock = clock
        self.bus = bus
        self.identities = identities
        self.refusals = refusals
        self.profile = profile
        self.limits = limits
        self.outbound_bytes = outbound_bytes
        self.domain = domain
        self.place = place
        self.engines: TopicTree[Sink] = TopicTree()
        self.counters: dict[str, int] = defaultdict(int)
        self.changes_seen = 0
        """How often the registry has changed; a judgement that spans one is made again."""
        self.tasks: set[asyncio.Task[Any]] = set()
        self._spaces: dict[Place, Space] = {}
        self._by_certificate: dict[str, set[Client]] = defaultdict(set)
        self._versions: dict[tuple[str, str, str], int] = {}

    # --- messages ------------------------------------------------------------------------------------------

    def space(self, account: str, region: str) -> Space:
        space = self._spaces.get((account, region))
        if space is None:
            space = self._spaces[account, region] = Space(self.profile)
        return space

    def publish(self, message: Message) -> Awaitable[None] | None:
        """Give a message to every sink that its topic reaches, here and on other nodes."""
        self.counters["published"] += 1
        waiting = self.deliver(message)
        if self.bus.remote:
            rest = self.bus.publish(message.account, message.region, message.topic, message)
            waiting = rest if waiting is None else both(waiting, rest)
        return waiting

    def deliver(self, message: Message) -> Awaitable[None] | None:
        """Give a message to this node's sinks."""
        waiting = None
        for sink in self.space(message.account, message.region).subscribers.match(message.topic):
            result = sink.offer(message)
            if result is not None:
                waiting = result if waiting is None else both(waiting, result)
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

    def announce_will(self, client: Client, will: Will) -> None:
        waiting = self.publish(
            Message(
                client.account,
                client.region,
                will.topic,
                will.payload,
                will.qos,
                False,
                {name: value for name, value in will.properties.items() if name != "will_delay_interval"},
                client.client_id,
                client.certificate_id,
                client.peer.address,
                self.clock.now(),
            )
        )
        if waiting is not None:
            self.spawn(waiting)

    def spawn(self, awaitable: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(awaitable)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task failed", exc_info=task.exception())

    # --- clients -------------------------------------------------------------------------------------------

    def join(self, client: Client) -> int:
        """A client is accepted: an older one of the same id gives way. The answer is its version number."""
        clients = self.space(client.account, client.region).clients
        older = clients.get(client.client_id)
        if older is not None:
            older.taken_over()
        clients[client.client_id] = client
        self._by_certificate[client.certificate_id].add(client)
        key = (client.account, client.region, client.client_id)
        version = self._versions.pop(key, -1) + 1
        self._versions[key] = version  # at the end: the oldest go first when there are too many
        if len(self._versions) > VERSIONS_KEPT:
            del self._versions[next(iter(self._versions))]
        return version

    def leave(self, client: Client) -> None:
        space = self.space(client.account, client.region)
        for filter in client.subscriptions:
            space.subscribers.remove(filter, client)
        if space.clients.get(client.client_id) is client:
            del space.clients[client.client_id]
        mine = self._by_certificate[client.certificate_id]
        mine.discard(client)
        if not mine:
            del self._by_certificate[client.certificate_id]

    def connack(self, packet: Connect, client_id: str) -> tuple[int, dict[str, Any]]:
        """The keep alive in effect, and what an MQTT 5 CONNACK says of this server."""
        keep_alive = effective_keep_alive(packet.keep_alive, self.limits)
        profile, limits = self.profile, self.limits
        properties: dict[str, Any] = {
            "receive_maximum": limits.inbound_inflight,
            "maximum_packet_size": limits.packet,
            "topic_alias_maximum": profile.topic_alias_maximum,
            "retain_available": int(profile.retain_available),
            "wildcard_subscription_available": int(profile.wildcard_available),
            "shared_subscription_available": int(profile.shared_available),
            "subscription_identifier_available": int(profile.subscription_identifiers),
            "server_keep_alive": keep_alive,
            "session_expiry_interval": 0,
        }
        if profile.maximum_qos < 2:
            properties["maximum_qos"] = profile.maximum_qos
        if not packet.client_id:
            properties["assigned_client_identifier"] = client_id
        return keep_alive, properties

    def client(self, account: str, region: str, client_id: str) -> Client | None:
        return self.space(account, region).clients.get(client_id)

    def all_clients(self) -> Iterable[Client]:
        for space in self._spaces.values():
            yield from space.clients.values()

    async def close(self) -> None:
        """Tell every client that the node goes, and finish what is under way for them."""
        for client in list(self.all_clients()):
            client.end(
                Reason.SERVER_SHUTTING_DOWN, "the node is being stopped", "SERVER_INITIATED_DISCONNECT"
            )
        if self.tasks:
            await asyncio.wait(list(self.tasks), timeout=2.0)

    # --- live changes --------------------------------------------------------------------------------------

    async def changed(self, changes: Sequence[Change]) -> None:
        """Make what changed in the registry true for the connections that it concerns."""
        self.changes_seen += 1
        stale: set[Client] = set()
        for change in changes:
            self.identities.forget(change)
            match change.kind:
                case "cert":
                    stale |= self._by_certificate.get(change.id, set())
                case "attached-policy" | "thing-principal":
                    stale |= self._by_certificate.get(certificate_id_of(change.id), set())
                case "policy":
                    stale |= {c for c in self._of(change) if change.id in c.policy_names}
                case "thing":
                    stale |= {c for c in self._of(change) if c.uses_thing(change.id)}
        if stale:
            limit = asyncio.Semaphore(REFRESHES_AT_ONCE)
            await asyncio.gather(*(_refresh(client, limit) for client in stale))

    def _of(self, change: Change) -> Iterable[Client]:
        return self.space(change.account, change.region).clients.values()


async def _refresh(client: Client, limit: asyncio.Semaphore) -> None:
    async with limit:
        await client.refresh()


async def both(first: Awaitable[None], second: Awaitable[None]) -> None:
    await asyncio.gather(first, second)
