"""QoS 2 from one client: each message is taken once, however often it comes (section 4.3.3).

For a persistent session the packet identifier becomes a row in the same commit as the message's own rows,
and is gone from the disk before PUBCOMP: neither a lost connection nor `kill -9` has a message taken twice,
or lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sekisho.broker.beyond import QOS_2
from sekisho.broker.both import both
from sekisho.broker.publisher import Publisher
from sekisho.mqtt.encoding import encode
from sekisho.mqtt.exactly_once import MOST, Arrival
from sekisho.mqtt.message import Message, in_range
from sekisho.mqtt.packets import NO_PROPERTIES, Pubcomp, Publish, Pubrec, Pubrel
from sekisho.mqtt.reasons import Reason
from sekisho.store import exchanges
from sekisho.store.statement import StoreError

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.extended_delivery import ExtendedDelivery


class ExactlyOncePublisher(Publisher):
    """A :class:`Publisher` that takes QoS 2, too."""

    __slots__ = ("_delivery",)

    def __init__(self, client: Client, delivery: ExtendedDelivery) -> None:
        super().__init__(client)
        self._delivery = delivery

    def publish(self, packet: Publish) -> Awaitable[None] | None:
        if packet.qos < 2:
            return super().publish(packet)
        arrival = self._delivery.received.publish(packet.packet_id)
        if arrival is Arrival.NEW:
            return self._take(packet)
        if arrival is Arrival.AGAIN:
            self._answer(packet, 0, "")
        elif arrival is Arrival.FULL:
            self._refuse_more(packet)
        return None

    def discard(self, packet: Publish) -> None:
        """What an earlier PUBLISH has begun counts for the receive maximum until it is complete."""
        if packet.qos < 2 or packet.packet_id not in self._delivery.received:
            super().discard(packet)

    def _take(self, packet: Publish) -> Awaitable[None] | None:
        topic, packet_id = packet.topic, packet.packet_id
        allowed = self._publishable.get(topic)
        if allowed is None:
            allowed = self._decide(topic)
        if not allowed or (packet.retain and not self._may_retain(topic)):
            self._refuse(packet)
            return None
        client = self._client
        hub = client.hub
        if packet.retain and hub.retained.refuses(client.account, client.region, packet.payload):
            self._throttle(packet)
            return None
        self._delivery.beyond.note(QOS_2, topic)
        message = Message(
            client.account,
            client.region,
            topic,
            packet.payload,
            2,
            packet.retain,
            in_range(packet.properties) if packet.properties else NO_PROPERTIES,
            client.client_id,
            client.principal_id,
            client.peer.address,
            hub.clock.now(),
            self.trace,
        )
        self._delivery.received.taking(packet_id)
        return self._keep(packet, message) if packet.retain else self._hand_on(packet, message)

    async def _keep(self, packet: Publish, message: Message) -> None:
        """Retained first: that may happen again, when the client publishes again after an interruption."""
        client = self._client
        try:
            await client.hub.retained.keep(message)
        except StoreError:
            client.end(Reason.UNSPECIFIED_ERROR, "the message could not be stored", "SERVER_ERROR")
            return
        if client.joined:
            pending = self._hand_on(packet, message)
            if pending is not None:
                await pending

    def _hand_on(self, packet: Publish, message: Message) -> Awaitable[None] | None:
        client, topic, packet_id = self._client, packet.topic, packet.packet_id
        hub = client.hub
        pending: Awaitable[None] | None = None
        with hub.mailbox.whole():
            if client.durable is not None:
                key = (client.account, client.region, client.client_id, packet_id)
                pending = hub.mailbox.add([exchanges.put_received(*key)])
            if topic[0] == "$":
                hub.request(message)
            else:
                delivered = hub.publish(message, client.space)
                if delivered is not None:
                    pending = both(pending, delivered)
        if pending is None:
            self._delivery.received.taken(packet_id)
            self._answer(packet, 0, "")
            return None
        taken = asyncio.ensure_future(pending)
        taken.add_done_callback(_then(client, lambda: self._taken(packet)))
        return taken if client.connection.inbound_full or hub.mailbox.crowded else None

    def _taken(self, packet: Publish) -> None:
        self._delivery.received.taken(packet.packet_id)
        self._answer(packet, 0, "")

    def release(self, packet: Pubrel) -> None:
        """PUBREL: the client knows that the message was taken."""
        client, packet_id = self._client, packet.packet_id
        arrival = self._delivery.received.release(packet_id)
        if arrival is Arrival.UNKNOWN:
            self._complete(packet_id, Reason.PACKET_IDENTIFIER_NOT_FOUND)
        elif arrival is Arrival.EARLY:
            client.end(Reason.PROTOCOL_ERROR, "PUBREL came before its PUBREC was sent", "CLIENT_ERROR")
        elif arrival is Arrival.RELEASE:
            if client.durable is None:
                self._complete(packet_id, 0)
                return
            key = (client.account, client.region, client.client_id, packet_id)
            forgotten = client.hub.mailbox.add([exchanges.delete_received(*key)])
            forgotten.add_done_callback(_then(client, lambda: self._complete(packet_id, 0)))

    def _complete(self, packet_id: int, reason: int) -> None:
        self._delivery.received.released(packet_id)
        connection = self._client.connection
        connection.send(Pubcomp(packet_id, reason if connection.version == 5 else 0, NO_PROPERTIES))
        self._client.flush()

    def _refuse_more(self, packet: Publish) -> None:
        words = f"more than {MOST} messages of QoS 2 are not released"
        if self._client.connection.version == 5:
            self._answer(packet, Reason.QUOTA_EXCEEDED, words)
        else:
            self._client.end(Reason.QUOTA_EXCEEDED, words, "CLIENT_ERROR")

    def _answer(self, packet: Publish, code: int, words: str) -> None:
        """PUBACK, or PUBREC with the reason in words if there is room for them [MQTT-3.5.2-2]."""
        if packet.qos < 2:
            super()._answer(packet, code, words)
            return
        connection = self._client.connection
        answer = Pubrec(packet.packet_id, code, NO_PROPERTIES)
        if words and connection.version == 5 and connection.wants_problem_information:
            explained = answer._replace(properties={"reason_string": words})
            if len(encode(explained, 5)) <= connection.peer_maximum_packet_size:
                answer = explained
        connection.send(answer)
        self._client.flush()


def _then(client: Client, go_on: Callable[[], None]) -> Callable[[asyncio.Future[None]], None]:
    """Go on when it is on the disk; else the connection ends, and the client begins again from what is."""

    def done(written: asyncio.Future[None]) -> None:
        if written.cancelled() or written.exception() is not None:
            client.end(Reason.UNSPECIFIED_ERROR, "the message could not be stored", "SERVER_ERROR")
        else:
            go_on()

    return done
