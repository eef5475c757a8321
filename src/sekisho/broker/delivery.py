"""Getting messages to one client: the sink that its subscriptions put into the topic tree."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from sekisho.broker.aliases import Aliases
from sekisho.broker.items import Handed, Item, Reception, Retain, message_of, plain_reception, remaining, size
from sekisho.broker.mailbox import Receiver, Stored
from sekisho.broker.resends import GIVE_UP, Resends
from sekisho.mqtt.connection import OPEN
from sekisho.mqtt.encoding import encode_publish
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import Properties
from sekisho.mqtt.topics import matches, parse_share

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.shared import Group

KEPT_DECISIONS = 1000
"""Topics whose decision a connection remembers, in each direction."""

WAITING = 1000
"""QoS 1 messages that may wait for a slow client's acknowledgements; what comes then is lost to it."""


class Delivery:
    """What a client is sent, and what waits to be sent to it."""

    __slots__ = (
        "_aliases",
        "_client",
        "_groups",
        "_last",
        "_reception_of",
        "_receptions",
        "_resends",
        "_room",
        "_topic",
        "_waiting",
        "_waiting_bytes",
        "delivered",
    )

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last: Message | None = None
        self._receptions: dict[str, Reception | None] = {}
        self._topic = ""
        self._reception_of: Reception | None = None
        """What the last topic means to the client, which is mostly that of the next message, too."""
        self._waiting: deque[Item] = deque()
        self._waiting_bytes = 0
        self._room: asyncio.Event | None = None
        self._groups: set[Group] = set()
        self._aliases: Aliases | None = None
        self._resends: Resends | None = None
        self.delivered = 0
        """Messages written to this connection."""

    @property
    def account(self) -> str:
        return self._client.account

    @property
    def region(self) -> str:
        return self._client.region

    def opened(self) -> None:
        """The client has its CONNACK."""
        maximum = self._client.connection.peer_alias_maximum
        self._aliases = Aliases(maximum) if maximum else None

    def offer(self, message: Message) -> Awaitable[None] | None:
        """Deliver a message that one of the subscriptions matches; once, however many of them do."""
        if message is self._last:
            return None
        self._last = message
        client = self._client
        topic = message.topic
        if topic is self._topic:
            reception = self._reception_of
        else:
            try:
                reception = self._receptions[topic]
            except KeyError:
                reception = self._decide(topic)
            self._topic, self._reception_of = topic, reception
        if reception is None:
            return None
        qos, retain, no_local, _ = reception
        if no_local and message.client_id == client.client_id:
            return None
        connection = client.connection
        retain = retain and message.retain
        if qos and message.qos:
            if retain or not self._send_plainly(message):
                self._offer_acknowledged(Retain(message) if retain else message)
            return None
        if self._aliases is not None:
            if client.transport.get_write_buffer_size() > client.transport.high_water:
                client.hub.counters["dropped"] += 1
                return None  # before an alias is given that the client would not hear of
            longest = connection.peer_maximum_packet_size
            raw = self._aliases.encoded(message, retain, message.properties, longest)
        elif message.frame_version == connection.version and not (retain or message.qos):
            raw = message.frame
        else:
            raw = message.wire(connection.version, retain)
        # What is larger than the peer takes counts as sent [MQTT-3.1.2-25].
        if len(raw) <= connection.peer_maximum_packet_size:
            if client.transport.offer(raw):
                self.delivered += 1
                if client.log is not None:
                    client.log.sent(message)
            else:
                client.hub.counters["dropped"] += 1
        return None

    def receives(self, message: Message) -> bool:
        """Whether the client may and wants to have a message that its subscriptions match."""
        return self._reception(message) is not None

    def _reception(self, message: Message) -> Reception | None:
        """What a message is to the client; None when it may not or does not want to have it."""
        try:
            reception = self._receptions[message.topic]
        except KeyError:
            reception = self._decide(message.topic)
        if reception is not None and reception.no_local and message.client_id == self._client.client_id:
            return None
        return reception

    def offer_shared(self, message: Message, qos: int, key: str) -> None:
        """Deliver a message that the shared subscription ``$share/{name}/{filter}`` gave to this client."""
        if message.qos and qos:
            self._offer_acknowledged(message)
        else:
            self._write(message, False, message.properties)

    def _send_plainly(self, message: Message) -> bool:
        """Send with QoS 1 what has no properties, when nothing is before it; False when that is not so."""
        client = self._client
        connection = client.connection
        if message.properties or connection.pending or self._aliases or self._waiting or not self._may_send():
            return False
        packet_id = connection.number()
        raw = message.numbered(connection.version, packet_id)
        # What is larger than the peer takes counts as sent [MQTT-3.1.2-25].
        if len(raw) <= connection.peer_maximum_packet_size:
            connection.inflight[packet_id] = message
            client.transport.write(raw)
            self.delivered += 1
            if client.log is not None:
                client.log.sent(message)
        return True

    def _offer_acknowledged(self, item: Item) -> None:
        """Deliver with QoS 1 what is in memory only: now, when there is room, or not at all."""
        client = self._client
        if not self._waiting and self._may_send():
            self._send(item)
            client.flush()
        elif self._may_wait(item):
            self._wait(item)
        else:
            client.hub.counters["dropped"] += 1

    @property
    def has_room(self) -> bool:
        """Whether a message would leave at once, and not into a connection that is ending."""
        return not self._waiting and self._may_send() and self._stays()

    def _stays(self) -> bool:
        return self._client.joined and not self._client.transport.is_closing()

    def may_keep(self, message: Message, qos: int) -> bool:
        """Whether a shared subscription's message would leave, or wait in memory until it can."""
        transport = self._client.transport
        fits = transport.get_write_buffer_size() <= transport.high_water
        return self._stays() and (self._may_wait(message) if message.qos and qos else fits)

    def tell_of_room(self, group: Group) -> None:
        """Have a shared subscription told once when there is room again."""
        self._groups.add(group)

    def offer_stored(self, stored: Stored, owner: Receiver) -> bool:
        """Deliver a message that is a row; False when there is no room, so that it must stay one."""
        if self._waiting or not self._may_send():
            handed = Handed(stored, owner)
            if not self._may_wait(handed):
                return False
            self._wait(handed)
            return True
        self._send(Handed(stored, owner))
        self._client.flush()
        return True

    async def offer_when_room(self, stored: Stored, owner: Receiver) -> None:
        """Deliver a message that is a row as soon as the client has acknowledged enough others."""
        await self._until_room()
        self._send(Handed(stored, owner))
        self._client.flush()

    async def _until_room(self) -> None:
        while self._waiting or not self._may_send():
            if self._room is None:
                self._room = asyncio.Event()
            self._room.clear()
            await self._room.wait()

    def pump(self) -> None:
        """Send what waited, as far as the window of unacknowledged messages is open."""
        while self._waiting and self._may_send():
            item = self._waiting.popleft()
            self._waiting_bytes -= size(item)
            if isinstance(item, Handed) or self.receives(message_of(item)):  # it may be silent by now
                self._send(item)
        if not self._waiting:
            if self._room is not None:
                self._room.set()
            if self._client.durable is not None:
                self._client.durable.caught_up()
            while self._groups and self.has_room:
                self._groups.pop().drain()

    def settle(self, packet_id: int) -> None:
        """The client has acknowledged a message."""
        client = self._client
        token = client.connection.settle(packet_id)
        if isinstance(token, Handed):
            token.owner.acknowledged(token.stored)
        if self._waiting or self._room is not None or client.durable is not None:
            self.pump()

    def retained(self, message: Message, qos: int) -> None:
        """Deliver a retained message to a new subscription, marked as one [3.1.1 MQTT-3.3.1-8]."""
        client = self._client
        if not client.authorizer.allows("iot:Receive", "topic", message.topic):
            words = f"not authorized to receive from {message.topic}"
            client.record_denial("iot:Receive", "topic", message.topic, words, "it was not delivered")
        elif message.qos and qos:
            self._offer_acknowledged(Retain(message))
        else:
            properties = self._remaining(message)
            if properties is not None:
                self._write(message, True, properties)

    def resend(self, now: float) -> None:
        """Send again what the client has not acknowledged for long, and give up what it never does. MQTT 5
        has no such thing on one connection [MQTT-4.4.0-1]; AWS does it there, too."""
        client = self._client
        connection = client.connection
        after = client.hub.limits.resend_seconds
        if not connection.inflight or not after or client.transport.get_write_buffer_size():
            self._resends = None  # nothing, or not even taken by the network
            return
        if self._resends is None:
            self._resends = Resends(after, GIVE_UP[connection.version])
        due = self._resends.look(connection.inflight, now)
        for packet_id in due.again:
            self._send_again(packet_id, connection.inflight[packet_id])
        for packet_id in due.given_up:
            self._give_up(packet_id)
        if due.given_up:
            self.pump()
        client.flush()

    def _send_again(self, packet_id: int, token: object) -> None:
        message, retain = self._flagged(token)
        properties = self._remaining(message)
        if properties is not None:
            publish_again = self._client.connection.publish_again
            publish_again(packet_id, message.topic, message.payload, 1, retain, properties)

    def _give_up(self, packet_id: int) -> None:
        self._client.hub.counters["dropped"] += 1
        self.settle(packet_id)

    def _may_send(self) -> bool:
        """Whether a message of QoS 1 would leave now. What a closing connection is given does not."""
        client = self._client
        connection, transport = client.connection, client.transport
        return (
            len(connection.inflight) < connection.window
            and connection.state is OPEN
            and transport.get_write_buffer_size() <= transport.high_water
        )

    def _may_wait(self, item: Item) -> bool:
        """As many bytes as may wait to be written, or one message, however large."""
        waiting = self._waiting
        room = self._client.transport.high_water - self._waiting_bytes
        return not waiting or (len(waiting) < WAITING and size(item) <= room)

    def _wait(self, item: Item) -> None:
        self._waiting.append(item)
        self._waiting_bytes += size(item)

    def answer(self, message: Message) -> None:
        """Deliver an engine's answer to this connection alone, if it has subscribed to its topic."""
        client = self._client
        parent = client.hub.profile.hash_matches_parent
        if client.joined and any(matches(f, message.topic, parent) for f in client.subscriptions):
            self.offer(message)

    def forget_decisions(self) -> None:
        self._receptions.clear()
        self._topic = ""

    def clear(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0
        self._groups.clear()
        self._last = None
        if self._room is not None:
            self._room.set()

    def _send(self, item: Item) -> None:
        """Send with QoS 1. What has expired, is not wanted (any more) or is too large for the peer counts as
        sent [MQTT-3.3.2-5] [MQTT-3.1.2-25]."""
        message, retain = self._flagged(item)
        wanted = not isinstance(item, Handed) or self.receives(message)
        properties = self._remaining(message) if wanted else None
        if properties is not None and self._publish(message, retain, properties, item):
            self.count(message)
        elif isinstance(item, Handed):
            item.owner.acknowledged(item.stored)

    def _flagged(self, item: object) -> tuple[Message, bool]:
        """The message of what was sent or waits, with the RETAIN flag that the client is to see."""
        if isinstance(item, Message | Retain):
            return message_of(item), isinstance(item, Retain)
        assert isinstance(item, Handed)
        message = item.stored.message
        reception = self._reception(message) if message.retain else None
        return message, reception is not None and reception.retain_as_published

    def _publish(self, message: Message, retain: bool, properties: Properties, token: object) -> int:
        """The packet identifier; 0 for what is too large for the peer."""
        publish = self._client.connection.publish
        if self._aliases is not None:
            topic, alias = self._aliases.of(message.topic)
            if alias:
                aliased = {**properties, "topic_alias": alias}
                packet_id = publish(topic, message.payload, 1, retain, aliased, token)
                if packet_id:
                    self._aliases.given(message.topic, alias)
                    return packet_id
        return publish(message.topic, message.payload, 1, retain, properties, token)

    def _write(self, message: Message, retain: bool, properties: Properties) -> None:
        """Send with QoS 0, unless it is larger than the peer takes [MQTT-3.1.2-25]."""
        version, longest = self._client.connection.version, self._client.connection.peer_maximum_packet_size
        if self._aliases is not None:
            raw = self._aliases.encoded(message, retain, properties, longest)
        elif properties is message.properties:
            raw = message.wire(version, retain)
        else:
            raw = encode_publish(version, message.topic, message.payload, 0, retain, False, 0, properties)
        if len(raw) <= longest:
            self._client.transport.write(raw)
            self.count(message)

    def count(self, message: Message) -> None:
        """A message was written to the connection."""
        self.delivered += 1
        if self._client.log is not None:
            self._client.log.sent(message)

    def _remaining(self, message: Message) -> Properties | None:
        return remaining(message, self._client.hub.clock)

    def _decide(self, topic: str) -> Reception | None:
        """The highest QoS of all matching subscriptions [MQTT-3.3.4-2], if Receive is allowed."""
        client = self._client
        parent = client.hub.profile.hash_matches_parent
        mine = [
            s for filter, s in client.subscriptions.items() if matches(parse_share(filter)[1], topic, parent)
        ]
        reception = None
        if mine:
            if client.authorizer.allows("iot:Receive", "topic", topic):
                reception = plain_reception(
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
