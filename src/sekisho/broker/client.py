"""One MQTT connection of a device: its packets in, its deliveries out, and what it may do."""

from __future__ import annotations

import secrets
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from sekisho.broker import presence
from sekisho.broker.admission import Admission, Refused
from sekisho.broker.authorizer import Authorizer
from sekisho.broker.delivery import KEPT_DECISIONS, Delivery
from sekisho.broker.subscriber import Subscriber
from sekisho.mqtt.connection import Connection, State
from sekisho.mqtt.message import Message
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

if TYPE_CHECKING:
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer
    from sekisho.broker.transport import TlsTransport

log = structlog.get_logger("sekisho.client")


class Client:
    """The protocol object of a connection; what it is sent is its :class:`Delivery`.

    Everything that need not await is done in the read callback itself; while something is awaited, reading
    pauses and the packets behind wait in order.
    """

    def __init__(self, hub: Hub, peer: Peer) -> None:
        self.hub = hub
        self.peer = peer
        self.connection = Connection(hub.profile, hub.limits, hub.clock.tick())
        self.transport: TlsTransport
        self.client_id = ""
        self.account = ""
        self.region = ""
        self.certificate_id = ""
        self.session = str(uuid.uuid4())
        self.subscriptions: dict[str, Subscription] = {}
        self.authorizer: Authorizer
        self.admission: Admission | None = None
        self.delivery = Delivery(self)
        self.subscriber = Subscriber(self)
        self.disconnect_reason = ""
        self._version = 0
        self.joined = False
        self._by_client = False
        self._will: Will | None = None
        self._publishable: dict[str, bool] = {}
        self._backlog: deque[Packet | Violation] = deque()
        self._busy = False
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
        transport.high_water = self.hub.outbound_bytes

    def data_received(self, data: bytes) -> None:
        packets = self.connection.receive(data, self.hub.clock.tick())
        if self._busy:
            self._backlog.extend(packets)
            return
        for index, packet in enumerate(packets):
            pending = HANDLERS[type(packet)](self, packet)
            if pending is not None:
                self._backlog.extend(packets[index + 1 :])
                self._await(pending)
                return
            if self.connection.state is State.CLOSED:
                return

    def _await(self, pending: Awaitable[None]) -> None:
        self._busy = True
        self.transport.pause_reading()
        self.hub.spawn(self._proceed(pending))

    async def _proceed(self, pending: Awaitable[None]) -> None:
        try:
            await pending
            while self._backlog and self.connection.state is not State.CLOSED:
                packet = self._backlog.popleft()
                more = HANDLERS[type(packet)](self, packet)
                if more is not None:
                    await more
        except Exception:
            self.end(Reason.UNSPECIFIED_ERROR, "internal error", "SERVER_ERROR")
            raise
        finally:
            self._busy = False
            if not self._stalled:
                self.transport.resume_reading()

    def pause_writing(self) -> None:
        """The client reads slower than it is written to: what it sends itself waits, too."""
        self._stalled = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._stalled = False
        self.delivery.pump()
        self.flush()
        if not self._busy:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._backlog.clear()
        self.delivery.clear()
        if not self.joined:
            return
        self.joined = False
        reason = self.disconnect_reason or "CONNECTION_LOST"
        hub = self.hub
        hub.leave(self)
        will = self._will
        if will is not None and self._allows_publish(will.topic):
            hub.announce_will(self, will)
        if presence.has_events(self.client_id):
            hub.announce(
                self.account,
                self.region,
                *presence.disconnected(
                    self.client_id,
                    hub.clock.now(),
                    self.session,
                    self.certificate_id,
                    reason,
                    self._by_client,
                    self._version,
                    self._thing_name(),
                ),
            )

    def timed_out(self) -> None:
        """The deadline passed: no CONNECT in time, or silence for 1.5 × keep alive [MQTT-3.1.2-22]."""
        if self.connection.state is State.OPEN:
            self.end(Reason.KEEP_ALIVE_TIMEOUT, "keep alive timeout", "MQTT_KEEP_ALIVE_TIMEOUT")
        else:
            self.transport.abort()

    def end(self, reason: int, words: str, disconnect_reason: str) -> None:
        """Close from our side: DISCONNECT where the version has one, then the socket."""
        self.disconnect_reason = self.disconnect_reason or disconnect_reason
        self.connection.disconnect(reason, words)
        self.flush()
        self.transport.close()

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
        try:
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
        self.certificate_id = identity.certificate_id
        self._will = packet.will
        self._version = hub.join(self)
        self.joined = True
        keep_alive, properties = hub.connack(packet, self.client_id)
        self.connection.accept(False, keep_alive, properties)
        self.flush()
        if presence.has_events(self.client_id):
            hub.announce(
                self.account,
                self.region,
                *presence.connected(
                    self.client_id,
                    hub.clock.now(),
                    self.session,
                    self.certificate_id,
                    self.peer.address,
                    self._version,
                    self._thing_name(),
                ),
            )
        if hub.changes_seen != seen:
            # It may have been judged by what was read before a change whose feed did not find it here yet.
            hub.spawn(self.refresh())

    def _thing_name(self) -> str | None:
        """Events name a thing that is attached exclusively (AWS IoT Developer Guide, Lifecycle events)."""
        thing = self.authorizer.identity.thing
        return thing.name if thing is not None and thing.exclusive else None

    # --- PUBLISH and its acknowledgement -------------------------------------------------------------------

    def _on_publish(self, packet: Publish) -> Awaitable[None] | None:
        topic = packet.topic
        allowed = self._publishable.get(topic)
        if allowed is None:
            allowed = self._decide_publish(topic)
        if not allowed or packet.retain:
            self._refuse_publish(packet)
            return None
        hub = self.hub
        message = Message(
            self.account,
            self.region,
            topic,
            packet.payload,
            packet.qos,
            packet.retain,
            packet.properties,
            self.client_id,
            self.certificate_id,
            self.peer.address,
            hub.clock.now(),
        )
        if topic[0] == "$":
            hub.request(message)
            pending = None
        else:
            pending = hub.publish(message)
        if not packet.qos:
            return pending
        if pending is not None:
            return self._acknowledge_after(pending, packet.packet_id)
        self.connection.acknowledge(packet.packet_id)
        self.transport.write(self.connection.data_to_send())
        return None

    async def _acknowledge_after(self, pending: Awaitable[None], packet_id: int) -> None:
        await pending
        self.connection.acknowledge(packet_id)
        self.flush()

    def _allows_publish(self, topic: str) -> bool:
        return self.authorizer.allows("iot:Publish", "topic", topic)

    def _decide_publish(self, topic: str) -> bool:
        allowed = self._allows_publish(topic) and (topic[0] != "$" or bool(self.hub.engines.match(topic)))
        if len(self._publishable) >= KEPT_DECISIONS:
            self._publishable.clear()
        self._publishable[topic] = allowed
        return allowed

    def _refuse_publish(self, packet: Publish) -> None:
        topic = packet.topic
        closes = self.connection.version == 4 or not packet.qos
        effect = "the connection was closed" if closes else "PUBACK 0x87 (not authorized)"
        code: int = Reason.NOT_AUTHORIZED
        disconnect_reason = "CLIENT_ERROR"
        if not self._allows_publish(topic):
            words = f"not authorized to publish to {topic}"
            self.record_denial("iot:Publish", "topic", topic, words, effect)
            disconnect_reason = "AUTH_ERROR"
        elif packet.retain:
            words = "retained messages are not implemented by this node"
            code = Reason.IMPLEMENTATION_SPECIFIC_ERROR
            self.record(action="iot:RetainPublish", resource=topic, reason=words, effect=effect)
        else:
            words = f"{topic} is reserved, and nothing on this node answers there"
            self.record(action="iot:Publish", resource=topic, reason=words, effect=effect)
        if closes:
            self.end(code, words, disconnect_reason)
        else:
            self.connection.acknowledge(packet.packet_id, code, words)
            self.flush()

    def _on_puback(self, packet: Puback) -> None:
        self.connection.settle(packet.packet_id)
        self.delivery.pump()
        self.flush()

    # --- SUBSCRIBE and the rest ----------------------------------------------------------------------------

    def _on_subscribe(self, packet: Subscribe) -> None:
        self.subscriber.subscribe(packet)

    def _on_unsubscribe(self, packet: Unsubscribe) -> None:
        self.subscriber.unsubscribe(packet)

    def _on_pingreq(self, packet: Pingreq) -> None:
        self.connection.send(Pingresp())
        self.flush()

    def _on_disconnect(self, packet: Disconnect) -> None:
        if packet.reason != Reason.DISCONNECT_WITH_WILL:
            self._will = None  # [MQTT-3.14.4-3]
        self._by_client = True
        self.disconnect_reason = "CLIENT_INITIATED_DISCONNECT"
        self.transport.close()

    def _on_violation(self, violation: Violation) -> None:
        self.record(action="mqtt", resource="", reason=violation.text, effect="the connection was closed")
        self.end(violation.reason, violation.text, "CLIENT_ERROR")

    def _on_unexpected(self, packet: Packet) -> None:
        self._on_violation(
            Violation(Reason.PROTOCOL_ERROR, f"{type(packet).__name__.upper()} is not expected here")
        )

    # --- live changes --------------------------------------------------------------------------------------

    @property
    def policy_names(self) -> frozenset[str]:
        return frozenset(policy.name for policy in self.authorizer.identity.policies.policies)

    def uses_thing(self, name: str) -> bool:
        return name in self.authorizer.identity.things

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
                self._publishable.clear()
                self.delivery.forget_decisions()
                self.admission.check_connect(self.authorizer)
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


Handler = Callable[[Client, Any], Awaitable[None] | Coroutine[Any, Any, None] | None]

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
