"""One MQTT connection of a device: its packets in, its deliveries out, and what it may do."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from sekisho.broker import presence
from sekisho.broker.admission import Admission, Refused
from sekisho.broker.authorizer import Authorizer
from sekisho.broker.client_log import ClientLog, watch
from sekisho.broker.delivery import Delivery
from sekisho.broker.enrichment import enrich
from sekisho.broker.publisher import Publisher
from sekisho.broker.registry import Entry, closed, opened
from sekisho.broker.session import Session
from sekisho.broker.subscriber import Subscriber
from sekisho.logic.enrichment import Pairs
from sekisho.mqtt.connection import CLOSED, OPEN, Connection
from sekisho.mqtt.packets import (
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Subscribe,
    Subscription,
    Unsubscribe,
    Violation,
    Will,
)
from sekisho.mqtt.reasons import Reason
from sekisho.services.unique import new_uuid

if TYPE_CHECKING:
    from sekisho.broker.channel import Channel
    from sekisho.broker.hub import Hub, Space
    from sekisho.broker.listener import Peer
    from sekisho.broker.shared import Member

log = structlog.get_logger("sekisho.client")


class Client:
    """The protocol object of a connection; what it is sent is its :class:`Delivery`.

    Everything that need not await is done in the read callback itself; while something is awaited, reading
    pauses and the packets behind wait in order.
    """

    __slots__ = (
        "_backlog",
        "_busy",
        "_by_client",
        "_outdated",
        "_refreshing",
        "_stalled",
        "_tick",
        "_will",
        "account",
        "added",
        "address",
        "admission",
        "authorizer",
        "certificate_id",
        "client_id",
        "connection",
        "delivery",
        "disconnect_reason",
        "durable",
        "entry",
        "handlers",
        "hub",
        "joined",
        "log",
        "peer",
        "principal_id",
        "publisher",
        "region",
        "session",
        "space",
        "subscriber",
        "subscriptions",
        "transport",
        "version",
    )

    def __init__(self, hub: Hub, peer: Peer) -> None:
        # What each message asks for comes first: compiled, it is side by side in memory.
        self.hub = hub
        self._tick: Callable[[], float] = hub.clock.tick
        self.handlers: Mapping[type, Handler] = HANDLERS
        self._busy = False
        self.connection = Connection(hub.profile, hub.limits, self._tick())
        self.transport: Channel
        self.publisher = Publisher(self)
        self.space: Space | None = None
        self.account = ""
        self.region = ""
        self.client_id = ""
        self.principal_id = ""
        """The certificate's id, or an IAM principal's user id."""
        self.address = peer.address
        self.delivery = Delivery(self)
        self.peer = peer
        self.certificate_id = ""
        self.session = new_uuid()
        self.subscriptions: dict[str, Subscription] = {}
        self.durable: Session | None = None
        """The persistent session, if it has one; else what it subscribed to ends with the connection."""
        self.authorizer: Authorizer
        self.admission: Admission | None = None
        self.subscriber = Subscriber(self)
        self.disconnect_reason = ""
        self.entry: Entry | None = None
        self.added: Pairs = ()
        """The user properties that the registry has its messages carry."""
        self.log: ClientLog | None = None
        self.version = 0
        """The number of this connection among those of its client id, for events."""
        self.joined = False
        self._by_client = False
        self._will: Will | None = None
        self._backlog: deque[Packet | Violation] = deque()
        self._stalled = False
        self._outdated = False
        self._refreshing = False

    # --- the shell's side ----------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When the client has been silent for too long; none while the node itself is at work for it."""
        return None if self._busy and self.joined else self.connection.deadline

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        # Not sooner: two sides that stop reading because the other does not read wait for ever.
        transport.limit_writes(self.hub.outbound_bytes)

    def data_received(self, data: bytes) -> None:
        connection = self.connection
        packets = connection.receive(data, self._tick())
        if self._busy:
            self._backlog.extend(packets)
            self.transport.pause_reading()
            return
        handlers = self.handlers
        following = iter(packets)
        for packet in following:
            pending = handlers[type(packet)](self, packet)
            if pending is not None:
                self._backlog.extend(following)
                self._await(pending)
                break
            if connection.state is CLOSED:
                return
        if connection.pending:
            self.flush()

    def _await(self, pending: Awaitable[None]) -> None:
        self._busy = True
        if self.joined:  # while it connects, it mostly waits for the CONNACK by itself
            self.transport.pause_reading()
        self.hub.spawn(self._proceed(pending))

    async def _proceed(self, pending: Awaitable[None]) -> None:
        try:
            await pending
            while self._backlog and self.connection.state is not CLOSED:
                packet = self._backlog.popleft()
                more = self.handlers[type(packet)](self, packet)
                if more is not None:
                    await more
        except Exception:
            self.end(Reason.UNSPECIFIED_ERROR, "internal error", "SERVER_ERROR")
            raise
        finally:
            self._busy = False
            self._resume_reading()

    def pause_writing(self) -> None:
        """The client reads slower than it is written to: what it sends itself waits, too."""
        self._stalled = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._stalled = False
        self.delivery.pump()
        self.flush()
        self._resume_reading()

    def _resume_reading(self) -> None:
        if not (self._busy or self._stalled):
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._backlog.clear()
        self.delivery.clear()
        if not self.joined:
            return
        self.joined = False
        if self.admission is not None:
            self.admission.end()
        reason = self.disconnect_reason or "CONNECTION_LOST"
        hub = self.hub
        hub.leave(self)
        closed(self, reason)
        will = self._will
        if will is not None and self.publisher.allows(will.topic):
            hub.announce_will(self, will)
        self.announce(presence.disconnected, reason, self._by_client, self.version)
        if self.log is not None:
            self.log.disconnected(reason)

    def timed_out(self) -> None:
        """The deadline passed: no CONNECT in time, or silence for 1.5 × keep alive [MQTT-3.1.2-22]."""
        if self.connection.state is OPEN:
            self.end(Reason.KEEP_ALIVE_TIMEOUT, "keep alive timeout", "MQTT_KEEP_ALIVE_TIMEOUT")
        else:
            self.hub.count_unopened()
            self.transport.abort()

    def end(self, reason: int, words: str, disconnect_reason: str) -> None:
        """Close from our side: DISCONNECT where the version has one, then the socket."""
        self.disconnect_reason = self.disconnect_reason or disconnect_reason
        self.connection.disconnect(reason, words)
        self.flush()
        self.transport.close()

    def forget_will(self) -> None:
        self._will = None

    def flush(self) -> None:
        data = self.connection.data_to_send()
        if data:
            self.transport.write(data)

    # --- CONNECT -------------------------------------------------------------------------------------------

    def _on_connect(self, packet: Connect) -> Awaitable[None]:
        return self._connect(packet)

    async def _connect(self, packet: Connect) -> None:
        hub = self.hub
        self.client_id = packet.client_id or "auto-" + secrets.token_hex(16)
        self.admission = Admission(hub, self.peer, self.client_id, self.session)
        seen = hub.changes_seen
        keep_alive, properties = hub.connack(packet, self.client_id)
        try:
            self.admission.check_size(self.connection, properties)
            self.authorizer = await self.admission.admit(packet)
        except Refused as refusal:
            self.connection.refuse(refusal.reason, refusal.words)
            self.flush()
            self.transport.close()
            return
        if self.transport.is_closing():
            return
        identity = self.authorizer.identity
        self.account, self.region = identity.account, identity.region
        self.space = hub.space(identity.account, identity.region)
        self.certificate_id = identity.certificate_id
        self.principal_id = identity.principal_id
        self._will = packet.will
        self.version = hub.join(self)
        self.joined = True
        present, self.durable = await hub.sessions.open(self, packet)
        if hub.logs.on:
            await watch(self)
        if self.transport.is_closing():  # it went, or was taken over, in between
            if self.durable is not None:
                hub.sessions.left(self.durable, self)
            return
        self.connection.accept(present, keep_alive, properties)
        self.entry = opened(self, packet)
        enrich(self)
        self.admission.begin(self)
        self.flush()
        self.delivery.opened()
        if self.durable is not None:
            self.durable.begin(self, present)
        self.announce(presence.connected, self.peer.address, self.version)
        if self.log is not None:
            self.log.connected()
        if hub.changes_seen != seen:
            # It may have been judged by what was read before a change whose feed did not find it here yet.
            hub.spawn(self.refresh())

    @property
    def sink(self) -> Member:
        """What this client's subscriptions put into the topic tree."""
        return self.durable or self.delivery

    def announce(self, event: Callable[..., presence.Event], *members: Any) -> None:
        """Publish a lifecycle event of this connection."""
        if presence.has_events(self.client_id):
            who = presence.Who(self.client_id, self.session, self.principal_id, self._thing_name())
            self.hub.announce(self.account, self.region, *event(who, self.hub.clock.now(), *members))

    def _thing_name(self) -> str | None:
        """Events name a thing that is attached exclusively (AWS IoT Developer Guide, Lifecycle events)."""
        thing = self.authorizer.identity.thing
        return thing.name if thing is not None and thing.exclusive else None

    # --- packets -------------------------------------------------------------------------------------------

    def _on_publish(self, packet: Publish) -> Awaitable[None] | None:
        return self.publisher.publish(packet)

    def _on_puback(self, packet: Puback) -> None:
        self.delivery.settle(packet.packet_id)
        if self.connection.pending:
            self.flush()

    def _on_subscribe(self, packet: Subscribe) -> Awaitable[None]:
        return self.subscriber.subscribe(packet)

    def _on_unsubscribe(self, packet: Unsubscribe) -> Awaitable[None]:
        return self.subscriber.unsubscribe(packet)

    def _on_pingreq(self, packet: Pingreq) -> None:
        self.connection.send(Pingresp())
        self.flush()

    def _on_disconnect(self, packet: Disconnect) -> None:
        if packet.reason != Reason.DISCONNECT_WITH_WILL:
            self._will = None  # [MQTT-3.14.4-3]
        if self.durable is not None and "session_expiry_interval" in packet.properties:
            self.durable.expiry = self.hub.sessions.clamp(packet.properties["session_expiry_interval"])
        self._by_client = True
        self.disconnect_reason = "CLIENT_INITIATED_DISCONNECT"
        self.transport.close()

    def _on_violation(self, violation: Violation) -> None:
        self.record(action="mqtt", resource="", reason=violation.text, effect="the connection was closed")
        self.end(violation.reason, violation.text, "CLIENT_ERROR")

    # --- live changes --------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Take what changed in the registry into account; fail closed when it cannot be had."""
        if not self.joined or self.admission is None:
            return
        self._outdated = True
        if self._refreshing:
            return  # one at a time, so that what was read first never replaces what was read later
        self._refreshing = True
        try:
            while self._outdated:
                self._outdated = False
                self.authorizer = await self.admission.authorize()
                self.publisher.forget_decisions()
                self.delivery.forget_decisions()
                self.admission.check_connect(self.authorizer)
                enrich(self)
                self.hub.groups.all_here(self.sink, self.subscriptions)
        except Refused as refusal:
            self.end(refusal.reason, refusal.words, refusal.disconnect_reason)
        finally:
            self._refreshing = False

    def taken_over(self) -> None:
        """A new connection with this client id has been accepted [MQTT-3.1.4-3]."""
        self.end(Reason.SESSION_TAKEN_OVER, "another connection uses this client id", "DUPLICATE_CLIENTID")

    # --- explain -------------------------------------------------------------------------------------------

    def record_denial(self, action: str, kind: str, name: str, reason: str, effect: str) -> None:
        if self.admission is not None:
            evidence = self.authorizer.explain(action, kind, name)
            self.admission.record(reason=reason, effect=effect, **evidence)

    def record(self, **refusal: Any) -> None:
        if self.admission is None:
            self.admission = Admission(self.hub, self.peer, self.client_id, self.session)
        self.admission.record(**refusal)


Handler = Callable[[Any, Any], Awaitable[None] | Coroutine[Any, Any, None] | None]

HANDLERS: dict[type, Handler] = {
    Connect: Client._on_connect,
    Publish: Client._on_publish,
    Puback: Client._on_puback,
    Subscribe: Client._on_subscribe,
    Unsubscribe: Client._on_unsubscribe,
    Pingreq: Client._on_pingreq,
    Disconnect: Client._on_disconnect,
    Violation: Client._on_violation,
}
