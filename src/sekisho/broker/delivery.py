"""Getting messages to one client: the sink that its subscriptions put into the topic tree."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, NamedTuple

from sekisho.broker.mailbox import NEVER, Receiver, Stored
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Properties
from sekisho.mqtt.topics import matches, parse_share

if TYPE_CHECKING:
    from sekisho.broker.client import Client

KEPT_DECISIONS = 1000
"""Topics whose decision a connection remembers, in each direction."""

WAITING = 1000
"""QoS 1 messages that may wait for a slow client's acknowledgements; what comes then is lost to it."""


class Reception(NamedTuple):
    """What one topic means to a client: with which QoS, and whether its own messages count."""

    qos: int
    retain_as_published: bool
    no_local: bool


class Handed(NamedTuple):
    """A message that is a row, with the session or group whose row it is."""

    stored: Stored
    owner: Receiver


class Delivery:
    """What a client is sent, and what waits to be sent to it."""

    __slots__ = ("_client", "_last", "_receptions", "_room", "_waiting")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last: Message | None = None
        self._receptions: dict[str, Reception | None] = {}
        self._waiting: deque[Message | Handed] = deque()
        self._room: asyncio.Event | None = None

    @property
    def account(self) -> str:
        return self._client.account

    @property
    def region(self) -> str:
        return self._client.region

    def offer(self, message: Message) -> Awaitable[None] | None:
        """Deliver a message that one of the subscriptions matches; once, however many of them do."""
        if message is self._last:
            return None
        self._last = message
        client = self._client
        topic = message.topic
        try:
            reception = self._receptions[topic]
        except KeyError:
            reception = self._decide(topic)
        if reception is None or (reception.no_local and message.client_id == client.client_id):
            return None
        retain = message.retain and reception.retain_as_published
        if message.qos and reception.qos:
            if not self._waiting and self._may_send():
                self._send(message, retain)
                client.flush()
            elif len(self._waiting) < WAITING:
                self._waiting.append(message)
            else:
                client.hub.counters["dropped"] += 1
            return None
        transport = client.transport
        if transport.get_write_buffer_size() > transport.high_water:
            client.hub.counters["dropped"] += 1
            return None
        raw = message.wire(client.connection.version, retain)
        # What is larger than the peer takes counts as sent [MQTT-3.1.2-25].
        if len(raw) <= client.connection.peer_maximum_packet_size:
            transport.write(raw)
        return None

    def receives(self, message: Message) -> bool:
        """Whether the client may and wants to have a message that its subscriptions match."""
        try:
            reception = self._receptions[message.topic]
        except KeyError:
            reception = self._decide(message.topic)
        client = self._client
        return reception is not None and not (reception.no_local and message.client_id == client.client_id)

    def offer_shared(self, message: Message, qos: int) -> None:
        """Deliver a message that a shared subscription gave to this client."""
        client = self._client
        if message.qos and qos:
            if not self._waiting and self._may_send():
                self._send(message)
                client.flush()
            elif len(self._waiting) < WAITING:
                self._waiting.append(message)
        else:
            raw = message.wire(client.connection.version)
            if len(raw) <= client.connection.peer_maximum_packet_size:
                client.transport.write(raw)

    @property
    def has_room(self) -> bool:
        """Whether a message would leave at once."""
        return self._client.joined and not self._waiting and self._may_send()

    def offer_stored(self, stored: Stored, owner: Receiver) -> bool:
        """Deliver a message that is a row; False when there is no room, so that it must stay one."""
        if self._waiting or not self._may_send():
            if len(self._waiting) >= WAITING:
                return False
            self._waiting.append(Handed(stored, owner))
            return True
        self._send(Handed(stored, owner))
        self._client.flush()
        return True

    async def offer_when_room(self, stored: Stored, owner: Receiver) -> None:
        """Deliver a message that is a row as soon as the client has acknowledged enough others."""
        while self._waiting or not self._may_send():
            if self._room is None:
                self._room = asyncio.Event()
            self._room.clear()
            await self._room.wait()
        self._send(Handed(stored, owner))
        self._client.flush()

    def pump(self) -> None:
        """Send what waited, as far as the window of unacknowledged messages is open."""
        while self._waiting and self._may_send():
            self._send(self._waiting.popleft())
        if not self._waiting:
            if self._room is not None:
                self._room.set()
            if self._client.durable is not None:
                self._client.durable.caught_up()

    def settle(self, packet_id: int) -> None:
        """The client has acknowledged a message."""
        client = self._client
        token = client.connection.settle(packet_id)
        if isinstance(token, Handed):
            token.owner.acknowledged(token.stored)

    def retained(self, message: Message, qos: int) -> None:
        """Deliver a retained message to a new subscription, marked as one [MQTT-3.3.1-8]."""
        client = self._client
        if not client.authorizer.allows("iot:Receive", "topic", message.topic):
            words = f"not authorized to receive from {message.topic}"
            client.record_denial("iot:Receive", "topic", message.topic, words, "it was not delivered")
        elif message.qos and qos and client.connection.can_send:
            client.connection.publish(message.topic, message.payload, 1, True, message.properties, message)
            client.flush()
        else:
            client.transport.write(message.wire(client.connection.version, True))

    def _may_send(self) -> bool:
        client = self._client
        transport = client.transport
        return client.connection.can_send and transport.get_write_buffer_size() <= transport.high_water

    def answer(self, message: Message) -> None:
        """Deliver an engine's answer to this connection alone, if it has subscribed to its topic."""
        client = self._client
        parent = client.hub.profile.hash_matches_parent
        if client.joined and any(matches(f, message.topic, parent) for f in client.subscriptions):
            self.offer(message)

    def forget_decisions(self) -> None:
        self._receptions.clear()

    def clear(self) -> None:
        self._waiting.clear()
        self._last = None
        if self._room is not None:
            self._room.set()

    def _send(self, item: Message | Handed, retain: bool = False) -> None:
        client = self._client
        if isinstance(item, Handed):
            stored, owner = item
            message = stored.message
            sent = 0
            if self.receives(message) and not self._expired(stored):
                sent = client.connection.publish(
                    message.topic, message.payload, 1, False, self._remaining(stored), item
                )
            if not sent:  # too large for the peer counts as sent [MQTT-3.1.2-25]
                owner.acknowledged(stored)
            return
        client.connection.publish(item.topic, item.payload, 1, retain, item.properties, item)

    def _expired(self, stored: Stored) -> bool:
        return stored.expires != NEVER and stored.expires <= self._client.hub.clock.now()

    def _remaining(self, stored: Stored) -> Properties:
        """The properties, with what is left of the message's lifetime [MQTT-3.3.2-6]."""
        properties = stored.message.properties
        if stored.expires == NEVER:
            return properties
        left = max(0, int(stored.expires - self._client.hub.clock.now()))
        return {**properties, "message_expiry_interval": left}

    def _decide(self, topic: str) -> Reception | None:
        """The highest QoS of all matching subscriptions [MQTT-3.3.5-1], if Receive is allowed."""
        client = self._client
        parent = client.hub.profile.hash_matches_parent
        mine = [
            s for filter, s in client.subscriptions.items() if matches(parse_share(filter)[1], topic, parent)
        ]
        reception = None
        if mine:
            if client.authorizer.allows("iot:Receive", "topic", topic):
                reception = Reception(
                    max(s.qos for s in mine),
                    any(s.retain_as_published for s in mine),
                    all(s.no_local for s in mine),
                )
            else:
                words = f"not authorized to receive from {topic}"
                client.record_denial("iot:Receive", "topic", topic, words, "it was not delivered")
        if len(self._receptions) >= KEPT_DECISIONS:
            self._receptions.clear()
        self._receptions[topic] = reception
        return reception
