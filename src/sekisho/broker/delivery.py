"""Getting messages to one client: the sink that its subscriptions put into the topic tree."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, NamedTuple

from sekisho.mqtt.message import Message
from sekisho.mqtt.topics import matches

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


class Delivery:
    """What a client is sent, and what waits to be sent to it."""

    __slots__ = ("_client", "_last", "_receptions", "_waiting", "_waiting_bytes")

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last: Message | None = None
        self._receptions: dict[str, Reception | None] = {}
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0

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
        if message.qos and reception.qos:
            if not self._waiting and self._may_send():
                self._send(message)
                client.flush()
            elif self._may_wait(message):
                self._waiting.append(message)
                self._waiting_bytes += len(message.payload)
            else:
                client.hub.counters["dropped"] += 1
            return None
        transport = client.transport
        if transport.get_write_buffer_size() > transport.high_water:
            client.hub.counters["dropped"] += 1
            return None
        raw = message.wire(client.connection.version, message.retain and reception.retain_as_published)
        # What is larger than the peer takes counts as sent [MQTT-3.1.2-25].
        if len(raw) <= client.connection.peer_maximum_packet_size:
            transport.write(raw)
        return None

    def pump(self) -> None:
        """Send what waited, as far as the window of unacknowledged messages is open."""
        while self._waiting and self._may_send():
            message = self._waiting.popleft()
            self._waiting_bytes -= len(message.payload)
            self._send(message)

    def _may_send(self) -> bool:
        client = self._client
        transport = client.transport
        return client.connection.can_send and transport.get_write_buffer_size() <= transport.high_water

    def _may_wait(self, message: Message) -> bool:
        """As many bytes as may wait to be written, or one message, however large."""
        waiting = self._waiting
        room = self._client.transport.high_water - self._waiting_bytes
        return not waiting or (len(waiting) < WAITING and len(message.payload) <= room)

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
        self._waiting_bytes = 0
        self._last = None

    def _send(self, message: Message) -> None:
        self._client.connection.publish(message.topic, message.payload, 1, False, message.properties, message)

    def _decide(self, topic: str) -> Reception | None:
        """The highest QoS of all matching subscriptions [MQTT-3.3.5-1], if Receive is allowed."""
        client = self._client
        parent = client.hub.profile.hash_matches_parent
        mine = [s for filter, s in client.subscriptions.items() if matches(filter, topic, parent)]
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
